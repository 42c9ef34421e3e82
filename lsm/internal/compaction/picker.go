package compaction

import (
	"slices"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// Picker chooses which tables to compact next. It is called by one goroutine at a time.
type Picker interface {
	// Pick returns the next compaction, or nil if none is needed. A pick that would change the
	// order of entries fails with ErrInvalidOption and is not carried out.
	Pick(Shape) *Pick
}

// Pick is a compaction to carry out: the files with these numbers become one run of level To.
type Pick struct {
	Files []uint64 // numbers of the tables, each once
	To    int      // level of the output
	// Share, if above 0 and at most 1, ends the compaction early: at the first border of
	// partitions after that share of the entries of its files. Files that were not reached stay
	// in place; a file that was reached in part keeps its unread rest, as a virtual table. With
	// To = 0, the rests stay in level 0, so the number of its runs does not fall. 0 compacts
	// all.
	Share float64
}

// Shape is a Picker's view of the tree.
type Shape struct {
	// Levels has the tables of each level. Level 0 is ordered from the newest run to the
	// oldest; nearly always, each table is a run of its own. Each other level is one run: its
	// tables are ascending by key and do not overlap.
	Levels [version.NumLevels][]Table
	// ExtraReadCost is the cost of reads that had to search several tables, since the last
	// compaction that did not end early. A read of a value in n pieces adds n-1; a search in
	// several tables for a prefix adds several units.
	ExtraReadCost int64
	// Settled is set if all written data is in tables, and nothing was written for a while:
	// the store is only being read, if it is used at all.
	Settled bool
	// MemtableBytes and FileBytes are the options of the store.
	MemtableBytes, FileBytes int64
}

// Table is a Picker's view of a table. A Picker must not change its byte slices.
type Table struct {
	Number     uint64 // name of the file; never reused
	Run        uint64 // newest run in the table; tables of level 0 with the same Run do not overlap
	Bytes      int64  // size of the table, without cut parts of its file
	From, To   []byte // bounds, To excluded; a nil To is above all keys
	Cut        []byte // key at which a cut file begins; nil if the beginning is not cut
	Entries    int64  // sets, deletes and appends in the whole file
	Tombstones int64  // prefix tombstones in the whole file
}

// Bounds returns the bounds of the table as a range.
func (t Table) Bounds() run.Range { return run.Range{From: t.From, To: t.To} }

// ShapeOf returns a Shape with the levels of a tree.
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

// bytesOf returns the total size of tables.
func bytesOf(tables []Table) (n int64) {
	for _, t := range tables {
		n += t.Bytes
	}
	return n
}

// bytesOf returns the total size of the tables of a pick.
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

// tablesOver returns the tables that overlap any of others.
func tablesOver(tables, others []Table) (found []Table) {
	for _, t := range tables {
		if slices.ContainsFunc(others, func(o Table) bool { return t.Bounds().Overlaps(o.Bounds()) }) {
			found = append(found, t)
		}
	}
	return found
}

// numbersOf returns the file numbers of tables.
func numbersOf(groups ...[]Table) (numbers []uint64) {
	for _, tables := range groups {
		for _, t := range tables {
			numbers = append(numbers, t.Number)
		}
	}
	return numbers
}
