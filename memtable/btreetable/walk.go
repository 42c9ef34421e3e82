package btreetable

import (
	"strings"

	"github.com/weirstate/weir/run"
)

// walk goes through all entries, or those of one prefix. It looks for each anew,
// so the tree may change between steps.
type walk struct {
	t      *table
	prefix string
	one    bool   // prefix
	from   *entry // the next is this or above it
	given  bool   // above it
	at     *entry
	entry  run.Entry
}

// Seek implements run.Iterator.
func (w *walk) Seek(key []byte) bool {
	w.from, w.given = lowest(string(key)), false
	return w.Next()
}

// lowest is before all entries whose key is at least one.
func lowest(key string) *entry { return &entry{key: key, kind: run.DeletePrefix} }

// Next implements run.Iterator.
func (w *walk) Next() bool {
	if w.from == nil || w.one && w.from.key < w.prefix {
		w.from, w.given = lowest(w.prefix), false
	}
	w.at = nil
	w.t.entries.AscendGreaterOrEqual(w.from, func(e *entry) bool {
		switch {
		case w.given && !less(w.from, e):
			return true // that one itself
		case w.one && !strings.HasPrefix(e.key, w.prefix):
			return false
		case w.one && e.prefixLen != len(w.prefix):
			return true // of a prefix that begins with this one
		}
		w.at = e
		return false
	})
	if w.at == nil {
		return false
	}
	w.stand()
	return true
}

// stand makes the entry that was found the current one.
func (w *walk) stand() {
	w.from, w.given = &entry{key: w.at.key, kind: w.at.kind}, true
	w.entry = run.Entry{Key: []byte(w.at.key), Kind: w.at.kind, Value: run.Value{Bytes: w.at.value}}
}

// SeekBelow implements run.BackwardIterator.
func (w *walk) SeekBelow(key []byte) bool {
	switch {
	case key == nil:
		w.from = nil
	default:
		w.from, w.given = lowest(string(key)), false
	}
	return w.below()
}

// Prev implements run.BackwardIterator.
func (w *walk) Prev() bool { return w.from != nil && w.below() }

// below goes to the last entry below from, of all if that is nil.
func (w *walk) below() bool {
	w.at = nil
	visit := func(e *entry) bool {
		switch {
		case w.from != nil && !less(e, w.from):
			return true
		case !w.one: // every entry counts
		case e.key < w.prefix:
			return false
		case !strings.HasPrefix(e.key, w.prefix) || e.prefixLen != len(w.prefix):
			return true // of another prefix
		}
		w.at = e
		return false
	}
	if w.from == nil {
		w.t.entries.Descend(visit)
	} else {
		w.t.entries.DescendLessOrEqual(w.from, visit)
	}
	if w.at == nil {
		w.from = nil
		return false
	}
	w.stand()
	return true
}

// Entry implements run.Iterator.
func (w *walk) Entry() *run.Entry { return &w.entry }

// Err implements run.Iterator.
func (w *walk) Err() error { return nil }

// Close implements run.Iterator.
func (w *walk) Close() error { return nil }
