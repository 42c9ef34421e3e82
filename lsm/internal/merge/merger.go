package merge

import (
	"bytes"

	"github.com/weirstate/weir/run"
)

// Source is one run in a merge: a memtable, a table of level 0, or a whole level.
type Source struct {
	run.Iterator
	Ranges run.Ranges // range tombstones of the run
	// Hides reports whether a prefix tombstone or a range tombstone of the run covers all keys
	// with the prefix of a lookup key.
	Hides func(*run.LookupKey) (bool, error)

	// StableEntries is set if the iterator copies its entries, so that their bytes stay
	// unchanged while the store is written to.
	StableEntries bool

	Current   *run.Entry // entry at which the iterator stands
	head      uint64     // first 8 bytes of the key after the merger's prefix; decides nearly every comparison
	nextRange int        // first range that does not end before the last key checked
}

// loadEntry makes the iterator's entry the current one, and reports whether its key begins
// with prefix.
func (s *Source) loadEntry(prefix []byte) bool {
	s.Current = s.Entry()
	if len(prefix) > 0 && !bytes.HasPrefix(s.Current.Key, prefix) {
		return false
	}
	s.head = run.Head(s.Current.Key[len(prefix):])
	return true
}

// isTombstone reports whether the current entry is a prefix tombstone.
func (s *Source) isTombstone() bool { return s.Current.Kind == run.DeletePrefix }

// Merger walks several runs as if they were one: a k-way merge on a binary heap (Knuth, TAOCP
// vol. 3, section 5.4.1), which also applies the algebra of entries (package run).
//
//	source 0 (newest)   a:set   c:append "2"            f:delete
//	source 1                    c:append "1"  d:set
//	source 2 (oldest)   a:set   c:set "0"               f:set     g:set
//	                    ------------------------------------------------
//	merger              a:set   c:set "012"   d:set     f:delete  g:set
//
// Sources are ordered from the newest run to the oldest. Each step finds the lowest key among
// the sources, pops every source that stands at this key off the heap, and combines their
// entries from the newest to the oldest until one of them decides the value. Older entries of
// the key are skipped. Appends without an older Set or Delete become one Append, or one Set if a
// tombstone hides the older sources.
//
// Deletes and prefix tombstones are returned as entries, because runs outside of the merge may be
// older. Range tombstones are not entries: the caller reads them from Source.Ranges.
//
// A tombstone hides entries of older sources, never of its own. Hidden entries are not returned:
// each prefix tombstone sorts before all keys of its prefix, so the merger keeps the newest one
// that covers the current position; range tombstones are a sorted list for each source, with a
// cursor that follows the keys.
//
// Invariant: heap holds each source that has an entry with prefix left and is not in current,
// ordered by less; heap[0] has the lowest entry.
//
// Invariant: if single is set, only heap[0] has the current key. The source stays on the heap,
// so that a walk over keys of one source needs no pop and no push.
//
// Invariant: a range tombstone does not divide the keys of a prefix: its bounds name partitions,
// and every prefix is at least as long as a partition. So a range that hides a prefix tombstone
// hides all keys that the tombstone hides. If a run is cut into files, the files together have
// the whole range.
//
// Invariant: a source with index i is hidden from the current key if i >= firstHidden().
//
// Cost: O(log k) comparisons for each entry, k being the number of sources; nearly all compare
// the first 8 bytes of keys (head) as integers. While one source has consecutive keys, a step
// takes two comparisons (nextOfSameSource). Memory: one entry for each source; values are not
// copied.
//
// Backward walks (file down.go) do without the heap.
//
// Thread safety: one goroutine.
type Merger struct {
	split   *run.Split
	prefix  []byte   // only keys with this prefix are walked; empty: all keys
	Sources []Source // from the newest to the oldest
	heap    []int    // indexes of sources that have an entry, ordered by less
	current []int    // indexes of sources at the current key, newest first
	single  bool     // only the source heap[0] has the current key

	Key    []byte     // key of the current entry
	head   uint64     // first 8 bytes of Key after prefix; valid in mergeLowest only
	Kind   run.Kind   // kind of the current entry
	Lookup run.Lookup // value of a Set or Append

	tombstone struct {
		prefix []byte
		source int // index of the source that has the tombstone; -1 if no tombstone covers the current key
	}
	anyRanges   bool
	downward    downward
	EntriesRead int   // number of source entries read since Reset
	Err         error // error that ended the walk
}

// Reset prepares the merger for new sources. It walks only keys with the prefix; nil is all
// keys. The caller calls Seek next.
func (m *Merger) Reset(split *run.Split, prefix []byte, sources []Source) {
	m.split, m.prefix, m.Sources = split, prefix, sources
	m.heap, m.current, m.single, m.Err = m.heap[:0], m.current[:0], false, nil
	m.anyRanges, m.EntriesRead = false, 0
	m.tombstone.source = -1
	m.Lookup.Reset()
	for i := range sources {
		m.anyRanges = m.anyRanges || len(sources[i].Ranges) > 0
	}
}

// Seek positions the merger before the first key that is at least key.
func (m *Merger) Seek(key []byte) {
	m.heap, m.current, m.single = m.heap[:0], m.current[:0], false
	m.findTombstone(key)
	for i := range m.Sources {
		s := &m.Sources[i]
		s.nextRange = 0
		m.push(i, s.Seek(key))
	}
}

// findTombstone finds the newest prefix tombstone that sorts before key and covers key. The
// caller of a merger with a prefix has already left out sources that a tombstone hides.
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
		return // Next reaches the tombstone, if there is one, at key
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

// setTombstone records the prefix tombstone that covers the current position.
func (m *Merger) setTombstone(prefix []byte, source int) {
	m.tombstone.prefix = append(m.tombstone.prefix[:0], prefix...)
	m.tombstone.source = source
}

// Fail ends the walk with an error. Only the first error is kept.
func (m *Merger) Fail(err error) {
	if m.Err == nil {
		m.Err = err
	}
	m.heap, m.current, m.single = m.heap[:0], m.current[:0], false
}

// Next moves to the next entry and reports whether it exists.
func (m *Merger) Next() bool {
	if m.single && !m.anyRanges && m.tombstone.source < 0 && m.nextOfSameSource() {
		return true
	}
	for m.advance() {
		if m.mergeLowest() {
			return true
		}
	}
	m.Lookup.Reset()
	return false
}

// advance moves the sources of the current entry forward, and reports whether any source has
// an entry left.
func (m *Merger) advance() bool {
	if m.single && m.advanceTop() {
		m.siftDown(0)
	}
	for _, i := range m.current {
		m.push(i, m.Sources[i].Next())
	}
	m.current = m.current[:0]
	return len(m.heap) > 0
}

// nextOfSameSource is the fast path of Next: it advances the source heap[0], which alone had
// the current key. If the new entry has a value and its head is lower than the heads of all other
// sources, it makes this entry the current one and returns true. Otherwise, also if heads are
// equal, it restores the heap and returns false, and Next continues with advance and mergeLowest.
func (m *Merger) nextOfSameSource() bool {
	if !m.advanceTop() {
		return false
	}
	s := &m.Sources[m.heap[0]]
	if !s.Current.Kind.HasValue() || !m.isBefore(1, s.head) || !m.isBefore(2, s.head) {
		m.siftDown(0)
		return false
	}
	m.single = true
	m.Key, m.Kind = s.Current.Key, s.Current.Kind
	m.Lookup.Replace(&s.Current.Value)
	return true
}

// isBefore reports whether head is lower than the head of the source at an index of the heap.
func (m *Merger) isBefore(at int, head uint64) bool {
	return at >= len(m.heap) || head < m.Sources[m.heap[at]].head
}

// advanceTop advances the source heap[0] and reports whether it has an entry; the caller
// restores the heap order. A source without further entries is removed from the heap.
func (m *Merger) advanceTop() bool {
	m.single = false
	s := &m.Sources[m.heap[0]]
	if s.Next() && s.loadEntry(m.prefix) {
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
	m.siftDown(0)
	return false
}

// push adds source i to the heap after its iterator has moved; ok is the result of the move.
func (m *Merger) push(i int, ok bool) {
	s := &m.Sources[i]
	if !ok {
		if err := s.Err(); err != nil {
			m.Fail(err)
		}
		return
	}
	if m.Err != nil || !s.loadEntry(m.prefix) {
		return
	}
	m.EntriesRead++
	m.heap = append(m.heap, i)
	m.siftUp(len(m.heap) - 1)
}

// pop moves the source heap[0] from the heap to current.
func (m *Merger) pop() {
	last := len(m.heap) - 1
	m.current = append(m.current, m.heap[0])
	m.heap[0] = m.heap[last]
	m.heap = m.heap[:last]
	m.siftDown(0)
}

// mergeLowest combines the entries at the lowest key into the current entry, and reports
// whether it is visible; false if a newer tombstone hides it.
func (m *Merger) mergeLowest() bool {
	newest := m.heap[0]
	first := m.Sources[newest].Current
	m.Key, m.Kind, m.head = first.Key, first.Kind, m.Sources[newest].head
	m.single = !m.hasSameEntry(1) && !m.hasSameEntry(2)
	if !m.single {
		m.pop()
		for m.hasSameEntry(0) {
			m.pop()
		}
	}
	hidden := m.firstHidden()
	switch {
	case newest >= hidden:
		return false
	case m.Kind == run.DeletePrefix:
		m.setTombstone(m.Key, newest)
	case m.single:
		m.takeSingle(first, hidden)
	default:
		m.join(hidden)
	}
	return true
}

// hasSameEntry reports whether the source at an index of the heap stands at the current key,
// with the same kind of entry: a prefix tombstone, or not.
func (m *Merger) hasSameEntry(at int) bool {
	if at >= len(m.heap) {
		return false
	}
	s := &m.Sources[m.heap[at]]
	return s.head == m.head && bytes.Equal(s.Current.Key, m.Key) && s.isTombstone() == (m.Kind == run.DeletePrefix)
}

// takeSingle makes e, the entry of the only source that has the key, the current entry.
func (m *Merger) takeSingle(e *run.Entry, hidden int) {
	if !m.Kind.HasValue() {
		m.Lookup.Reset()
		return
	}
	m.Lookup.Replace(&e.Value)
	if m.Kind == run.Append && hidden < len(m.Sources) {
		m.Kind = run.Set // nothing older can be joined
	}
}

// join combines the entries of the current sources with an index below hidden; there is at
// least one such source. Kind becomes Delete if the key has no value, Set if an entry or a
// tombstone decides the value, and Append if older runs may have more of the value.
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
		m.Kind = run.Set // nothing older can be joined
	}
}

// firstHidden returns the index of the first source that a tombstone hides at the current key:
// one more than the index of the newest source with a tombstone that covers the key. It is
// len(Sources) if no tombstone covers the key.
func (m *Merger) firstHidden() int {
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

// covers reports whether a range tombstone of the source covers a key. Keys must be given in
// ascending order.
func (s *Source) covers(key []byte) bool {
	for s.nextRange < len(s.Ranges) && s.Ranges[s.nextRange].Before(key) {
		s.nextRange++
	}
	return s.nextRange < len(s.Ranges) && s.Ranges[s.nextRange].Contains(key)
}

// less orders sources by key; at equal keys the prefix tombstone comes first, then the newer
// source.
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

// siftUp restores the heap order above an index.
func (m *Merger) siftUp(at int) {
	for at > 0 {
		parent := (at - 1) / 2
		if !m.less(m.heap[at], m.heap[parent]) {
			return
		}
		m.heap[at], m.heap[parent] = m.heap[parent], m.heap[at]
		at = parent
	}
}

// siftDown restores the heap order below an index.
func (m *Merger) siftDown(at int) {
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

// Value returns the current value. A value in several pieces is returned as a large value that
// reads them one by one.
func (m *Merger) Value() run.Value {
	if whole, ok := m.Lookup.Whole(); ok {
		return run.Value{Bytes: whole}
	}
	return run.Value{Large: pieces{&m.Lookup}}
}

// pieces is a run.Large that reads the pieces of a Lookup.
type pieces struct{ *run.Lookup }

// StableValue returns the current value if its bytes stay unchanged while the store is written
// to: the value is in one piece, from one source, whose iterator copies its entries. It is valid
// until the next move.
func (m *Merger) StableValue() ([]byte, bool) {
	if !m.single || !m.Sources[m.heap[0]].StableEntries {
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
