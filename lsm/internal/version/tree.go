package version

import (
	"bytes"
	"fmt"
	"slices"
	"sort"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// NumLevels is enough for any disk: with ten times the size from level to level,
// the last one holds a million times what level 1 does.
const NumLevels = 7

// Tree is a set of files, which never changes: level 0 from the newest run to
// the oldest, the others ascending by key and apart from each other.
type Tree struct {
	Levels [NumLevels][]*File
	refs   int // of versions; the lock of the store
}

// Find returns the file of a level above 0 that may hold a key, nil if none.
func Find(level []*File, key []byte) *File {
	lo, hi := 0, len(level)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); level[mid].Bounds.Before(key) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(level) || bytes.Compare(level[lo].Bounds.From, key) > 0 {
		return nil
	}
	return level[lo]
}

// Overlapping are the files of level 0 whose bounds overlap a range.
func Overlapping(level0 []*File, r run.Range) (found []*File) {
	for _, f := range level0 {
		if f.Bounds.Overlaps(r) {
			found = append(found, f)
		}
	}
	return found
}

// OverlappingSorted is the part of a level above 0, of files or as a Picker sees it, that
// overlaps a range. It is found by halving.
func OverlappingSorted[T any](level []T, bounds func(T) run.Range, r run.Range) []T {
	from := sort.Search(len(level), func(i int) bool { return !bounds(level[i]).Before(r.From) })
	to := from
	for to < len(level) && bounds(level[to]).Overlaps(r) {
		to++
	}
	return level[from:to]
}

func BoundsOf(f *File) run.Range { return f.Bounds }

// Change is what happens to the tree in one step.
type Change struct {
	Flushed []*SealedRun   // the oldest ones, which the tree has from now on
	Removed map[*File]bool // those in added as well have only moved, or go on as a part
	Added   [NumLevels][]*File
}

// Apply returns the tree after files have gone and come.
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

func compareNewest(a, b uint64) int {
	if a > b {
		return -1
	}
	return 1
}

// Check returns what is wrong with the levels.
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

// Bytes is the size of the files of a level.
func (t *Tree) Bytes(level int) (n int64) {
	for _, f := range t.Levels[level] {
		n += f.Size
	}
	return n
}

// Covered returns the files that a range tombstone of a newer run hides as a whole. They
// need not be read to go.
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
