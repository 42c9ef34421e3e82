package merge

import (
	"bytes"

	"github.com/weirstate/weir/run"
)

// downward is the state of a backward walk.
//
// A backward walk does not use the heap: it makes few steps, and most entries it passes have
// no value. Each source stands at its greatest entry that the walk has not passed; Current is nil
// if none is left. A step picks the highest source (HighestSource), combines the entries of all
// sources at its key (CombineAt), and moves these sources down (StepBelow). Prev does all three;
// package lsm calls them one by one where it skips deleted keys. Sources never stop at
// a prefix tombstone: it sorts before the keys it hides, so a backward walk would reach it too
// late. Instead, the merger asks the sources for a tombstone once for each prefix it reaches
// (firstHiddenByTombstone).
//
// Every source must have a run.BackwardIterator. To change the direction of a walk, call Seek or
// SeekBelow.
type downward struct {
	positioned  bool          // Key is the current entry
	key         []byte        // backing memory of Merger.Key
	hiddenKnown bool          // hidden is valid for prefix
	hidden      int           // index of the first source that a tombstone of prefix hides
	prefix      []byte        // prefix for which hidden was computed
	lookupKey   run.LookupKey // scratch
}

// SeekBelow moves every source to its last entry below a key; nil is above all keys. Prev then
// returns the first entry of the walk.
func (m *Merger) SeekBelow(key []byte) {
	m.heap, m.current, m.single = m.heap[:0], m.current[:0], false
	m.downward.positioned, m.downward.hiddenKnown = false, false
	for i := range m.Sources {
		s := &m.Sources[i]
		m.skipTombstones(s, s.backward().SeekBelow(key))
	}
}

// Prev moves to the greatest key that has a value and lies below the current key, or below the
// key of SeekBelow. It reports whether such a key exists.
func (m *Merger) Prev() bool {
	d := &m.downward
	if d.positioned {
		m.StepBelow(m.Key)
	}
	for m.Err == nil {
		s := m.HighestSource()
		if s == nil {
			break
		}
		if d.positioned = m.CombineAt(s.Current.Key); d.positioned {
			return true
		}
		m.StepBelow(m.Key)
	}
	d.positioned, m.Key = false, nil
	m.Lookup.Reset()
	return false
}

// CombineAt makes a key the current one and combines the entries of all sources that stand at
// it. It reports whether the key has a value. No source may stand above the key.
func (m *Merger) CombineAt(key []byte) bool {
	d := &m.downward
	d.key = append(d.key[:0], key...)
	m.Key, m.Kind = d.key, run.Set
	m.Lookup.Reset()
	hidden := m.firstHiddenDown()
	for i := range m.Sources[:hidden] {
		s := &m.Sources[i]
		if s.Current != nil && bytes.Equal(s.Current.Key, m.Key) && m.Lookup.Add(s.Current.Kind, s.Current.Value) {
			break
		}
	}
	return m.Err == nil && m.Lookup.Exists()
}

// firstHiddenDown returns the index of the first source that a tombstone hides at the current
// key: one more than the index of the newest source with a tombstone that covers the key, because a
// tombstone hides only older sources. It is len(Sources) if no tombstone covers the key.
func (m *Merger) firstHiddenDown() int {
	hidden := len(m.Sources)
	if len(m.prefix) == 0 { // with a prefix, hidden sources were left out before
		hidden = m.firstHiddenByTombstone()
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

// firstHiddenByTombstone is firstHiddenDown for prefix tombstones only. It asks the sources
// once for each prefix and remembers the answer.
func (m *Merger) firstHiddenByTombstone() int {
	d := &m.downward
	prefix := m.Key[:m.split.Func(m.Key)]
	if d.hiddenKnown && bytes.Equal(d.prefix, prefix) {
		return d.hidden
	}
	d.prefix, d.hiddenKnown, d.hidden = append(d.prefix[:0], prefix...), true, len(m.Sources)
	m.split.Prepare(&d.lookupKey, m.Key)
	for i := range m.Sources {
		hides, err := m.Sources[i].Hides(&d.lookupKey)
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

// StepBelow moves the sources that stand at key to their preceding entries. No source may stand
// above key.
func (m *Merger) StepBelow(key []byte) {
	for i := range m.Sources {
		if s := &m.Sources[i]; s.Current != nil && bytes.Equal(s.Current.Key, key) {
			m.skipTombstones(s, s.backward().Prev())
		}
	}
}

// backward returns the source's iterator as one that can go backward.
func (s *Source) backward() run.BackwardIterator { return s.Iterator.(run.BackwardIterator) }

// skipTombstones loads the entry that a source has moved to. If that is a prefix tombstone, it
// moves on to the next lower entry; below the tombstone of the merger's own prefix nothing
// remains.
func (m *Merger) skipTombstones(s *Source, ok bool) {
	for ok && s.loadEntry(m.prefix) {
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

// IsHiddenByRange reports whether a range tombstone of a newer source covers the current key of s.
// Use it only for a merger with a prefix. The caller of Reset has left out the sources that one
// range hides completely. But if two files of a run meet inside the prefix, each file has a piece
// of the range, and neither piece covers the whole prefix; then the older sources are in the merge.
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

// HighestSource returns the source with the greatest key, the newest of them at equal keys;
// nil if no source has an entry.
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
