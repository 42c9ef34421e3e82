package merge

import (
	"bytes"

	"github.com/weirstate/weir/run"
)

// A merger goes down without its heap: few steps are taken, and the values of what it
// passes do not count. A source that has no entry that is lower has nil in Current, and
// none stands at a tombstone of a prefix. That lies below the keys which it hides from
// older sources, so it is looked up for each prefix that the merger comes to.

// downward is the state of a merger that goes down.
type downward struct {
	stands bool   // at the entry of Key
	key    []byte // memory of Key
	known  bool   // hidden is known
	hidden int    // the first source that a tombstone of the prefix hides
	prefix []byte // that hidden is about
	asked  run.LookupKey
}

// SeekBelow brings every source to its last entry below a key; nil is above all keys.
func (m *Merger) SeekBelow(key []byte) {
	m.heap, m.current, m.alone = m.heap[:0], m.current[:0], false
	m.downward.stands, m.downward.known = false, false
	for i := range m.Sources {
		s := &m.Sources[i]
		m.land(s, s.backward().SeekBelow(key))
	}
}

// Prev goes to the greatest value below the current one, or below the key of SeekBelow,
// and reports whether it exists.
func (m *Merger) Prev() bool {
	d := &m.downward
	if d.stands {
		m.StepBelow(m.Key)
	}
	for m.Err == nil {
		s := m.HighestSource()
		if s == nil {
			break
		}
		if d.stands = m.CombineAt(s.Current.Key); d.stands {
			return true
		}
		m.StepBelow(m.Key)
	}
	d.stands, m.Key = false, nil
	m.Lookup.Reset()
	return false
}

// CombineAt makes the value of a key, at which the sources stand that have it, the current
// one, and reports whether it exists.
func (m *Merger) CombineAt(key []byte) bool {
	d := &m.downward
	d.key = append(d.key[:0], key...)
	m.Key, m.Kind = d.key, run.Set
	m.Lookup.Reset()
	hidden := m.hiddenDown()
	for i := range m.Sources[:hidden] {
		s := &m.Sources[i]
		if s.Current != nil && bytes.Equal(s.Current.Key, m.Key) && m.Lookup.Add(s.Current.Kind, s.Current.Value) {
			break
		}
	}
	return m.Err == nil && m.Lookup.Exists()
}

// hiddenDown returns the first source from which the current key is hidden.
func (m *Merger) hiddenDown() int {
	hidden := len(m.Sources)
	if len(m.prefix) == 0 { // else the walk has no sources that a tombstone hides
		hidden = m.hiddenByPrefix()
	}
	if !m.anyRanges {
		return hidden
	}
	for i := range m.Sources[:hidden] {
		if m.Sources[i].Ranges.Covers(m.Key) {
			return i + 1
		}
	}
	return hidden
}

// hiddenByPrefix is hiddenDown without ranges. It asks the sources once for each prefix.
func (m *Merger) hiddenByPrefix() int {
	d := &m.downward
	prefix := m.Key[:m.split.Func(m.Key)]
	if d.known && bytes.Equal(d.prefix, prefix) {
		return d.hidden
	}
	d.prefix, d.known, d.hidden = append(d.prefix[:0], prefix...), true, len(m.Sources)
	m.split.Prepare(&d.asked, m.Key)
	for i := range m.Sources {
		hides, err := m.Sources[i].Hides(&d.asked)
		if err != nil {
			m.Fail(err)
			return 0
		}
		if hides {
			d.hidden = i + 1
			break
		}
	}
	return d.hidden
}

// StepBelow brings the sources that stand at a key, the greatest of all, to their
// entries before it.
func (m *Merger) StepBelow(key []byte) {
	for i := range m.Sources {
		if s := &m.Sources[i]; s.Current != nil && bytes.Equal(s.Current.Key, key) {
			m.land(s, s.backward().Prev())
		}
	}
}

// backward is the iterator of a source of a store.
func (s *Source) backward() run.BackwardIterator { return s.Iterator.(run.BackwardIterator) }

// land takes the entry that a source has come to, or the one below a tombstone. Nothing
// lies below that of the prefix which is walked.
func (m *Merger) land(s *Source, ok bool) {
	for ok && s.stand(m.prefix) {
		if !s.isTombstone() {
			m.EntriesRead++
			return
		}
		ok = len(s.Current.Key) > len(m.prefix) && s.backward().Prev()
	}
	s.Current = nil
	if err := s.Err(); err != nil {
		m.Fail(err)
	}
}

// IsHiddenByRange reports whether a range of a newer source has the key of a source. A range
// that has all of the prefix leaves no older sources; that of a file may have a part of it.
func (m *Merger) IsHiddenByRange(s *Source) bool {
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

// HighestSource returns the newest of the sources that have the greatest key, nil if none has
// an entry.
func (m *Merger) HighestSource() (highest *Source) {
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
