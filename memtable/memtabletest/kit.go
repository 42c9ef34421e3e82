package memtabletest

import (
	"fmt"
	"testing"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/memtable"
)

// check is a subtest of Run.
type check struct {
	name string
	do   func(*testing.T, func(memtable.Options) memtable.Table)
}

var checks = []check{
	{"An operation and what is there become one entry", algebra},
	{"A prefix tombstone removes its keys and hides older runs", prefixTombstones},
	{"A range tombstone hides older runs", rangeTombstones},
	{"Values of all sizes come back", valueSizes},
	{"What was returned may be written again", aliases},
	{"A value grows by appends without end", appends},
	{"A walk sees the table as it is at each step", liveWalks},
	{"A walk may seek", liveSeeks},
	{"Keys that agree for long are in order", similarKeys},
	{"A sealed table is safe for concurrent reads", concurrentReads},
	{"A table takes and returns the budget's memory", memory},
	{"An empty table is a run", emptyTable},
}

// runOperations is the length of a program of the random part of Run. A failure prints
// its seed in the name of the test.
const runOperations = 20_000

// Run proves that a table conforms. Each promise is a subtest. WEIR_TESTS chooses the
// number of random programs: 1, 6 in campaigns, 1,000 in dense tests.
func Run(t *testing.T, open func(memtable.Options) memtable.Table) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.do(t, open) })
	}
	for seed := range density.Of(t, uint64(1), 6, 1000) {
		t.Run(fmt.Sprintf("random operations, seed %d", seed), func(t *testing.T) {
			random(t, open, seed, runOperations)
		})
	}
}
