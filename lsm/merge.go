package lsm

import (
	"bytes"
	"encoding/binary"

	"github.com/weirstate/weir/internal/run"
)

// source is a run in a merge: a memtable, a table of level 0, or a level.
type source struct {
	run.Iterator
	ranges run.Ranges
	// hides says whether a tombstone of the run covers the prefix of a probe.
	hides func(*run.Probe) (bool, error)

	// copies says that an entry is a copy, which stays as it is while the store
	// is written to.
	copies bool

	entry *run.Entry // the current one
	head  uint64     // of its key: what decides nearly every comparison
	at    int        // the first of ranges that does not end before the last key
}

// stand takes the entry that the iterator has come to, and says whether it is one
// of a prefix.
func (s *source) stand(prefix []byte) bool {
	s.entry = s.Entry()
	if len(prefix) > 0 && !bytes.HasPrefix(s.entry.Key, prefix) {
		return false
	}
	s.head = headOf(s.entry.Key[len(prefix):])
	return true
}

// headOf is the first eight bytes of a key, as a number, or all of it and zeros:
// where two differ they are as ordered as the keys.
func headOf(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// isTombstone says whether the source stands at the tombstone of a prefix.
func (s *source) isTombstone() bool { return s.entry.Kind == run.DeletePrefix }

// merger walks runs as if they were one. For a key that several have it comes to
// what they say together; what is hidden from it is left out. Tombstones and
// deletes are entries, because older runs may be outside of the merge.
//
// Thread safety: one goroutine.
type merger struct {
	split   *Split
	prefix  []byte   // only keys with it are walked
	sources []source // from the newest to the oldest
	heap    []int    // of the sources that have an entry: see less
	current []int    // sources of the current entry, newest first, not in heap
	alone   bool     // the current entry is that of the first source of heap

	key     []byte
	head    uint64 // of the key
	kind    run.Kind
	finding run.Finding // of Set and Append

	tombstone struct {
		prefix []byte
		source int // that has it; -1 if none covers the current place
	}
	anyRanges bool
	passed    int // entries of sources that were come to
	err       error
}

// reset makes the merger ready for sources, of which it walks the keys with a
// prefix; nil is all. Seek comes next.
func (m *merger) reset(split *Split, prefix []byte, sources []source) {
	m.split, m.prefix, m.sources = split, prefix, sources
	m.heap, m.current, m.alone, m.err = m.heap[:0], m.current[:0], false, nil
	m.anyRanges, m.passed = false, 0
	m.tombstone.source = -1
	m.finding.Reset()
	for i := range sources {
		m.anyRanges = m.anyRanges || len(sources[i].ranges) > 0
	}
}

// seek goes before the first key that is at least key.
func (m *merger) seek(key []byte) {
	m.heap, m.current, m.alone = m.heap[:0], m.current[:0], false
	m.findTombstone(key)
	for i := range m.sources {
		s := &m.sources[i]
		s.at = 0
		m.push(i, s.Seek(key))
	}
}

// findTombstone finds the newest tombstone that stands before key and covers it. A
// walk of a prefix has no sources that one hides.
func (m *merger) findTombstone(key []byte) {
	m.tombstone.source = -1
	if len(m.prefix) > 0 {
		return
	}
	var p run.Probe
	if len(key) > 0 {
		m.split.Prepare(&p, key)
	}
	if p.PrefixLen == len(key) {
		return // it would stand at key
	}
	for i := range m.sources {
		hides, err := m.sources[i].hides(&p)
		if err != nil {
			m.fail(err)
			return
		}
		if hides {
			m.setTombstone(p.Prefix(), i)
			return
		}
	}
}

func (m *merger) setTombstone(prefix []byte, source int) {
	m.tombstone.prefix = append(m.tombstone.prefix[:0], prefix...)
	m.tombstone.source = source
}

func (m *merger) fail(err error) {
	if m.err == nil {
		m.err = err
	}
	m.heap, m.current, m.alone = m.heap[:0], m.current[:0], false
}

// next goes to the next entry and says whether there is one.
func (m *merger) next() bool {
	if m.alone && !m.anyRanges && m.tombstone.source < 0 && m.nextOfFirst() {
		return true
	}
	for m.advance() {
		if m.gather() {
			return true
		}
	}
	m.finding.Reset()
	return false
}

// advance moves on the sources of the current entry, and says whether any source
// has one.
func (m *merger) advance() bool {
	if m.alone && m.advanceFirst() {
		m.down(0)
	}
	for _, i := range m.current {
		m.push(i, m.sources[i].Next())
	}
	m.current = m.current[:0]
	return len(m.heap) > 0
}

// nextOfFirst moves on the source of the current entry, which no other has, and
// takes its next one if that is before all others' and a value. It leaves all else
// to advance and gather.
func (m *merger) nextOfFirst() bool {
	if !m.advanceFirst() {
		return false
	}
	s := &m.sources[m.heap[0]]
	if !s.entry.Kind.HasValue() || !m.isBefore(1, s.head) || !m.isBefore(2, s.head) {
		m.down(0)
		return false
	}
	m.alone = true
	m.key, m.kind = s.entry.Key, s.entry.Kind
	m.finding.Only(&s.entry.Value)
	return true
}

// isBefore says whether a head is below that of a place in the heap.
func (m *merger) isBefore(at int, head uint64) bool {
	return at >= len(m.heap) || head < m.sources[m.heap[at]].head
}

// advanceFirst moves on the first source of the heap, and says whether it has an
// entry, which may not be the first any more. If not, it is taken off.
func (m *merger) advanceFirst() bool {
	m.alone = false
	s := &m.sources[m.heap[0]]
	if s.Next() && s.stand(m.prefix) {
		m.passed++
		return true
	}
	if err := s.Err(); err != nil {
		m.fail(err)
		return false
	}
	last := len(m.heap) - 1
	m.heap[0] = m.heap[last]
	m.heap = m.heap[:last]
	m.down(0)
	return false
}

// push enters a source that has moved.
func (m *merger) push(i int, ok bool) {
	s := &m.sources[i]
	if !ok {
		if err := s.Err(); err != nil {
			m.fail(err)
		}
		return
	}
	if m.err != nil || !s.stand(m.prefix) {
		return
	}
	m.passed++
	m.heap = append(m.heap, i)
	m.up(len(m.heap) - 1)
}

// pop takes the first source off the heap and adds it to those of the current
// entry.
func (m *merger) pop() {
	last := len(m.heap) - 1
	m.current = append(m.current, m.heap[0])
	m.heap[0] = m.heap[last]
	m.heap = m.heap[:last]
	m.down(0)
}

// gather makes the current entry of what the sources have at the lowest place,
// and says whether anything is left of it.
func (m *merger) gather() bool {
	newest := m.heap[0]
	first := m.sources[newest].entry
	m.key, m.kind, m.head = first.Key, first.Kind, m.sources[newest].head
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
	case m.kind == run.DeletePrefix:
		m.setTombstone(m.key, newest)
	case m.alone:
		m.takeAlone(first, hidden)
	default:
		m.join(hidden)
	}
	return true
}

// sharesPlace says whether a source in the heap stands at the key of the current
// entry, before or behind the tombstone as it does.
func (m *merger) sharesPlace(at int) bool {
	if at >= len(m.heap) {
		return false
	}
	s := &m.sources[m.heap[at]]
	return s.head == m.head && bytes.Equal(s.entry.Key, m.key) && s.isTombstone() == (m.kind == run.DeletePrefix)
}

// takeAlone takes the entry of the only source that has the key.
func (m *merger) takeAlone(e *run.Entry, hidden int) {
	if !m.kind.HasValue() {
		m.finding.Reset()
		return
	}
	m.finding.Only(&e.Value)
	if m.kind == run.Append && hidden < len(m.sources) {
		m.kind = run.Set // nothing older is joined
	}
}

// join makes one entry of those of the current sources before hidden, of which
// there is one at least.
func (m *merger) join(hidden int) {
	m.finding.Reset()
	for _, i := range m.current {
		if i >= hidden {
			break
		}
		e := m.sources[i].entry
		m.kind = e.Kind
		if m.finding.Add(e.Kind, e.Value) {
			break
		}
	}
	switch {
	case !m.finding.Exists():
		m.kind = run.Delete
	case m.kind == run.Delete || hidden < len(m.sources):
		m.kind = run.Set // nothing older is joined
	}
}

// hiddenFrom is the first source from which the current key is hidden.
func (m *merger) hiddenFrom() int {
	hidden := len(m.sources)
	if t := &m.tombstone; t.source >= 0 {
		if bytes.HasPrefix(m.key, t.prefix) && m.split.Func(m.key) == len(t.prefix) {
			hidden = t.source + 1
		} else {
			t.source = -1
		}
	}
	if !m.anyRanges {
		return hidden
	}
	for i := range m.sources[:min(hidden, len(m.sources))] {
		if m.sources[i].covers(m.key) {
			return i + 1
		}
	}
	return hidden
}

// covers says whether a range of the source has a key. Keys come in order.
func (s *source) covers(key []byte) bool {
	for s.at < len(s.ranges) && s.ranges[s.at].Before(key) {
		s.at++
	}
	return s.at < len(s.ranges) && s.ranges[s.at].Contains(key)
}

// less orders sources by key, a tombstone of a prefix before the entry of the
// same key, the newer source first.
func (m *merger) less(a, b int) bool {
	x, y := &m.sources[a], &m.sources[b]
	if x.head != y.head {
		return x.head < y.head
	}
	if c := bytes.Compare(x.entry.Key, y.entry.Key); c != 0 {
		return c < 0
	}
	if first := x.isTombstone(); first != y.isTombstone() {
		return first
	}
	return a < b
}

func (m *merger) up(at int) {
	for at > 0 {
		parent := (at - 1) / 2
		if !m.less(m.heap[at], m.heap[parent]) {
			return
		}
		m.heap[at], m.heap[parent] = m.heap[parent], m.heap[at]
		at = parent
	}
}

func (m *merger) down(at int) {
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

// copy is the current value if it stays as it is while the store is written to.
func (m *merger) copy() ([]byte, bool) {
	if !m.alone || !m.sources[m.heap[0]].copies {
		return nil, false
	}
	return m.finding.Whole()
}

// close closes all sources.
func (m *merger) close() (err error) {
	for i := range m.sources {
		if e := m.sources[i].Close(); err == nil {
			err = e
		}
	}
	m.sources = nil
	m.finding.Reset()
	return err
}
