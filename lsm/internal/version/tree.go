package version

import (
	"bytes"
	"fmt"
	"slices"
	"sort"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// NumLevels is the number of levels of a tree. With the leveled picker each level is ten times
// the size of the level above it. The last level may be of any size.
const NumLevels = 7

// Tree is an immutable set of files, arranged in levels.
//
//	memtables   newest data; not part of the Tree
//	level 0     [a ... z] [c .. k] [a .... x]     newest run first; runs overlap each other
//	level 1     [a-c][d-h]     [k-p][q-z]         one run: sorted, files do not overlap
//	level 2     [a-b][c-d][e-f][g-k]  [m-r][s-z]  one run, ten times the size
//
// A reader asks from the top to the bottom. Each file of level 0 may have the key; of each
// level below, only one file may (Find).
//
// Invariant: entries of a key are newer the higher they are: level 0 in order of descending
// Run, then level 1, and so on. An entry hides or extends only entries below it.
//
// Invariant: files of a level above 0 do not overlap, and neither do files of level 0 with the
// same Run.
//
// Invariant: a Tree never changes once its first Version exists. Apply makes a new one, which
// shares the files.
//
// Cost: Find is a binary search, O(log files). Apply copies one pointer per file, which is
// little work compared with the write that caused it. The structure is the leveled tree of
// LevelDB (doc/impl.md there), after O'Neil et al., "The log-structured merge-tree", 1996.
type Tree struct {
	Levels [NumLevels][]*File // files by level, in the order that SortLevel makes
	refs   int                // versions that have the tree; guarded by the lock of the store
}

// Find returns the file of a level above 0 whose bounds contain a key, nil if no file does.
func Find(level []*File, key []byte) *File {
	i := search(level, key)
	if i == len(level) || bytes.Compare(level[i].Bounds.From, key) > 0 {
		return nil
	}
	return level[i]
}

// search returns the index of the first file of a level above 0 whose bounds end above a key.
func search(level []*File, key []byte) int {
	lo, hi := 0, len(level)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); level[mid].Bounds.Before(key) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// MayHold reports whether a table may have the key of p or, if that is a whole prefix, any key of the
// prefix. It asks only filters in memory; a table whose filter is not in memory may have every key.
// The caller holds the lock of the store.
//
// Cost: one cache line of each table of level 0, one of each level below. Level 0 and levels of one
// table are asked without a check of the bounds, which would cost as much as the filter.
func (t *Tree) MayHold(p *run.LookupKey) bool {
	for _, f := range t.Levels[0] {
		if !f.Table.Lacks(p) {
			return true
		}
	}
	for _, level := range t.Levels[1:] {
		if len(level) > 0 && levelMayHold(level, p) {
			return true
		}
	}
	return false
}

// levelMayHold is MayHold for a level above 0 that is not empty. The keys of a prefix may be in
// several tables, from the one whose bounds end above the prefix.
func levelMayHold(level []*File, p *run.LookupKey) bool {
	if len(level) == 1 {
		return !level[0].Table.Lacks(p)
	}
	for _, f := range level[search(level, p.Key):] {
		switch from, to := f.Bounds.From, f.Bounds.To; {
		case bytes.Compare(from, p.Key) > 0 && !bytes.HasPrefix(from, p.Key):
			return false
		case !f.Table.Lacks(p):
			return true
		case !bytes.HasPrefix(to, p.Key):
			return false
		}
	}
	return false
}

// Overlapping returns the files of level 0 whose bounds overlap a range.
func Overlapping(level0 []*File, r run.Range) (found []*File) {
	for _, f := range level0 {
		if f.Bounds.Overlaps(r) {
			found = append(found, f)
		}
	}
	return found
}

// OverlappingSorted returns the part of a level above 0 that overlaps a range. level is sorted
// and disjoint; bounds returns the range of an element. It takes O(log n) steps and one for
// each element returned.
func OverlappingSorted[T any](level []T, bounds func(T) run.Range, r run.Range) []T {
	from := sort.Search(len(level), func(i int) bool { return !bounds(level[i]).Before(r.From) })
	to := from
	for to < len(level) && bounds(level[to]).Overlaps(r) {
		to++
	}
	return level[from:to]
}

// BoundsOf returns the bounds of a file.
func BoundsOf(f *File) run.Range { return f.Bounds }

// Change is one step from a tree to the next.
type Change struct {
	Flushed []*SealedRun       // runs that are in the tree after the change; the oldest ones in memory
	Removed map[*File]bool     // a file that is also in Added only moves to another level
	Added   [NumLevels][]*File // new files by level
}

// Apply returns the tree without the removed files and with the added ones, and ErrCorrupt if
// they do not fit together.
func (t *Tree) Apply(c *Change) (*Tree, error) {
	next := &Tree{}
	for level := range t.Levels {
		files := slices.Clone(t.Levels[level])
		files = slices.DeleteFunc(files, func(f *File) bool { return c.Removed[f] })
		files = append(files, c.Added[level]...)
		SortLevel(level, files)
		next.Levels[level] = files
	}
	return next, next.Check()
}

// SortLevel sorts the files of a level: level 0 from the newest run to the oldest, other
// levels by key.
func SortLevel(level int, files []*File) {
	if level == 0 {
		slices.SortFunc(files, func(a, b *File) int {
			if a.Run != b.Run {
				return compareNewest(a.Run, b.Run)
			}
			return bytes.Compare(a.Bounds.From, b.Bounds.From)
		})
		return
	}
	slices.SortFunc(files, func(a, b *File) int { return bytes.Compare(a.Bounds.From, b.Bounds.From) })
}

// compareNewest orders the larger of two different run numbers first.
func compareNewest(a, b uint64) int {
	if a > b {
		return -1
	}
	return 1
}

// Check returns ErrCorrupt if the files break an invariant of Tree.
func (t *Tree) Check() error {
	seen := make(map[uint64]bool)
	for level, files := range t.Levels {
		for i, f := range files {
			switch {
			case seen[f.Number]:
				return fmt.Errorf("table %d is in the tree twice: %w", f.Number, sstable.ErrCorrupt)
			case f.Bounds.Empty():
				return fmt.Errorf("table %d has no bounds: %w", f.Number, sstable.ErrCorrupt)
			case i > 0 && level > 0 && files[i-1].Bounds.Overlaps(f.Bounds),
				i > 0 && level == 0 && files[i-1].Run == f.Run && files[i-1].Bounds.Overlaps(f.Bounds):
				return fmt.Errorf("tables %d and %d of level %d overlap: %w", files[i-1].Number, f.Number, level, sstable.ErrCorrupt)
			}
			seen[f.Number] = true
		}
	}
	return nil
}

// Bytes returns the size of the files of a level on disk.
func (t *Tree) Bytes(level int) (n int64) {
	for _, f := range t.Levels[level] {
		n += f.Size
	}
	return n
}

// Covered returns the files that a range tombstone of a newer run hides completely. They can
// be dropped without reading them.
func (t *Tree) Covered() (covered []*File) {
	var hidden run.Ranges
	for level, files := range t.Levels {
		for _, f := range files {
			if slices.ContainsFunc(hidden, func(r run.Range) bool { return r.Includes(f.Bounds) }) {
				covered = append(covered, f)
			}
			if level == 0 {
				hidden.AddAll(f.Table.Ranges())
			}
		}
		if level > 0 {
			for _, f := range files {
				hidden.AddAll(f.Table.Ranges())
			}
		}
	}
	return covered
}
