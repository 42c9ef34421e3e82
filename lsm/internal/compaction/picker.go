package compaction

import (
	"slices"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// Picker chooses what to compact next. It is called by one goroutine.
type Picker interface {
	// Pick returns the next compaction, nil if the tree is fine as it is. One
	// that would put an entry before or behind where it belongs is ErrInvalidOption
	// and is not carried out.
	Pick(Shape) *Pick
}

// Pick is a compaction to do: the files, by number, become one run of level To.
type Pick struct {
	Files []uint64
	To    int
	// Share ends the compaction at the first border of partitions behind so much of the
	// entries of its files, above 0 and up to 1. What it has not come to stays where it
	// is: a file of which a part is used up goes on with the rest. If level 0 is to have
	// fewer runs, To must be another level. 0 is all.
	Share float64
}

// Shape is the tree as a Picker sees it.
type Shape struct {
	// Levels has the tables of each level: of level 0 from the newest run to the
	// oldest, nearly always each a run of its own; of the others ascending by key, apart
	// from each other, one run together.
	Levels [version.NumLevels][]Table
	// ExtraReadCost is what reads that had to look into several tables have cost since the
	// last compaction that did not end early: 1 for each table beside the first where a
	// value is in pieces, several where a prefix is in several tables.
	ExtraReadCost int64
	// Settled says that all that was written is in tables, and nothing was for a
	// while: the store is being read, if anything.
	Settled bool
	// MemtableBytes and FileBytes are those of Options.
	MemtableBytes, FileBytes int64
}

// Table is a table of the tree as a Picker sees it. Its bytes are not the Picker's
// to change.
type Table struct {
	Number     uint64
	Run        uint64 // tables of level 0 that have the same are apart from each other
	Bytes      int64  // of the part of the file that counts
	From, To   []byte // bounds, To excluded; nil is beyond the highest key
	Cut        []byte // where that part begins, if not at the front of the file
	Entries    int64  // sets, deletes and appends of all of the file
	Tombstones int64  // of prefixes, the same
}

// Bounds returns the bounds of the table as a range.
func (t Table) Bounds() run.Range { return run.Range{From: t.From, To: t.To} }

// ShapeOf returns the levels of a tree.
func ShapeOf(t *version.Tree) (s Shape) {
	for level, files := range t.Levels {
		for _, f := range files {
			s.Levels[level] = append(s.Levels[level], Table{
				Number: f.Number, Run: f.Run, Bytes: f.Table.ClippedBytes(), From: f.Bounds.From, To: f.Bounds.To,
				Cut: f.Clip.From, Entries: f.Entries, Tombstones: f.Tombstones,
			})
		}
	}
	return s
}

// bytesOf is the size of tables.
func bytesOf(tables []Table) (n int64) {
	for _, t := range tables {
		n += t.Bytes
	}
	return n
}

// bytesOf is the size of the tables of a pick.
func (s *Shape) bytesOf(p *Pick) (n int64) {
	for _, tables := range s.Levels {
		for _, t := range tables {
			if slices.Contains(p.Files, t.Number) {
				n += t.Bytes
			}
		}
	}
	return n
}

// tablesOver are those of tables whose bounds overlap others'.
func tablesOver(tables, others []Table) (found []Table) {
	for _, t := range tables {
		if slices.ContainsFunc(others, func(o Table) bool { return t.Bounds().Overlaps(o.Bounds()) }) {
			found = append(found, t)
		}
	}
	return found
}

func numbersOf(groups ...[]Table) (numbers []uint64) {
	for _, tables := range groups {
		for _, t := range tables {
			numbers = append(numbers, t.Number)
		}
	}
	return numbers
}
