package fuzz

import (
	"fmt"
	"testing"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/memtable/btreetable"
	"github.com/weirstate/weir/memtable/memtabletest"
)

// FuzzMemtableOperations runs random operations on both kinds of memtable, and compares the
// results with plain maps.
func FuzzMemtableOperations(f *testing.F) {
	for i := range uint64(6) {
		seed(f, fmt.Sprint("random ", i), randomBytes(i, 2500))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		program = program[:min(len(program), 3000)]
		memtabletest.Program(t, memtable.NewHash, program)
		memtabletest.Program(t, btreetable.New, program)
	})
}
