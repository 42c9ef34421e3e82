package lsm

import (
	"bytes"
	"fmt"
	"slices"
	"sort"

	"github.com/weirstate/weir/internal/run"
)

// numLevels is enough for any disk: with ten times the size from level to level,
// the last one holds a million times what level 1 does.
const numLevels = 7

// tree is a set of files, which never changes: level 0 from the newest run to
// the oldest, the others ascending by key and apart from each other.
type tree struct {
	levels [numLevels][]*file
	refs   int // of versions; the lock of the store
}

// find returns the file of a level above 0 that may hold a key, nil if none.
func find(level []*file, key []byte) *file {
	lo, hi := 0, len(level)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); level[mid].bounds.Before(key) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(level) || bytes.Compare(level[lo].bounds.From, key) > 0 {
		return nil
	}
	return level[lo]
}

// overlapping are the files of level 0 whose bounds overlap a range.
func overlapping(level0 []*file, r run.Range) (found []*file) {
	for _, f := range level0 {
		if f.bounds.Overlaps(r) {
			found = append(found, f)
		}
	}
	return found
}

// spanned is the part of a level above 0, of files or as a Picker sees it, that
// overlaps a range. It is found by halving.
func spanned[T any](level []T, bounds func(T) run.Range, r run.Range) []T {
	from := sort.Search(len(level), func(i int) bool { return !bounds(level[i]).Before(r.From) })
	to := from
	for to < len(level) && bounds(level[to]).Overlaps(r) {
		to++
	}
	return level[from:to]
}

func boundsOfFile(f *file) run.Range { return f.bounds }

// change returns the tree after files have gone and come.
func (t *tree) change(removed map[*file]bool, added [numLevels][]*file) (*tree, error) {
	next := &tree{}
	for level := range t.levels {
		files := slices.Clone(t.levels[level])
		files = slices.DeleteFunc(files, func(f *file) bool { return removed[f] })
		files = append(files, added[level]...)
		sortLevel(level, files)
		next.levels[level] = files
	}
	return next, next.check()
}

func sortLevel(level int, files []*file) {
	if level == 0 {
		slices.SortFunc(files, func(a, b *file) int {
			if a.run != b.run {
				return compareNewest(a.run, b.run)
			}
			return bytes.Compare(a.bounds.From, b.bounds.From)
		})
		return
	}
	slices.SortFunc(files, func(a, b *file) int { return bytes.Compare(a.bounds.From, b.bounds.From) })
}

func compareNewest(a, b uint64) int {
	if a > b {
		return -1
	}
	return 1
}

// check says whether the levels are as they must be.
func (t *tree) check() error {
	seen := make(map[uint64]bool)
	for level, files := range t.levels {
		for i, f := range files {
			switch {
			case seen[f.number]:
				return fmt.Errorf("table %d is in the tree twice: %w", f.number, ErrCorrupt)
			case f.bounds.Empty():
				return fmt.Errorf("table %d has no bounds: %w", f.number, ErrCorrupt)
			case i > 0 && level > 0 && files[i-1].bounds.Overlaps(f.bounds),
				i > 0 && level == 0 && files[i-1].run == f.run && files[i-1].bounds.Overlaps(f.bounds):
				return fmt.Errorf("tables %d and %d of level %d overlap: %w", files[i-1].number, f.number, level, ErrCorrupt)
			}
			seen[f.number] = true
		}
	}
	return nil
}

// bytes is the size of the files of a level.
func (t *tree) bytes(level int) (n int64) {
	for _, f := range t.levels[level] {
		n += f.size
	}
	return n
}
