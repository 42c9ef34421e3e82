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
type sorter struct{ m *memory }

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
func (s sorter) key(i item) []byte {
	if i.ref&tombstoneItem != 0 {
		return s.m.prefixOf(ref(i.ref &^ tombstoneItem))
	}
	return s.m.key(ref(i.ref))
}

// compare is the order of items by their whole keys.
func (s sorter) compare(a, b item) int {
	if c := bytes.Compare(s.key(a), s.key(b)); c != 0 {
		return c
	}
	return cmp.Compare(b.ref&tombstoneItem, a.ref&tombstoneItem)
}

// sortFrom sorts items whose keys agree in all bytes before one.
func (s sorter) sortFrom(all items, from int) {
	differ := uint64(0)
	for i := range all {
		if i%yieldItems == 0 {
			runtime.Gosched() // the owner may be waiting for this processor
		}
		all[i].head = headFrom(s.key(all[i]), from)
		differ |= all[i].head ^ all[0].head
	}
	byHead(all, bits.Len64(differ))
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].head == all[0].head {
			n++
		}
		switch equal := all[:n]; {
		case n == 1:
		case n <= comparedKeys || from >= radixKeyBytes:
			slices.SortFunc(equal, s.compare)
		default:
			s.sortFrom(equal, from+8)
		}
		all = all[n:]
	}
}

// headFrom is the head of a key from a byte on.
func headFrom(key []byte, from int) uint64 {
	return head(key[min(from, len(key)):])
}

// byHead sorts by head, of which only so many bits, the last ones, differ.
func byHead(all items, differ int) {
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
			byHead(all[from:end], shift)
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
