package memtabletest

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/memtable"
)

// opener opens an empty table.
type opener = func(memtable.Options) memtable.Table

var checks = []struct {
	name string
	run  func(*testing.T, opener)
}{
	{"Operations on a key combine into one entry", algebra},
	{"A prefix tombstone removes its keys and hides older runs", prefixTombstones},
	{"A range tombstone hides older runs", rangeTombstones},
	{"Values of all sizes are returned unchanged", valueSizes},
	{"Returned values may be written again", aliases},
	{"A value grows by appends without limit", appends},
	{"A sealed table is safe for concurrent reads", concurrentReads},
	{"A table takes memory of the budget and gives it back", memory},
	{"An empty table is a run", emptyTable},
}

// A step of a random program writes at most runFilled keys in Run: enough for trees of three levels
// and for several passes of a radix sort. Program writes fewer keys, so that a fuzzer runs more
// programs.
const (
	runFilled     = 3000
	programFilled = 100
)

// Run tests that the tables of open conform, with a subtest for each promise and random programs.
// WEIR_TESTS chooses the number of programs: 100, 1,000 in campaigns, 100,000 in dense tests.
// A failure prints the smallest program found that fails, and the flag that repeats it.
func Run(t *testing.T, open func(memtable.Options) memtable.Table) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
	t.Run("Random programs agree with a model", func(t *testing.T) {
		for range density.Of(t, 1, 10, 1000) {
			rapid.Check(t, func(r *rapid.T) { randomProgram(r, open, runFilled) })
		}
	})
}

// Program runs one random program, whose choices are drawn from the bytes, and compares the table
// with the model. It is for fuzz tests. Fewer than a thousand bytes make short programs.
func Program(t *testing.T, open func(memtable.Options) memtable.Table, program []byte) {
	rapid.MakeFuzz(func(r *rapid.T) { randomProgram(r, open, programFilled) })(t, program)
}
