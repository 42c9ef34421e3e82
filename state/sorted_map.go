package state

import (
	"slices"

	"github.com/google/btree"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/codec"
)

const (
	// smallMap is the maximum number of entries of a map that is a sorted slice. Up to
	// this number, moving entries costs less than the nodes of a tree.
	smallMap = 64
	// treeDegree gives tree nodes of 31 to 63 entries.
	treeDegree = 32
)

// sortedMap is the map of one key and namespace, ordered by encoded user key. It begins as a sorted
// slice. When it has more than smallMap entries it becomes a B-tree, and stays one if it shrinks.
// Before the first write after a snapshot, mutable copies the slice, or clones the tree: a clone
// shares all nodes, and each tree copies a node before it changes it.
//
// Invariant: a map whose version is at or below cow.Clock.Shared never changes: an open snapshot
// may read it.
//
// Thread safety: only the task's goroutine calls mutable and the methods that change a map. Other
// goroutines may read a map that a snapshot shares.
type sortedMap[UK, UV any] struct {
	version uint64 // cow.Clock.Now when the map was created
	small   []Entry[UK, UV]
	tree    *btree.BTreeG[Entry[UK, UV]] // nil while small
}

// mutable returns the map itself if no snapshot shares it, else a copy. A nil map gives an
// empty one.
func (m *sortedMap[UK, UV]) mutable(clock *cow.Clock) *sortedMap[UK, UV] {
	switch {
	case m == nil:
		return &sortedMap[UK, UV]{version: clock.Now()}
	case m.version > clock.Shared():
		return m
	case m.tree != nil:
		return &sortedMap[UK, UV]{version: clock.Now(), tree: m.tree.Clone()}
	default:
		return &sortedMap[UK, UV]{version: clock.Now(), small: slices.Clone(m.small)}
	}
}

func (m *sortedMap[UK, UV]) len() int {
	switch {
	case m == nil:
		return 0
	case m.tree != nil:
		return m.tree.Len()
	default:
		return len(m.small)
	}
}

// search returns the index of a user key in the slice, or the index at which to insert it and
// false.
func (m *sortedMap[UK, UV]) search(c codec.Codec[UK], key UK) (int, bool) {
	low, high := 0, len(m.small)
	for low < high {
		middle := int(uint(low+high) >> 1)
		switch order := c.Compare(m.small[middle].Key, key); {
		case order < 0:
			low = middle + 1
		case order > 0:
			high = middle
		default:
			return middle, true
		}
	}
	return low, false
}

func (m *sortedMap[UK, UV]) get(c codec.Codec[UK], key UK) (value UV, ok bool) {
	if m == nil {
		return value, false
	}
	if m.tree != nil {
		e, ok := m.tree.Get(Entry[UK, UV]{Key: key})
		return e.Value, ok
	}
	if i, ok := m.search(c, key); ok {
		return m.small[i].Value, true
	}
	return value, false
}

// floor returns the entry with the greatest user key at or below key.
func (m *sortedMap[UK, UV]) floor(c codec.Codec[UK], key UK) (e Entry[UK, UV], ok bool) {
	m.descend(c, key, func(found Entry[UK, UV]) bool {
		e, ok = found, true
		return false
	})
	return e, ok
}

// descend calls yield with the entries at or below a user key, in descending order, until yield
// returns false.
func (m *sortedMap[UK, UV]) descend(c codec.Codec[UK], key UK, yield func(Entry[UK, UV]) bool) {
	switch {
	case m == nil:
	case m.tree != nil:
		m.tree.DescendLessOrEqual(Entry[UK, UV]{Key: key}, yield)
	default:
		i, found := m.search(c, key)
		if !found {
			i--
		}
		for ; i >= 0 && yield(m.small[i]); i-- {
		}
	}
}

// put stores an entry and returns the value that it replaces. It returns false if the map did not have
// the user key. The map must come from mutable.
func (m *sortedMap[UK, UV]) put(c codec.Codec[UK], key UK, value UV) (old UV, ok bool) {
	e := Entry[UK, UV]{key, value}
	if m.tree != nil {
		replaced, ok := m.tree.ReplaceOrInsert(e)
		return replaced.Value, ok
	}
	i, ok := m.search(c, key)
	switch {
	case ok:
		old, m.small[i] = m.small[i].Value, e
	case len(m.small) < smallMap:
		m.small = slices.Insert(m.small, i, e)
	default:
		m.grow(c)
		m.tree.ReplaceOrInsert(e)
	}
	return old, ok
}

// grow converts the slice to a tree.
func (m *sortedMap[UK, UV]) grow(c codec.Codec[UK]) {
	less := func(a, b Entry[UK, UV]) bool { return c.Compare(a.Key, b.Key) < 0 }
	m.tree = btree.NewG(treeDegree, less)
	for _, e := range m.small {
		m.tree.ReplaceOrInsert(e)
	}
	m.small = nil
}

// remove removes an entry. The map must come from mutable.
func (m *sortedMap[UK, UV]) remove(c codec.Codec[UK], key UK) {
	if m.tree != nil {
		m.tree.Delete(Entry[UK, UV]{Key: key})
		return
	}
	if i, ok := m.search(c, key); ok {
		m.small = slices.Delete(m.small, i, i+1)
	}
}

// removeIf removes the entries for which remove returns true. It calls remove once for each entry. The
// map must come from mutable.
func (m *sortedMap[UK, UV]) removeIf(remove func(Entry[UK, UV]) bool) {
	if m.tree == nil {
		m.small = slices.DeleteFunc(m.small, remove)
		return
	}
	var removed []Entry[UK, UV]
	m.tree.Ascend(func(e Entry[UK, UV]) bool {
		if remove(e) {
			removed = append(removed, e)
		}
		return true
	})
	for _, e := range removed {
		m.tree.Delete(e)
	}
}

// start is the start of a walk over a sortedMap.
type start[UK any] struct {
	key   *UK  // the walk begins at the first entry at or above this key; nil: at the first entry
	above bool // skip the entry of key itself
}

// ascend calls yield with the entries from a start on, in order, until yield returns false.
// Yield may change the map only if it then returns false.
func (m *sortedMap[UK, UV]) ascend(c codec.Codec[UK], from start[UK], yield func(Entry[UK, UV]) bool) {
	switch {
	case m == nil:
	case m.tree == nil:
		first := 0
		if from.key != nil {
			i, ok := m.search(c, *from.key)
			first = i
			if ok && from.above {
				first++
			}
		}
		for _, e := range m.small[first:] {
			if !yield(e) {
				return
			}
		}
	case from.key == nil:
		m.tree.Ascend(yield)
	default:
		pivot := *from.key
		m.tree.AscendGreaterOrEqual(Entry[UK, UV]{Key: pivot}, func(e Entry[UK, UV]) bool {
			return from.above && c.Compare(e.Key, pivot) == 0 || yield(e)
		})
	}
}
