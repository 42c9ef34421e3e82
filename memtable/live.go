package memtable

import (
	"bytes"

	"github.com/weirstate/weir/run"
)

// live walks a prefix of a table that may change between steps. It remembers
// which entry it gave last, and where in the tree that is as long as the tree
// does not change.
type live struct {
	t       *hashTable
	prefix  []byte
	hash    uint64 // of the prefix
	node    ref    // of the prefix, once there is one
	stands  position
	from    []byte // what was sought
	last    ref    // the record given last
	entry   run.Entry
	scratch []byte

	leaf    ref // where last is, if changes is that of the node
	place   int
	changes uint64
	touched int    // records of the leaf before this place were looked at ahead
	ahead   uint64 // keeps lookAhead from being nothing
}

// position is what a walk has behind it.
type position uint8

const (
	atBeginning position = iota
	atTombstone
	atPrefix // the key that is the prefix
	atSuffix // last
	beforeFrom
	atEnd
)

// Live implements Table.
func (t *hashTable) Live(p *run.LookupKey, reuse run.Iterator) run.BackwardIterator {
	l, ok := reuse.(*live)
	if !ok {
		l = new(live)
	}
	*l = live{t: t, prefix: append(l.prefix[:0], p.Prefix()...), hash: p.PrefixHash, from: l.from, scratch: l.scratch}
	return l
}

// Seek implements run.Iterator.
func (l *live) Seek(key []byte) bool {
	l.standBefore(key)
	return l.Next()
}

// standBefore stands the walk just before the first key at or above key.
func (l *live) standBefore(key []byte) {
	l.leaf = 0
	switch {
	case bytes.Compare(key, l.prefix) <= 0:
		l.stands = atBeginning
	case bytes.HasPrefix(key, l.prefix):
		l.stands = beforeFrom
		l.from = append(l.from[:0], key...)
	default:
		l.stands = atEnd
	}
}

// Next implements run.Iterator.
func (l *live) Next() bool {
	if l.node == 0 {
		l.node = l.t.prefixes.find(l.hash, l.prefix)
	}
	if l.stands == atBeginning && l.node != 0 && l.t.hasTombstone(l.node) {
		l.stands = atTombstone
		l.entry = run.Entry{Key: l.prefix, Kind: run.DeletePrefix}
		return true
	}
	if l.stands < atPrefix {
		if r := l.t.keys.find(l.hash, l.prefix); r != 0 && l.t.header(r).kind() != 0 {
			l.stands = atPrefix
			l.give(r)
			return true
		}
	}
	return l.node != 0 && l.stands < atEnd && l.nextSuffix()
}

// nextSuffix goes to the next key that has a suffix.
func (l *live) nextSuffix() bool {
	if l.leaf != 0 && l.changes == l.t.changes(l.node) {
		if b := l.t.blockAt(l.leaf); l.place+1 < b.entries() {
			if l.place++; l.place == l.touched {
				l.lookAhead(b)
			}
			l.give(b.record(l.place))
			return true
		}
		if l.leaf == l.t.root(l.node) {
			return false
		}
	}
	at := target{prefix: len(l.prefix), key: l.prefix}
	switch l.stands {
	case atSuffix:
		at = newTarget(l.t.key(l.last), len(l.prefix), true)
	case beforeFrom:
		at = newTarget(l.from, len(l.prefix), false)
	}
	leaf, place := l.t.seekLocked(l.node, &at)
	if leaf == 0 {
		return false
	}
	l.leaf, l.place, l.changes, l.stands = leaf, place, l.t.changes(l.node), atSuffix
	l.touched = place + 1 // many walks end with the first
	l.give(l.t.blockAt(leaf).record(place))
	return true
}

// SeekBelow implements run.BackwardIterator.
func (l *live) SeekBelow(key []byte) bool {
	if l.standBefore(key); key == nil { // no bound
		l.stands = atEnd
	}
	return l.Prev()
}

// Prev implements run.BackwardIterator.
func (l *live) Prev() bool {
	if l.node == 0 {
		l.node = l.t.prefixes.find(l.hash, l.prefix)
	}
	if l.stands > atPrefix {
		if l.node != 0 && l.prevSuffix() {
			return true
		}
		if r := l.t.keys.find(l.hash, l.prefix); r != 0 && l.t.header(r).kind() != 0 {
			l.stands = atPrefix
			l.give(r)
			return true
		}
		l.stands = atPrefix
	}
	if l.stands == atPrefix && l.node != 0 && l.t.hasTombstone(l.node) {
		l.stands = atTombstone
		l.entry = run.Entry{Key: l.prefix, Kind: run.DeletePrefix}
		return true
	}
	l.stands = atBeginning
	return false
}

// prevSuffix goes to the last key that has a suffix, below where the walk stands.
func (l *live) prevSuffix() bool {
	if l.leaf != 0 && l.place > 0 && l.changes == l.t.changes(l.node) {
		l.place--
	} else {
		var at *target
		switch l.stands {
		case atSuffix:
			below := newTarget(l.t.key(l.last), len(l.prefix), false)
			at = &below
		case beforeFrom:
			below := newTarget(l.from, len(l.prefix), false)
			at = &below
		}
		if l.leaf, l.place = l.t.seekBelowLocked(l.node, at); l.leaf == 0 {
			return false
		}
		l.changes, l.stands = l.t.changes(l.node), atSuffix
	}
	l.touched = l.place + 1
	l.give(l.t.blockAt(l.leaf).record(l.place))
	return true
}

// lookAhead is that of walk.
func (l *live) lookAhead(b block) {
	l.touched = min(l.place+aheadItems, b.entries())
	for i := l.place; i < l.touched; i++ {
		l.ahead += l.t.load(b.record(i))
	}
}

// seekLocked is seek for any number of goroutines after the seal. What it
// returns does not change any more then.
func (t *hashTable) seekLocked(node ref, at *target) (leaf ref, place int) {
	if t.sealed {
		t.walking.Lock()
		defer t.walking.Unlock()
	}
	return t.seek(t.root(node), at)
}

// seekBelowLocked is seekBelow as seekLocked is seek.
func (t *hashTable) seekBelowLocked(node ref, at *target) (leaf ref, place int) {
	if t.sealed {
		t.walking.Lock()
		defer t.walking.Unlock()
	}
	return t.seekBelow(t.root(node), at)
}

// give makes a record the current entry.
func (l *live) give(r ref) {
	l.last = r
	h := l.t.header(r)
	l.entry = run.Entry{Key: l.t.key(r), Kind: h.kind(), Value: l.t.value(r, h, &l.scratch)}
}

// Entry implements run.Iterator.
func (l *live) Entry() *run.Entry { return &l.entry }

// Err implements run.Iterator.
func (l *live) Err() error { return nil }

// Close implements run.Iterator.
func (l *live) Close() error {
	l.entry = run.Entry{}
	return nil
}
