package merge

import (
	"bytes"

	"github.com/weirstate/weir/run"
)

// A merger of a prefix goes down without its heap: few steps are taken, and the values
// of what it passes do not count. The source that is asked about has its entry in
// source.entry, nil if it has none that is lower.

// SeekBelow brings every source to its last entry below a key.
func (m *Merger) SeekBelow(key []byte) {
	for i := range m.Sources {
		s := &m.Sources[i]
		m.land(s, s.backward().SeekBelow(key))
	}
}

// LeaveDown brings the sources that stand at a key, the greatest of all, to their
// entries before it.
func (m *Merger) LeaveDown(key []byte) {
	for i := range m.Sources {
		if s := &m.Sources[i]; s.Current != nil && bytes.Equal(s.Current.Key, key) {
			m.land(s, s.backward().Prev())
		}
	}
}

// backward is the iterator of a source of a prefix.
func (s *Source) backward() run.BackwardIterator { return s.Iterator.(run.BackwardIterator) }

// land takes the entry that a source has come to. The tombstone of the prefix lies below
// all of its keys, and the walk has no sources that it hides.
func (m *Merger) land(s *Source, ok bool) {
	if ok && s.stand(m.prefix) && !s.isTombstone() {
		m.Passed++
		return
	}
	s.Current = nil
	if err := s.Err(); err != nil {
		m.Fail(err)
	}
}

// IsHidden reports whether a range of a newer source has the key of a source. A range
// that has all of the prefix leaves no older sources; that of a file may have a part of it.
func (m *Merger) IsHidden(s *Source) bool {
	for i := range m.Sources {
		newer := &m.Sources[i]
		if newer == s {
			return false
		}
		if newer.Ranges.Covers(s.Current.Key) {
			return true
		}
	}
	return false
}

// Highest returns the newest of the sources that have the greatest key, nil if none has
// an entry.
func (m *Merger) Highest() (highest *Source) {
	for i := range m.Sources {
		s := &m.Sources[i]
		switch {
		case s.Current == nil:
		case highest == nil, s.head > highest.head,
			s.head == highest.head && bytes.Compare(s.Current.Key, highest.Current.Key) > 0:
			highest = s
		}
	}
	return highest
}
