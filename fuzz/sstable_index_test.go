package fuzz

import (
	"encoding/binary"
	"testing"

	"github.com/weirstate/weir/run"
)

// FuzzSstableIndex reads a table of two data blocks with an arbitrary index.
func FuzzSstableIndex(f *testing.F) {
	blocks := [][]byte{
		buildBlock(run.Entry{Key: []byte("a"), Kind: run.Set}, run.Entry{Key: []byte("a:b"), Kind: run.Set}),
		buildBlock(run.Entry{Key: []byte("b"), Kind: run.Delete}),
	}
	first, second := uint64(len(blocks[0])+16), uint64(len(blocks[1])+16)
	index := func(numbers ...uint64) (b []byte) {
		for _, n := range numbers {
			b = binary.BigEndian.AppendUint64(b, n)
		}
		return b
	}
	head := uint64('a')<<56 | ':'<<48 | 'c'<<40
	sound := append(index(2, 0, head, 3, tableHeaderBytes, tableHeaderBytes+first, first, second), "a:c"...)
	seed(f, "sound", sound)
	seed(f, "one block", index(1, 0, tableHeaderBytes, first))
	seed(f, "overlap", append(index(2, 0, head, 3, tableHeaderBytes, tableHeaderBytes, first, second), "a:c"...))
	seed(f, "ends that wrap", append(index(2, 0, head, 1<<63, tableHeaderBytes, tableHeaderBytes+first, first, second), "a:c"...))
	seed(f, "far away", append(index(2, 0, head, 3, tableHeaderBytes, 1<<63-1, first, 1<<63), "a:c"...))
	seed(f, "prefix", append(append(index(2, 2), "a:"...), append(index('c'<<56, 1, tableHeaderBytes, tableHeaderBytes+first, first, second), 'c')...))
	seed(f, "too many", index(1<<62, 0))
	seed(f, "none", index(0, 0))
	seed(f, "empty", []byte{})
	f.Fuzz(func(t *testing.T, index []byte) {
		if index == nil {
			index = []byte{}
		}
		p := tableParts{blocks: blocks, index: index, entries: 3}
		exerciseTable(t, p.file())
	})
}
