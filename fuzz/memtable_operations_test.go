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
	seed(f, "range", []byte("\x00\x01\x02\x02\x02\x02\x00\x01\x02\x10\x07\x01\x02"))
	seed(f, "algebra", []byte("\x01\x00\x01\x02\x10\x01\x01\x02\x40\x02\x01\x02\x01\x01\x02\x80\x07\x01\x02\x00\x01\x02\xff\x01\x01\x02\xff"))
	seed(f, "prefixes", []byte("\x01\x00\x03\x02\x00\x02\x10\x00\x02\x02\x00\x10\x03\x02\x02\x00\x04\x02\x02\x00\x01\x03\x02\x00\x03\x20\x04\x02\x02\x00"))
	seed(f, "many suffixes", []byte("\x01\x05\x12\x02\x02\xf0\x09\x01\x33\x07\x04\x13\x02\x02\x00\x03\x13\x02\x02\x00\x05\x12\x02\x02\xf0\x09\x01"))
	for i := range uint64(6) {
		seed(f, fmt.Sprint("random ", i), randomBytes(i, 600))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		program = program[:min(len(program), 500)]
		memtabletest.Program(t, memtable.NewHash, program)
		memtabletest.Program(t, btreetable.New, program)
	})
}
