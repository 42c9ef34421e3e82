package lsm

import "github.com/weirstate/weir/lsm/internal/compaction"

// Picker chooses what to compact next. It is called by one goroutine. Its method Pick is
// given the Shape of the tree, and returns the next compaction, nil if the tree is fine as
// it is.
type Picker = compaction.Picker

// Pick is a compaction to do: Files, by number, become one run of level To. A Share above 0
// ends it early.
type Pick = compaction.Pick

// Shape is the tree as a Picker sees it: the tables of each of NumLevels levels
// (Levels), the cost of reads that had to look into several tables (ExtraReadCost), whether
// the store has not been written to for a while (Settled), and MemtableBytes and FileBytes of
// the options. Level 0 has its tables from the newest run to the oldest, the others ascending
// by key.
type Shape = compaction.Shape

// Table is a table of the tree as a Picker sees it: Number names it in a Pick, Run orders
// level 0, From and To are its bounds, Bytes is its size. The bytes are only read.
type Table = compaction.Table

// NewLeveled returns the default Picker: level 0 takes runs as they are flushed, each level
// below is one run of ten times the size of the one above.
func NewLeveled() Picker { return compaction.NewLeveled() }

// NewTiered returns a Picker that writes less and reads more: all runs stay on level 0, and
// so many runs of about the same size, 2 at least, become one: the largest has at most
// three times the average of the others. 0 is 4.
func NewTiered(runs int) Picker { return compaction.NewTiered(runs) }
