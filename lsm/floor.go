package lsm

import (
	"bytes"
	"errors"
	"math"

	"github.com/weirstate/weir/internal/run"
)

// Floor returns the greatest key at or below key that has its prefix and a value, and
// that value, as Peek does: both are good until the next call of any method, and must
// not be changed. For a value above the limit it returns the key and ErrTooLarge. It is
// the owner's.
func (db *DB) Floor(key []byte) (found, value []byte, ok bool, err error) {
	if err := db.enter(); err != nil {
		return nil, nil, false, err
	}
	defer db.leave(&err)
	if found, ok, err = db.floorKey(key); err != nil || !ok {
		return nil, nil, false, err
	}
	value, ok, err = db.peek(found)
	return found, value, ok, err
}

// floorKey is Floor without the value, under the lock.
func (db *DB) floorKey(key []byte) (found []byte, ok bool, err error) {
	w := db.liveWalk(key[:db.o.Split.Func(key)])
	defer func() { err = errors.Join(err, w.closeLive()) }()
	w.rebuild()
	w.value = append(append(w.value[:0], key...), 0)
	w.live.dead.begin()
	ok = w.descend(w.value, math.MaxInt)
	if w.merger.err == nil {
		w.rememberGap()
	}
	return w.from, ok, w.merger.err
}

// descend goes to the greatest key with a value below a key and says whether there is
// one: w.from is that key then. It steps over so many entries without a value at the most.
func (w *walk) descend(below []byte, most int) bool {
	m := &w.merger
	m.seekBelow(below)
	for n := 0; m.err == nil && n < most; n++ {
		s := m.highest()
		if s == nil {
			return false
		}
		w.from = append(w.from[:0], s.entry.Key...)
		if s.entry.Kind.HasValue() && !m.isHidden(s) {
			return true
		}
		w.passDown()
	}
	return false
}

// A merger of a prefix goes down without its heap: few steps are taken, and the values
// of what it passes do not count. The source that is asked about has its entry in
// source.entry, nil if it has none that is lower.

// seekBelow brings every source to its last entry below a key.
func (m *merger) seekBelow(key []byte) {
	for i := range m.sources {
		s := &m.sources[i]
		m.land(s, s.backward().SeekBelow(key))
	}
}

// leaveDown brings the sources that stand at a key, the greatest of all, to their
// entries before it.
func (m *merger) leaveDown(key []byte) {
	for i := range m.sources {
		if s := &m.sources[i]; s.entry != nil && bytes.Equal(s.entry.Key, key) {
			m.land(s, s.backward().Prev())
		}
	}
}

// backward is the iterator of a source of a prefix.
func (s *source) backward() run.BackwardIterator { return s.Iterator.(run.BackwardIterator) }

// land takes the entry that a source has come to. The tombstone of the prefix lies below
// all of its keys, and the walk has no sources that it hides.
func (m *merger) land(s *source, ok bool) {
	if ok && s.stand(m.prefix) && !s.isTombstone() {
		m.passed++
		return
	}
	s.entry = nil
	if err := s.Err(); err != nil {
		m.fail(err)
	}
}

// isHidden reports whether a range of a newer source has the key of a source. A range
// that has all of the prefix leaves no older sources; that of a file may have a part of it.
func (m *merger) isHidden(s *source) bool {
	for i := range m.sources {
		newer := &m.sources[i]
		if newer == s {
			return false
		}
		if newer.ranges.Covers(s.entry.Key) {
			return true
		}
	}
	return false
}

// highest returns the newest of the sources that have the greatest key, nil if none has
// an entry.
func (m *merger) highest() (highest *source) {
	for i := range m.sources {
		s := &m.sources[i]
		switch {
		case s.entry == nil:
		case highest == nil, s.head > highest.head,
			s.head == highest.head && bytes.Compare(s.entry.Key, highest.entry.Key) > 0:
			highest = s
		}
	}
	return highest
}
