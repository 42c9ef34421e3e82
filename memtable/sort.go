package memtable

import (
	"bytes"
	"cmp"
	"math/bits"
	"runtime"
	"slices"
)

// sorter puts the records of a table in the order of their keys: radix sort,
// most significant byte first, in place (McIlroy, Bostic, McIlroy, Engineering
// Radix Sort, 1993), on eight bytes of the keys at a time. Keys of which these are
// equal are looked at again, with the next eight. Zeros stand for what is after the
// end of a key, so one that ends comes before those that go on, or is equal to
// them, until keys are compared.
//
// A key that is looked at is a miss of every cache, so heads are taken when items
// are added, after the bytes that all keys before had in common.
type sorter struct {
	m      *memory
	all    items // n of them were added
	n      int
	common []byte // what all keys begin with, often the name of a state
	stale  int    // items before this one have heads from further on
	worked int    // items that were looked at since others were let go first
}

// tombstoneItem marks an item that is a node.
const tombstoneItem = 1 << 63

// comparedItems is up to how many items numbers are compared, and keys as a
// whole: fewer than that are faster so.
const (
	comparedItems = 32
	comparedKeys  = 8
	// yieldItems take about a tenth of a millisecond.
	yieldItems = 4096
	// radixKeyBytes is how far into keys heads are loaded. Keys that agree in
	// more are compared.
	radixKeyBytes = 1 << 10
)

// key is that of a record or node.
func (s *sorter) key(i item) []byte {
	if i.ref&tombstoneItem != 0 {
		return s.m.prefixOf(ref(i.ref &^ tombstoneItem))
	}
	return s.m.key(ref(i.ref))
}

// compare is the order of items by their whole keys.
func (s *sorter) compare(a, b item) int {
	if c := bytes.Compare(s.key(a), s.key(b)); c != 0 {
		return c
	}
	return cmp.Compare(b.ref&tombstoneItem, a.ref&tombstoneItem)
}

// add adds an item without a head.
func (s *sorter) add(i item) {
	key := s.key(i)
	if s.n == 0 {
		s.common = key[:min(len(key), radixKeyBytes)]
	}
	if n := len(s.common); len(key) < n || string(key[:n]) != string(s.common) {
		s.common = s.common[:commonBytes(key, s.common)]
		s.stale = s.n
	}
	i.head = headFrom(key, len(s.common))
	s.all[s.n] = i
	s.n++
	s.work(1)
}

// work counts items that are looked at, and lets others go first now and then: the
// owner may be waiting for this processor.
func (s *sorter) work(items int) {
	if s.worked += items; s.worked >= yieldItems {
		s.worked = 0
		runtime.Gosched()
	}
}

// sort sorts what was added.
func (s *sorter) sort() {
	s.load(s.all[:s.stale], len(s.common))
	s.byHead(s.all, len(s.common))
}

// commonBytes is how many bytes two keys begin with.
func commonBytes(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// load takes heads from a byte on.
func (s *sorter) load(some items, from int) {
	for i := range some {
		some[i].head = headFrom(s.key(some[i]), from)
		s.work(1)
	}
}

// byHead sorts items by their heads, which were taken from a byte before which
// all their keys agree, and by what follows.
func (s *sorter) byHead(some items, from int) {
	differ := uint64(0)
	for i := range some {
		differ |= some[i].head ^ some[0].head
	}
	s.byBits(some, bits.Len64(differ))
	for len(some) > 0 {
		n := 1
		for n < len(some) && some[n].head == some[0].head {
			n++
		}
		switch equal := some[:n]; {
		case n == 1:
		case n <= comparedKeys || from >= radixKeyBytes:
			slices.SortFunc(equal, s.compare)
		default:
			s.load(equal, from+8)
			s.byHead(equal, from+8)
		}
		some = some[n:]
	}
}

// headFrom is the head of a key from a byte on.
func headFrom(key []byte, from int) uint64 {
	return head(key[min(from, len(key)):])
}

// byBits sorts by head, of which only so many bits, the last ones, differ.
func (s *sorter) byBits(all items, differ int) {
	s.work(len(all))
	if len(all) <= comparedItems {
		byComparing(all)
		return
	}
	if differ == 0 {
		return
	}
	shift := max(differ-8, 0)
	var ends [256]int
	byByte(all, shift, &ends)
	from := 0
	for _, end := range ends {
		if end-from > 1 && shift > 0 {
			s.byBits(all[from:end], shift)
		}
		from = end
	}
}

// byByte sorts by eight bits of the heads and says where each value of them ends.
func byByte(all items, shift int, ends *[256]int) {
	var next [256]int
	for i := range all {
		ends[byte(all[i].head>>shift)]++
	}
	at := 0
	for value, n := range ends {
		next[value] = at
		at += n
		ends[value] = at
	}
	for value := range next {
		for next[value] < ends[value] {
			i := all[next[value]]
			for byte(i.head>>shift) != byte(value) {
				into := &next[byte(i.head>>shift)]
				all[*into], i = i, all[*into]
				*into++
			}
			all[next[value]] = i
			next[value]++
		}
	}
}

// byComparing sorts a few items by head: by insertion.
func byComparing(all items) {
	for i := 1; i < len(all); i++ {
		moved := all[i]
		j := i
		for ; j > 0 && all[j-1].head > moved.head; j-- {
			all[j] = all[j-1]
		}
		all[j] = moved
	}
}
