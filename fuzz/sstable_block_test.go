package fuzz

import (
	"testing"

	"github.com/weirstate/weir/run"
)

// FuzzSstableBlock reads a table that is correct except for an arbitrary data block.
func FuzzSstableBlock(f *testing.F) {
	entry := func(kind run.Kind, key, value string) run.Entry {
		return run.Entry{Key: []byte(key), Kind: kind, Value: run.Value{Bytes: []byte(value)}}
	}
	seed(f, "one", buildBlock(entry(run.Set, "a", "1")), uint64(1))
	seed(f, "all kinds", buildBlock(entry(run.DeletePrefix, "a:", ""), entry(run.Set, "a:", "1"),
		entry(run.Append, "a:b", "2"), entry(run.Delete, "b", "")), uint64(3))
	large := buildBlock(entry(run.Set, "a", "\x00\x00\x00\x00\x00\x00\x00\x28\x00\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x30"))
	large[0] |= 8
	seed(f, "reference", large, uint64(1))
	seed(f, "out of order", buildBlock(entry(run.Set, "b", ""), entry(run.Set, "a", "")), uint64(2))
	seed(f, "nothing", []byte{}, uint64(1))
	seed(f, "many entries", []byte("\x00\x00\x00\x00\xff\xff"), uint64(1))
	seed(f, "long prefix", []byte("\x01\x00\x00\xff\xff\xff\xff\x00\x01"), uint64(1))
	for i := range uint64(4) {
		seed(f, "random "+string(rune('0'+i)), randomBytes(i, 60), uint64(1))
	}
	f.Fuzz(func(t *testing.T, block []byte, entries uint64) {
		if block == nil {
			block = []byte{}
		}
		p := tableParts{blocks: [][]byte{block}, entries: int(entries % (1 << 40))}
		exerciseTable(t, p.file())
	})
}
