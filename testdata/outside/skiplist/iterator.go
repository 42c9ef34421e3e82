package skiplist

import (
	"bytes"

	"github.com/weirstate/weir/run"
)

// iterator implements run.BackwardIterator. It walks a sealed table along the lowest level, and a
// prefix of a live table by a search at each step, so that the owner may write between steps.
type iterator struct {
	table         *table
	prefix        []byte
	live          bool   // only entries of prefix
	at            *node  // current entry, or nil
	from          []byte // Next returns the first entry at or above this key
	skipTombstone bool   // skip the tombstone of key from
	entry         run.Entry
}

// Seek implements run.Iterator.
func (it *iterator) Seek(key []byte) bool {
	it.at, it.from, it.skipTombstone = nil, bytes.Clone(key), false
	if it.live && bytes.Compare(key, it.prefix) < 0 {
		it.from = it.prefix
	}
	return it.Next()
}

// Next implements run.Iterator. The current entry of a live table may have been removed. After the
// end of a live table, Next returns entries written above the last one.
func (it *iterator) Next() bool {
	switch {
	case it.live:
		if it.from == nil {
			it.from = it.prefix
		}
		return it.setEntry(it.table.first(it.prefix, it.from, !it.skipTombstone))
	case it.at != nil:
		return it.setEntry(it.at.next[0])
	}
	return it.setEntry(it.table.find(it.from, !it.skipTombstone, nil))
}

// setEntry makes a node the current entry, and reports whether it is one.
func (it *iterator) setEntry(n *node) bool {
	it.at = n
	if n == nil {
		return false
	}
	if it.from, it.skipTombstone = n.key, n.kind == run.DeletePrefix; !it.skipTombstone {
		it.from = append(bytes.Clone(n.key), 0)
	}
	it.entry = run.Entry{Key: n.key, Kind: n.kind, Value: run.Value{Bytes: n.value}}
	return true
}

// SeekBelow implements run.BackwardIterator.
func (it *iterator) SeekBelow(key []byte) bool {
	if key == nil {
		key = run.Successor(it.prefix)
	}
	return it.below(key, true)
}

// Prev implements run.BackwardIterator.
func (it *iterator) Prev() bool {
	return it.at != nil && it.below(it.at.key, it.at.kind == run.DeletePrefix)
}

// below moves to the last entry below a position. A nil key is above all keys.
func (it *iterator) below(key []byte, tombstone bool) bool {
	for {
		n := it.table.last(key, tombstone)
		if n == nil || bytes.Compare(n.key, it.prefix) < 0 {
			return it.setEntry(nil)
		}
		if !it.live || n.prefixLen == len(it.prefix) && bytes.HasPrefix(n.key, it.prefix) {
			return it.setEntry(n)
		}
		key, tombstone = n.key, n.kind == run.DeletePrefix
	}
}

// last returns the last node below a position, or nil. A nil key is above all keys.
func (t *table) last(key []byte, tombstone bool) *node {
	at := &t.head
	for level := maxHeight - 1; level >= 0; level-- {
		for next := at.next[level]; next != nil && (key == nil || compare(next, key, tombstone) < 0); next = at.next[level] {
			at = next
		}
	}
	if at == &t.head {
		return nil
	}
	return at
}

// Entry implements run.Iterator.
func (it *iterator) Entry() *run.Entry { return &it.entry }

// Err implements run.Iterator.
func (it *iterator) Err() error { return nil }

// Close implements run.Iterator.
func (it *iterator) Close() error { return nil }
