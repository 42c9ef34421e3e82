package memtable

import (
	"bytes"
	"sort"

	"github.com/weirstate/weir/run"
)

// Iterator implements Table.
func (t *hashTable) Iterator() run.BackwardIterator {
	t.sorting.Do(t.sort)
	return &walk{t: t, place: -1}
}

// sort fills in sorted.
func (t *hashTable) sort() {
	s := sorter{m: &t.memory, all: newItems(t.budget, t.entries+t.tombstones)}
	t.sortedBytes.Store(int64(len(s.all) * itemBytes))
	t.keys.each(func(r ref) {
		if t.header(r).kind() != 0 {
			s.add(item{ref: uint64(r)})
		}
	})
	if t.tombstones > 0 {
		t.prefixes.each(func(node ref) {
			if t.hasTombstone(node) {
				s.add(item{ref: uint64(node) | tombstoneItem})
			}
		})
	}
	s.sort()
	t.sorted = s.all
}

// walk goes through a sealed table.
type walk struct {
	t       *hashTable
	place   int // in sorted
	entry   run.Entry
	scratch []byte
	ahead   uint64 // keeps lookAhead from being nothing
}

// aheadItems is about how many misses a processor has open at a time.
const aheadItems = 16

// Seek implements run.Iterator.
func (w *walk) Seek(key []byte) bool {
	s := sorter{m: &w.t.memory}
	w.place = sort.Search(len(w.t.sorted), func(i int) bool {
		return bytes.Compare(s.key(w.t.sorted[i]), key) >= 0
	}) - 1
	return w.Next()
}

// Next implements run.Iterator.
func (w *walk) Next() bool {
	w.place = min(w.place+1, len(w.t.sorted))
	if w.place == len(w.t.sorted) {
		return false
	}
	if w.place%aheadItems == 0 {
		w.lookAhead()
	}
	w.stand()
	return true
}

// SeekBelow implements run.BackwardIterator.
func (w *walk) SeekBelow(key []byte) bool {
	w.place = len(w.t.sorted)
	if key != nil {
		s := sorter{m: &w.t.memory}
		w.place = sort.Search(len(w.t.sorted), func(i int) bool {
			return bytes.Compare(s.key(w.t.sorted[i]), key) >= 0
		})
	}
	return w.Prev()
}

// Prev implements run.BackwardIterator.
func (w *walk) Prev() bool {
	w.place = max(w.place-1, -1)
	if w.place < 0 {
		return false
	}
	w.stand()
	return true
}

// stand makes the entry at the place the current one.
func (w *walk) stand() {
	i := w.t.sorted[w.place]
	if i.ref&tombstoneItem != 0 {
		w.entry = run.Entry{Key: w.t.prefixOf(ref(i.ref &^ tombstoneItem)), Kind: run.DeletePrefix}
		return
	}
	r := ref(i.ref)
	h := w.t.header(r)
	w.entry = run.Entry{Key: w.t.key(r), Kind: h.kind(), Value: w.t.value(r, h, &w.scratch)}
}

// lookAhead reads the first words of the next records. Each is a miss of every
// cache; a processor waits for many at the same time.
func (w *walk) lookAhead() {
	for _, i := range w.t.sorted[w.place:min(w.place+aheadItems, len(w.t.sorted))] {
		w.ahead += w.t.load(ref(i.ref &^ tombstoneItem))
	}
}

// Entry implements run.Iterator.
func (w *walk) Entry() *run.Entry { return &w.entry }

// Err implements run.Iterator.
func (w *walk) Err() error { return nil }

// Close implements run.Iterator.
func (w *walk) Close() error {
	w.entry, w.scratch = run.Entry{}, nil
	return nil
}
