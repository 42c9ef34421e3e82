package merge

import (
	"bytes"

	"github.com/weirstate/weir/run"
)

// Source is a run in a merge: a memtable, a table of level 0, or a level.
type Source struct {
	run.Iterator
	Ranges run.Ranges
	// Hides reports whether a tombstone of the run covers the prefix of a lookup key.
	Hides func(*run.LookupKey) (bool, error)

	// Copies says that an entry is a copy, which stays as it is while the store
	// is written to.
	Copies bool

	Current *run.Entry // the current one
	head    uint64     // of its key: what decides nearly every comparison
	at      int        // the first of ranges that does not end before the last key
}

// stand takes the entry that the iterator has come to, and reports whether it is one
// of a prefix.
func (s *Source) stand(prefix []byte) bool {
	s.Current = s.Entry()
	if len(prefix) > 0 && !bytes.HasPrefix(s.Current.Key, prefix) {
		return false
	}
	s.head = run.Head(s.Current.Key[len(prefix):])
	return true
}

// isTombstone reports whether the source stands at the tombstone of a prefix.
func (s *Source) isTombstone() bool { return s.Current.Kind == run.DeletePrefix }

// Merger walks runs as if they were one. For a key that several have it comes to
// what they say together; what is hidden from it is left out. Tombstones and
// deletes are entries, because older runs may be outside of the merge.
//
// Thread safety: one goroutine.
type Merger struct {
	split   *run.Split
	prefix  []byte   // only keys with it are walked
	Sources []Source // from the newest to the oldest
	heap    []int    // of the sources that have an entry: see less
	current []int    // sources of the current entry, newest first, not in heap
	alone   bool     // the current entry is that of the first source of heap

	Key    []byte
	head   uint64 // of the key
	Kind   run.Kind
	Lookup run.Lookup // of Set and Append

	tombstone struct {
		prefix []byte
		source int // that has it; -1 if none covers the current place
	}
	anyRanges   bool
	downward    downward
	EntriesRead int // entries of sources that were come to
	Err         error
}

// Reset makes the merger ready for sources. It walks their keys with a
// prefix; nil is all. Seek comes next.
func (m *Merger) Reset(split *run.Split, prefix []byte, sources []Source) {
	m.split, m.prefix, m.Sources = split, prefix, sources
	m.heap, m.current, m.alone, m.Err = m.heap[:0], m.current[:0], false, nil
	m.anyRanges, m.EntriesRead = false, 0
	m.tombstone.source = -1
	m.Lookup.Reset()
	for i := range sources {
		m.anyRanges = m.anyRanges || len(sources[i].Ranges) > 0
	}
}

// Seek goes before the first key that is at least key.
func (m *Merger) Seek(key []byte) {
	m.heap, m.current, m.alone = m.heap[:0], m.current[:0], false
	m.findTombstone(key)
	for i := range m.Sources {
		s := &m.Sources[i]
		s.at = 0
		m.push(i, s.Seek(key))
	}
}

// findTombstone finds the newest tombstone that stands before key and covers it. A
// walk of a prefix has no sources that one hides.
func (m *Merger) findTombstone(key []byte) {
	m.tombstone.source = -1
	if len(m.prefix) > 0 {
		return
	}
	var p run.LookupKey
	if len(key) > 0 {
		m.split.Prepare(&p, key)
	}
	if p.PrefixLen == len(key) {
		return // it would stand at key
	}
	for i := range m.Sources {
		hides, err := m.Sources[i].Hides(&p)
		if err != nil {
			m.Fail(err)
			return
		}
		if hides {
			m.setTombstone(p.Prefix(), i)
			return
		}
	}
}

func (m *Merger) setTombstone(prefix []byte, source int) {
	m.tombstone.prefix = append(m.tombstone.prefix[:0], prefix...)
	m.tombstone.source = source
}

func (m *Merger) Fail(err error) {
	if m.Err == nil {
		m.Err = err
	}
	m.heap, m.current, m.alone = m.heap[:0], m.current[:0], false
}

// Next goes to the next entry and reports whether there is one.
func (m *Merger) Next() bool {
	if m.alone && !m.anyRanges && m.tombstone.source < 0 && m.nextOfFirst() {
		return true
	}
	for m.advance() {
		if m.gather() {
			return true
		}
	}
	m.Lookup.Reset()
	return false
}

// advance moves on the sources of the current entry, and reports whether any source
// has one.
func (m *Merger) advance() bool {
	if m.alone && m.advanceFirst() {
		m.down(0)
	}
	for _, i := range m.current {
		m.push(i, m.Sources[i].Next())
	}
	m.current = m.current[:0]
	return len(m.heap) > 0
}

// nextOfFirst moves on the source of the current entry, which no other has, and
// takes its next one if that is before all others' and a value. It leaves all else
// to advance and gather.
func (m *Merger) nextOfFirst() bool {
	if !m.advanceFirst() {
		return false
	}
	s := &m.Sources[m.heap[0]]
	if !s.Current.Kind.HasValue() || !m.isBefore(1, s.head) || !m.isBefore(2, s.head) {
		m.down(0)
		return false
	}
	m.alone = true
	m.Key, m.Kind = s.Current.Key, s.Current.Kind
	m.Lookup.Replace(&s.Current.Value)
	return true
}

// isBefore reports whether a head is below that of a place in the heap.
func (m *Merger) isBefore(at int, head uint64) bool {
	return at >= len(m.heap) || head < m.Sources[m.heap[at]].head
}

// advanceFirst moves on the first source of the heap, and reports whether it has an
// entry, which may not be the first any more. If not, it is taken off.
func (m *Merger) advanceFirst() bool {
	m.alone = false
	s := &m.Sources[m.heap[0]]
	if s.Next() && s.stand(m.prefix) {
		m.EntriesRead++
		return true
	}
	if err := s.Err(); err != nil {
		m.Fail(err)
		return false
	}
	last := len(m.heap) - 1
	m.heap[0] = m.heap[last]
	m.heap = m.heap[:last]
	m.down(0)
	return false
}

// push enters a source that has moved.
func (m *Merger) push(i int, ok bool) {
	s := &m.Sources[i]
	if !ok {
		if err := s.Err(); err != nil {
			m.Fail(err)
		}
		return
	}
	if m.Err != nil || !s.stand(m.prefix) {
		return
	}
	m.EntriesRead++
	m.heap = append(m.heap, i)
	m.up(len(m.heap) - 1)
}

// pop takes the first source off the heap and adds it to those of the current
// entry.
func (m *Merger) pop() {
	last := len(m.heap) - 1
	m.current = append(m.current, m.heap[0])
	m.heap[0] = m.heap[last]
	m.heap = m.heap[:last]
	m.down(0)
}

// gather makes the current entry of what the sources have at the lowest place,
// and reports whether anything is left of it.
func (m *Merger) gather() bool {
	newest := m.heap[0]
	first := m.Sources[newest].Current
	m.Key, m.Kind, m.head = first.Key, first.Kind, m.Sources[newest].head
	m.alone = !m.sharesPlace(1) && !m.sharesPlace(2)
	if !m.alone {
		m.pop()
		for m.sharesPlace(0) {
			m.pop()
		}
	}
	hidden := m.hiddenFrom()
	switch {
	case newest >= hidden:
		return false
	case m.Kind == run.DeletePrefix:
		m.setTombstone(m.Key, newest)
	case m.alone:
		m.takeAlone(first, hidden)
	default:
		m.join(hidden)
	}
	return true
}

// sharesPlace reports whether a source in the heap stands at the key of the current
// entry, before or behind the tombstone as it does.
func (m *Merger) sharesPlace(at int) bool {
	if at >= len(m.heap) {
		return false
	}
	s := &m.Sources[m.heap[at]]
	return s.head == m.head && bytes.Equal(s.Current.Key, m.Key) && s.isTombstone() == (m.Kind == run.DeletePrefix)
}

// takeAlone takes the entry of the only source that has the key.
func (m *Merger) takeAlone(e *run.Entry, hidden int) {
	if !m.Kind.HasValue() {
		m.Lookup.Reset()
		return
	}
	m.Lookup.Replace(&e.Value)
	if m.Kind == run.Append && hidden < len(m.Sources) {
		m.Kind = run.Set // nothing older is joined
	}
}

// join makes one entry of those of the current sources before hidden, one at
// least.
func (m *Merger) join(hidden int) {
	m.Lookup.Reset()
	for _, i := range m.current {
		if i >= hidden {
			break
		}
		e := m.Sources[i].Current
		m.Kind = e.Kind
		if m.Lookup.Add(e.Kind, e.Value) {
			break
		}
	}
	switch {
	case !m.Lookup.Exists():
		m.Kind = run.Delete
	case m.Kind == run.Delete || hidden < len(m.Sources):
		m.Kind = run.Set // nothing older is joined
	}
}

// hiddenFrom is the first source from which the current key is hidden.
func (m *Merger) hiddenFrom() int {
	hidden := len(m.Sources)
	if t := &m.tombstone; t.source >= 0 {
		if bytes.HasPrefix(m.Key, t.prefix) && m.split.Func(m.Key) == len(t.prefix) {
			hidden = t.source + 1
		} else {
			t.source = -1
		}
	}
	if !m.anyRanges {
		return hidden
	}
	for i := range m.Sources[:min(hidden, len(m.Sources))] {
		if m.Sources[i].covers(m.Key) {
			return i + 1
		}
	}
	return hidden
}

// covers reports whether a range of the source has a key. Keys come in order.
func (s *Source) covers(key []byte) bool {
	for s.at < len(s.Ranges) && s.Ranges[s.at].Before(key) {
		s.at++
	}
	return s.at < len(s.Ranges) && s.Ranges[s.at].Contains(key)
}

// less orders sources by key, a tombstone of a prefix before the entry of the
// same key, the newer source first.
func (m *Merger) less(a, b int) bool {
	x, y := &m.Sources[a], &m.Sources[b]
	if x.head != y.head {
		return x.head < y.head
	}
	if c := bytes.Compare(x.Current.Key, y.Current.Key); c != 0 {
		return c < 0
	}
	if first := x.isTombstone(); first != y.isTombstone() {
		return first
	}
	return a < b
}

func (m *Merger) up(at int) {
	for at > 0 {
		parent := (at - 1) / 2
		if !m.less(m.heap[at], m.heap[parent]) {
			return
		}
		m.heap[at], m.heap[parent] = m.heap[parent], m.heap[at]
		at = parent
	}
}

func (m *Merger) down(at int) {
	for {
		child := 2*at + 1
		if child >= len(m.heap) {
			return
		}
		if right := child + 1; right < len(m.heap) && m.less(m.heap[right], m.heap[child]) {
			child = right
		}
		if !m.less(m.heap[child], m.heap[at]) {
			return
		}
		m.heap[at], m.heap[child] = m.heap[child], m.heap[at]
		at = child
	}
}

// Value returns the current value, which stays in its pieces if it has several.
func (m *Merger) Value() run.Value {
	if whole, ok := m.Lookup.Whole(); ok {
		return run.Value{Bytes: whole}
	}
	return run.Value{Large: pieces{&m.Lookup}}
}

// pieces makes a large value of a lookup.
type pieces struct{ *run.Lookup }

// Copy is the current value if it stays as it is while the store is written to.
func (m *Merger) Copy() ([]byte, bool) {
	if !m.alone || !m.Sources[m.heap[0]].Copies {
		return nil, false
	}
	return m.Lookup.Whole()
}

// Close closes all sources.
func (m *Merger) Close() (err error) {
	for i := range m.Sources {
		if e := m.Sources[i].Close(); err == nil {
			err = e
		}
	}
	m.Sources = nil
	m.Lookup.Reset()
	return err
}
