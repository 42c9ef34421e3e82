package lsm

import (
	"fmt"
	"slices"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/lsm/internal/version"
)

// Picker chooses what to compact next. It is called by one goroutine.
type Picker interface {
	// Pick returns the next compaction, nil if the tree is fine as it is. One
	// that would put an entry before or behind where it belongs is ErrOption
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
	// Detours is how often since the last compaction that did not end early a read has
	// looked into a table more than one, because the value is in pieces or a prefix in
	// several tables.
	Detours int64
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

func (t Table) bounds() run.Range { return run.Range{From: t.From, To: t.To} }

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
		if slices.ContainsFunc(others, func(o Table) bool { return t.bounds().Overlaps(o.bounds()) }) {
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

// shape describes the current tree. The lock is held.
func (db *DB) shape() Shape {
	s := Shape{
		Detours: db.detours, Settled: db.isStill() && db.untilQuiet() <= 0,
		MemtableBytes: db.o.MemtableBytes, FileBytes: db.o.FileBytes,
	}
	for level, files := range db.versions.Current().Tree.Levels {
		for _, f := range files {
			s.Levels[level] = append(s.Levels[level], Table{
				Number: f.Number, Run: f.Run, Bytes: f.Table.ClippedBytes(), From: f.Bounds.From, To: f.Bounds.To,
				Cut: f.Clip.From, Entries: f.Entries, Tombstones: f.Tombstones,
			})
		}
	}
	return s
}

// checkPick says whether files may become one run of a level: no file that stays
// may have an entry that is newer than one of theirs and older than the place
// where it goes, or the other way round.
func checkPick(t *version.Tree, inputs map[*version.File]bool, to int) error {
	newest, oldest := inputsOfLevel0(t, inputs)
	if to == 0 && newest >= 0 {
		if err := checkRun(t.Levels[0], inputs, newest); err != nil {
			return err
		}
	}
	for level, files := range t.Levels {
		for at, f := range files {
			if !inputs[f] {
				continue
			}
			if level > to {
				return fmt.Errorf("table %d would go up from level %d to %d: %w", f.Number, level, to, ErrOption)
			}
			var between [][]*version.File // what lies between the input and where it goes
			switch {
			case to == 0: // the place of the newest input
				between = append(between, files[newest:oldest+1])
			case level == 0:
				between = append(between, files[at:])
			}
			for l := max(level, 1); l <= to; l++ {
				between = append(between, version.Spanned(t.Levels[l], version.BoundsOf, f.Bounds))
			}
			if other := staying(between, inputs, f); other != nil {
				return fmt.Errorf("table %d is in the way of table %d: %w", other.Number, f.Number, ErrOption)
			}
		}
	}
	return nil
}

// checkRun says whether inputs of level 0 may become a file of the run of the newest
// one: it must be apart from the files of that run that stay.
func checkRun(level0 []*version.File, inputs map[*version.File]bool, newest int) error {
	all := level0[newest].Bounds
	for f := range inputs {
		all = all.Span(f.Bounds)
	}
	for _, f := range level0 {
		if !inputs[f] && f.Run == level0[newest].Run && f.Bounds.Overlaps(all) {
			return fmt.Errorf("table %d is of the run that others would become, and overlaps them: %w", f.Number, ErrOption)
		}
	}
	return nil
}

// inputsOfLevel0 are the places of the first and the last input there; -1 if
// there is none.
func inputsOfLevel0(t *version.Tree, inputs map[*version.File]bool) (newest, oldest int) {
	newest, oldest = -1, -1
	for at, f := range t.Levels[0] {
		if !inputs[f] {
			continue
		}
		if oldest = at; newest < 0 {
			newest = at
		}
	}
	return newest, oldest
}

// staying finds a file that is no input and overlaps one.
func staying(groups [][]*version.File, inputs map[*version.File]bool, f *version.File) *version.File {
	for _, files := range groups {
		for _, other := range files {
			if !inputs[other] && other.Bounds.Overlaps(f.Bounds) {
				return other
			}
		}
	}
	return nil
}
