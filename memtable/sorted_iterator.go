package memtable

import (
	"bytes"
	"sort"

	"github.com/weirstate/weir/run"
)

// Iterator implements Table.
func (t *hashTable) Iterator() run.BackwardIterator {
	t.sorting.Do(t.sort)
	return &sortedIterator{table: t, index: -1}
}

// sort fills t.sorted with all records and prefix tombstones, in order.
func (t *hashTable) sort() {
	s := sorter{arena: &t.arena, items: newItems(t.budget, t.entries+t.tombstones)}
	t.sortedBytes.Store(int64(len(s.items) * itemBytes))
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
	t.sorted = s.items
}

// sortedIterator iterates over a sealed table, in both directions.
type sortedIterator struct {
	table       *hashTable
	index       int // in table.sorted
	entry       run.Entry
	scratch     []byte
	prefetchSum uint64 // uses the result of prefetch, so that the compiler keeps its loads
}

// prefetchItems is approximately the number of cache misses that a processor handles at a time.
const prefetchItems = 16

// Seek implements run.Iterator.
func (it *sortedIterator) Seek(key []byte) bool {
	s := sorter{arena: &it.table.arena}
	it.index = sort.Search(len(it.table.sorted), func(i int) bool {
		return bytes.Compare(s.key(it.table.sorted[i]), key) >= 0
	}) - 1
	return it.Next()
}

// Next implements run.Iterator.
func (it *sortedIterator) Next() bool {
	it.index = min(it.index+1, len(it.table.sorted))
	if it.index == len(it.table.sorted) {
		return false
	}
	if it.index%prefetchItems == 0 {
		it.prefetch()
	}
	it.setEntry()
	return true
}

// SeekBelow implements run.BackwardIterator.
func (it *sortedIterator) SeekBelow(key []byte) bool {
	it.index = len(it.table.sorted)
	if key != nil {
		s := sorter{arena: &it.table.arena}
		it.index = sort.Search(len(it.table.sorted), func(i int) bool {
			return bytes.Compare(s.key(it.table.sorted[i]), key) >= 0
		})
	}
	return it.Prev()
}

// Prev implements run.BackwardIterator.
func (it *sortedIterator) Prev() bool {
	it.index = max(it.index-1, -1)
	if it.index < 0 {
		return false
	}
	it.setEntry()
	return true
}

// setEntry makes the item at index the current entry.
func (it *sortedIterator) setEntry() {
	i := it.table.sorted[it.index]
	if i.ref&tombstoneItem != 0 {
		it.entry = run.Entry{Key: it.table.nodePrefix(ref(i.ref &^ tombstoneItem)), Kind: run.DeletePrefix}
		return
	}
	r := ref(i.ref)
	h := it.table.header(r)
	it.entry = run.Entry{Key: it.table.key(r), Kind: h.kind(), Value: it.table.value(r, h, &it.scratch)}
}

// prefetch reads the first word of the next records. Each read misses every cache, but the
// processor handles many misses at the same time.
func (it *sortedIterator) prefetch() {
	for _, i := range it.table.sorted[it.index:min(it.index+prefetchItems, len(it.table.sorted))] {
		it.prefetchSum += it.table.load(ref(i.ref &^ tombstoneItem))
	}
}

// Entry implements run.Iterator.
func (it *sortedIterator) Entry() *run.Entry { return &it.entry }

// Err implements run.Iterator.
func (it *sortedIterator) Err() error { return nil }

// Close implements run.Iterator.
func (it *sortedIterator) Close() error {
	it.entry, it.scratch = run.Entry{}, nil
	return nil
}
