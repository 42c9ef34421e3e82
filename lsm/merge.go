package lsm

import (
	"bytes"
	"slices"

	"github.com/weirstate/weir/internal/run"
)

// source is a run in a merge: a memtable, a table of level 0, or a level.
type source struct {
	run.Iterator
	ranges run.Ranges
	// hides says whether a tombstone of the run covers the prefix of a probe.
	hides func(*run.Probe) (bool, error)

	key []byte // of the current entry
	at  int    // the first of ranges that does not end before the last key
}

// merger walks runs as if they were one. For a key that several have it comes to
// what they say together; what is hidden from it is left out. Tombstones and
// deletes are entries, because older runs may be outside of the merge.
//
// Thread safety: one goroutine.
type merger struct {
	split   *Split
	sources []source // from the newest to the oldest
	heap    []int    // of the sources that have an entry: see less
	current []int    // sources of the current entry, newest first, not in heap

	key     []byte
	kind    run.Kind
	finding run.Finding // of Set and Append

	tombstone struct {
		prefix []byte
		source int // that has it; -1 if none covers the current place
	}
	anyRanges bool
	err       error
}

// reset makes the merger ready for sources. Seek comes next.
func (m *merger) reset(split *Split, sources []source) {
	m.split, m.sources = split, sources
	m.heap, m.current, m.err = m.heap[:0], m.current[:0], nil
	m.anyRanges = false
	m.tombstone.source = -1
	m.finding.Reset()
	for i := range sources {
		m.anyRanges = m.anyRanges || len(sources[i].ranges) > 0
	}
}

// seek goes before the first key that is at least key.
func (m *merger) seek(key []byte) {
	m.heap, m.current = m.heap[:0], m.current[:0]
	m.findTombstone(key)
	for i := range m.sources {
		s := &m.sources[i]
		s.at = 0
		m.push(i, s.Seek(key))
	}
}

// findTombstone finds the newest tombstone that stands before key and covers it.
func (m *merger) findTombstone(key []byte) {
	m.tombstone.source = -1
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
	m.heap, m.current = m.heap[:0], m.current[:0]
}

// next goes to the next entry and says whether there is one.
func (m *merger) next() bool {
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
	for _, i := range m.current {
		m.push(i, m.sources[i].Next())
	}
	m.current = m.current[:0]
	return len(m.heap) > 0
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
	if m.err != nil {
		return
	}
	s.key = s.Entry().Key
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
	m.pop()
	first := &m.sources[m.current[0]]
	m.key = first.key
	m.kind = first.Entry().Kind
	for len(m.heap) > 0 && m.samePlace(m.heap[0]) {
		m.pop()
	}
	hidden := m.hiddenFrom()
	if m.kind == run.DeletePrefix {
		newest := m.current[0]
		if newest >= hidden {
			return false // what it hides is hidden already
		}
		m.setTombstone(m.key, newest)
		return true
	}
	return m.join(hidden)
}

// samePlace says whether a source stands at the key of the current entry, before
// or behind the tombstone as it does.
func (m *merger) samePlace(i int) bool {
	s := &m.sources[i]
	return bytes.Equal(s.key, m.key) && (s.Entry().Kind == run.DeletePrefix) == (m.kind == run.DeletePrefix)
}

// join makes one entry of those of the current sources before hidden.
func (m *merger) join(hidden int) bool {
	m.finding.Reset()
	m.kind = 0
	for _, i := range m.current {
		if i >= hidden {
			break
		}
		e := m.sources[i].Entry()
		m.kind = e.Kind
		if m.finding.Add(e.Kind, e.Value) {
			break
		}
	}
	switch {
	case m.kind == 0:
		return false
	case !m.finding.Exists():
		m.kind = run.Delete
	case m.kind == run.Delete || hidden < len(m.sources):
		m.kind = run.Set // nothing older is joined
	}
	return true
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
	if c := bytes.Compare(x.key, y.key); c != 0 {
		return c < 0
	}
	first, second := x.Entry().Kind == run.DeletePrefix, y.Entry().Kind == run.DeletePrefix
	if first != second {
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

// levelIterator walks the files of a level above 0, one after the other.
type levelIterator struct {
	files []*file
	open  func(*file) run.Iterator
	at    int          // of files
	it    run.Iterator // of the file, nil if none is open
	err   error
}

var _ run.Iterator = (*levelIterator)(nil)

// Seek implements run.Iterator.
func (l *levelIterator) Seek(key []byte) bool {
	at, _ := slices.BinarySearchFunc(l.files, key, func(f *file, key []byte) int {
		if f.bounds.Before(key) {
			return -1
		}
		return 1
	})
	if at != l.at && !l.leave() {
		return false
	}
	l.at = at
	return l.enter(func(it run.Iterator) bool { return it.Seek(key) })
}

// enter goes to the first entry from the current file on: in it by a move, in
// later ones from their beginning.
func (l *levelIterator) enter(move func(run.Iterator) bool) bool {
	for l.err == nil && l.at < len(l.files) {
		if l.it == nil {
			l.it = l.open(l.files[l.at])
		}
		if move(l.it) {
			return true
		}
		if l.err = l.it.Err(); l.err != nil || !l.leave() {
			return false
		}
		l.at++
		move = func(it run.Iterator) bool { return it.Seek(nil) }
	}
	return false
}

// leave closes the file that is open.
func (l *levelIterator) leave() bool {
	if l.it != nil {
		l.err = l.it.Close()
		l.it = nil
	}
	return l.err == nil
}

// Next implements run.Iterator.
func (l *levelIterator) Next() bool {
	if l.it == nil {
		return l.enter(func(it run.Iterator) bool { return it.Seek(nil) })
	}
	return l.enter(run.Iterator.Next)
}

// Entry implements run.Iterator.
func (l *levelIterator) Entry() *run.Entry { return l.it.Entry() }

// Err implements run.Iterator.
func (l *levelIterator) Err() error { return l.err }

// Close implements run.Iterator.
func (l *levelIterator) Close() error {
	l.leave()
	return l.err
}
