package memtable

import (
	"bytes"

	"github.com/weirstate/weir/run"
)

// prefixIterator iterates over the entries of a prefix in a table that may change between steps.
// It remembers the last entry, and its position in the tree, which is valid while the node's
// change counter stays the same. After a change, the next step searches the tree for the last key.
type prefixIterator struct {
	table      *hashTable
	prefix     []byte
	hash       uint64 // of the prefix
	node       ref    // of the prefix, or 0 while it has none
	position   position
	sought     []byte // key of the last Seek, if position is beforeSought
	lastRecord ref    // record of the current entry, if position is onSuffix
	entry      run.Entry
	scratch    []byte

	leaf        ref // position of lastRecord, valid while changes equals the counter of the node
	index       int
	changes     uint64
	prefetched  int    // records of the leaf before this index were prefetched
	prefetchSum uint64 // uses the result of prefetch, so that the compiler keeps its loads
}

// position is where an iterator stands among the entries of its prefix. Constants are in their
// order.
type position uint8

const (
	beforeAll position = iota
	onTombstone
	onPrefixKey  // the key that equals the prefix
	onSuffix     // lastRecord
	beforeSought // just before the key sought
	afterAll
)

// Live implements Table.
func (t *hashTable) Live(k *run.LookupKey, reuse run.Iterator) run.BackwardIterator {
	it, ok := reuse.(*prefixIterator)
	if !ok {
		it = new(prefixIterator)
	}
	*it = prefixIterator{table: t, prefix: append(it.prefix[:0], k.Prefix()...), hash: k.PrefixHash, sought: it.sought, scratch: it.scratch}
	return it
}

// Seek implements run.Iterator.
func (it *prefixIterator) Seek(key []byte) bool {
	it.moveBefore(key)
	return it.Next()
}

// moveBefore moves the iterator just before the first key at or above key.
func (it *prefixIterator) moveBefore(key []byte) {
	it.leaf = 0
	switch {
	case bytes.Compare(key, it.prefix) <= 0:
		it.position = beforeAll
	case bytes.HasPrefix(key, it.prefix):
		it.position = beforeSought
		it.sought = append(it.sought[:0], key...)
	default:
		it.position = afterAll
	}
}

// Next implements run.Iterator.
func (it *prefixIterator) Next() bool {
	if it.node == 0 {
		it.node = it.table.prefixes.find(it.hash, it.prefix)
	}
	if it.position == beforeAll && it.node != 0 && it.table.hasTombstone(it.node) {
		it.position = onTombstone
		it.entry = run.Entry{Key: it.prefix, Kind: run.DeletePrefix}
		return true
	}
	if it.position < onPrefixKey {
		if r := it.table.keys.find(it.hash, it.prefix); r != 0 && it.table.header(r).kind() != 0 {
			it.position = onPrefixKey
			it.setEntry(r)
			return true
		}
	}
	return it.node != 0 && it.position < afterAll && it.nextSuffix()
}

// nextSuffix moves to the next key with a suffix and reports whether there is one.
func (it *prefixIterator) nextSuffix() bool {
	if it.leaf != 0 && it.changes == it.table.changes(it.node) {
		if b := it.table.treeBlockAt(it.leaf); it.index+1 < b.entries() {
			if it.index++; it.index == it.prefetched {
				it.prefetch(b)
			}
			it.setEntry(b.record(it.index))
			return true
		}
		if it.leaf == it.table.root(it.node) {
			return false
		}
	}
	at := target{prefixLen: len(it.prefix), key: it.prefix}
	switch it.position {
	case onSuffix:
		at = newTarget(it.table.key(it.lastRecord), len(it.prefix), true)
	case beforeSought:
		at = newTarget(it.sought, len(it.prefix), false)
	}
	leaf, index := it.table.seekLocked(it.node, &at)
	if leaf == 0 {
		return false
	}
	it.leaf, it.index, it.changes, it.position = leaf, index, it.table.changes(it.node), onSuffix
	it.prefetched = index + 1 // no prefetch for the first entry: many scans end there
	it.setEntry(it.table.treeBlockAt(leaf).record(index))
	return true
}

// SeekBelow implements run.BackwardIterator.
func (it *prefixIterator) SeekBelow(key []byte) bool {
	if it.moveBefore(key); key == nil { // no bound
		it.position = afterAll
	}
	return it.Prev()
}

// Prev implements run.BackwardIterator.
func (it *prefixIterator) Prev() bool {
	if it.node == 0 {
		it.node = it.table.prefixes.find(it.hash, it.prefix)
	}
	if it.position > onPrefixKey {
		if it.node != 0 && it.prevSuffix() {
			return true
		}
		if r := it.table.keys.find(it.hash, it.prefix); r != 0 && it.table.header(r).kind() != 0 {
			it.position = onPrefixKey
			it.setEntry(r)
			return true
		}
		it.position = onPrefixKey
	}
	if it.position == onPrefixKey && it.node != 0 && it.table.hasTombstone(it.node) {
		it.position = onTombstone
		it.entry = run.Entry{Key: it.prefix, Kind: run.DeletePrefix}
		return true
	}
	it.position = beforeAll
	return false
}

// prevSuffix moves to the previous key with a suffix and reports whether there is one.
func (it *prefixIterator) prevSuffix() bool {
	if it.leaf != 0 && it.index > 0 && it.changes == it.table.changes(it.node) {
		it.index--
	} else {
		var at *target
		switch it.position {
		case onSuffix:
			below := newTarget(it.table.key(it.lastRecord), len(it.prefix), false)
			at = &below
		case beforeSought:
			below := newTarget(it.sought, len(it.prefix), false)
			at = &below
		}
		if it.leaf, it.index = it.table.seekBelowLocked(it.node, at); it.leaf == 0 {
			return false
		}
		it.changes, it.position = it.table.changes(it.node), onSuffix
	}
	it.prefetched = it.index + 1
	it.setEntry(it.table.treeBlockAt(it.leaf).record(it.index))
	return true
}

// prefetch is like sortedIterator.prefetch.
func (it *prefixIterator) prefetch(b treeBlock) {
	it.prefetched = min(it.index+prefetchItems, b.entries())
	for i := it.index; i < it.prefetched; i++ {
		it.prefetchSum += it.table.load(b.record(i))
	}
}

// seekLocked is seek, safe for concurrent use after the seal. A leaf that it has sorted does not
// change any more.
func (t *hashTable) seekLocked(node ref, at *target) (leaf ref, index int) {
	if t.sealed {
		t.walking.Lock()
		defer t.walking.Unlock()
	}
	return t.seek(t.root(node), at)
}

// seekBelowLocked is seekBelow, safe for concurrent use after the seal.
func (t *hashTable) seekBelowLocked(node ref, at *target) (leaf ref, index int) {
	if t.sealed {
		t.walking.Lock()
		defer t.walking.Unlock()
	}
	return t.seekBelow(t.root(node), at)
}

// setEntry makes a record the current entry.
func (it *prefixIterator) setEntry(r ref) {
	it.lastRecord = r
	h := it.table.header(r)
	it.entry = run.Entry{Key: it.table.key(r), Kind: h.kind(), Value: it.table.value(r, h, &it.scratch)}
}

// Entry implements run.Iterator.
func (it *prefixIterator) Entry() *run.Entry { return &it.entry }

// Err implements run.Iterator.
func (it *prefixIterator) Err() error { return nil }

// Close implements run.Iterator.
func (it *prefixIterator) Close() error {
	it.entry = run.Entry{}
	return nil
}
