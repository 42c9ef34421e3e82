package lsm

import "github.com/weirstate/weir/lsm/internal/compaction"

// Picker chooses the next compaction. One goroutine calls it. The compactor calls its method
// Pick with the Shape of the tree; Pick returns a Pick, or nil if no compaction is due.
type Picker = compaction.Picker

// Pick is a compaction to do: the tables whose numbers are in Files become one run of level To.
// A Share between 0 and 1 ends the compaction after that share of its entries, at a border of
// partitions.
type Pick = compaction.Pick

// Shape describes the tree to a Picker: the tables of each of NumLevels levels (Levels), the
// cost of reads that had to search several tables (ExtraReadCost), whether all writes are in
// tables and the store has not been written to for a while (Settled), and the options
// MemtableBytes and FileBytes. Level 0 lists its tables from the newest run to the oldest,
// other levels in ascending order of keys.
type Shape = compaction.Shape

// Table describes a table to a Picker: Number names it in a Pick, Run is its age in level 0,
// From and To are its bounds, Bytes is its size. A Picker must not change the bounds.
type Table = compaction.Table

// NewLeveled returns the default Picker. Level 0 receives runs as they are flushed; each level
// below is one sorted run, ten times larger than the level above.
func NewLeveled() Picker { return compaction.NewLeveled() }

// NewTiered returns a Picker that writes less than NewLeveled and makes reads slower: all runs
// stay in level 0, and whenever the given number of adjacent runs have approximately the same
// size, they are merged. The largest of them has at most three times the average size of the
// others. Large runs may have no filter: see Options.FilterBits. runs is at least 2; 0 means 4.
// Open refuses other numbers with ErrInvalidOption.
func NewTiered(runs int) Picker {
	picker := compaction.NewTiered(runs)
	if runs < 0 || runs == 1 {
		return invalidTiered{picker, runs}
	}
	return picker
}

// invalidTiered is the Picker that NewTiered returns for a number that Open refuses. It picks
// like NewTiered(2): Open does not see it if a Picker of the caller calls it.
type invalidTiered struct {
	Picker
	runs int
}
