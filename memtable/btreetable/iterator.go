package btreetable

import (
	"strings"

	"github.com/weirstate/weir/run"
)

// iterator iterates over all entries, or over those of one prefix. Each step searches the tree
// again, so the tree may change between steps.
type iterator struct {
	table      *table
	prefix     string
	onlyPrefix bool   // only entries of prefix
	from       *entry // Next returns the first entry at or above it
	exclusive  bool   // Next returns the first entry above from, not from
	at         *entry
	entry      run.Entry
}

// Seek implements run.Iterator.
func (it *iterator) Seek(key []byte) bool {
	it.from, it.exclusive = lowest(string(key)), false
	return it.Next()
}

// lowest returns an entry at or below all entries whose key is key or above.
func lowest(key string) *entry { return &entry{key: key, kind: run.DeletePrefix} }

// Next implements run.Iterator.
func (it *iterator) Next() bool {
	if it.from == nil || it.onlyPrefix && it.from.key < it.prefix {
		it.from, it.exclusive = lowest(it.prefix), false
	}
	it.at = nil
	it.table.entries.AscendGreaterOrEqual(it.from, func(e *entry) bool {
		switch {
		case it.exclusive && !less(it.from, e):
			return true // from
		case it.onlyPrefix && !strings.HasPrefix(e.key, it.prefix):
			return false
		case it.onlyPrefix && e.prefixLen != len(it.prefix):
			return true // of a longer prefix
		}
		it.at = e
		return false
	})
	if it.at == nil {
		return false
	}
	it.setEntry()
	return true
}

// setEntry makes it.at the current entry.
func (it *iterator) setEntry() {
	it.from, it.exclusive = &entry{key: it.at.key, kind: it.at.kind}, true
	it.entry = run.Entry{Key: []byte(it.at.key), Kind: it.at.kind, Value: run.Value{Bytes: it.at.value}}
}

// SeekBelow implements run.BackwardIterator.
func (it *iterator) SeekBelow(key []byte) bool {
	switch {
	case key == nil:
		it.from = nil
	default:
		it.from, it.exclusive = lowest(string(key)), false
	}
	return it.below()
}

// Prev implements run.BackwardIterator.
func (it *iterator) Prev() bool { return it.from != nil && it.below() }

// below moves to the last entry below from, or to the last entry if from is nil.
func (it *iterator) below() bool {
	it.at = nil
	visit := func(e *entry) bool {
		switch {
		case it.from != nil && !less(e, it.from):
			return true
		case !it.onlyPrefix: // every entry counts
		case e.key < it.prefix:
			return false
		case !strings.HasPrefix(e.key, it.prefix) || e.prefixLen != len(it.prefix):
			return true
		}
		it.at = e
		return false
	}
	if it.from == nil {
		it.table.entries.Descend(visit)
	} else {
		it.table.entries.DescendLessOrEqual(it.from, visit)
	}
	if it.at == nil {
		it.from = nil
		return false
	}
	it.setEntry()
	return true
}

// Entry implements run.Iterator.
func (it *iterator) Entry() *run.Entry { return &it.entry }

// Err implements run.Iterator.
func (it *iterator) Err() error { return nil }

// Close implements run.Iterator.
func (it *iterator) Close() error { return nil }
