package skiplist

import (
	"bytes"

	"github.com/weirstate/weir/run"
)

// walk implements run.BackwardIterator. It goes through a sealed table along the lowest
// level, and through one prefix of a live table by a search at each step, so that the
// owner may write between steps.
type walk struct {
	t      *table
	prefix []byte
	live   bool
	at     *node  // the current entry, nil without one
	from   []byte // the next entry is the first at or above this key,
	bare   bool   // not counting the tombstone of the same key
	entry  run.Entry
}

// Seek implements run.Iterator.
func (w *walk) Seek(key []byte) bool {
	w.at, w.from, w.bare = nil, bytes.Clone(key), false
	if w.live && bytes.Compare(key, w.prefix) < 0 {
		w.from = w.prefix
	}
	return w.Next()
}

// Next implements run.Iterator. The current entry may have been removed from a live table.
// At the end of one, the next call finds what was written above the last entry.
func (w *walk) Next() bool {
	switch {
	case w.live:
		if w.from == nil {
			w.from = w.prefix
		}
		return w.stand(w.t.first(w.prefix, w.from, !w.bare))
	case w.at != nil:
		return w.stand(w.at.next[0])
	}
	return w.stand(w.t.find(w.from, !w.bare, nil))
}

// stand makes a node the current entry.
func (w *walk) stand(n *node) bool {
	w.at = n
	if n == nil {
		return false
	}
	if w.from, w.bare = n.key, n.kind == run.DeletePrefix; !w.bare {
		w.from = append(bytes.Clone(n.key), 0)
	}
	w.entry = run.Entry{Key: n.key, Kind: n.kind, Value: run.Value{Bytes: n.value}}
	return true
}

// SeekBelow implements run.BackwardIterator.
func (w *walk) SeekBelow(key []byte) bool {
	if key == nil {
		key = run.Successor(w.prefix)
	}
	return w.below(key, true)
}

// Prev implements run.BackwardIterator.
func (w *walk) Prev() bool {
	return w.at != nil && w.below(w.at.key, w.at.kind == run.DeletePrefix)
}

// below goes to the last entry below a place, of the prefix if the walk is live; a nil key
// is above all.
func (w *walk) below(key []byte, tombstone bool) bool {
	for {
		n := w.t.last(key, tombstone)
		if n == nil || bytes.Compare(n.key, w.prefix) < 0 {
			return w.stand(nil)
		}
		if !w.live || n.prefixLen == len(w.prefix) && bytes.HasPrefix(n.key, w.prefix) {
			return w.stand(n)
		}
		key, tombstone = n.key, n.kind == run.DeletePrefix
	}
}

// last returns the last node below a place, nil without one; a nil key is above all.
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
func (w *walk) Entry() *run.Entry { return &w.entry }

// Err implements run.Iterator.
func (w *walk) Err() error { return nil }

// Close implements run.Iterator.
func (w *walk) Close() error { return nil }
