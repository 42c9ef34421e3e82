package memtable

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"

	"github.com/weirstate/weir/internal/pace"
)

// sorter sorts the records of a table by key, with an in-place radix sort, most significant byte
// first (McIlroy, Bostic, McIlroy, Engineering Radix Sort, 1993).
//
// Problem: a comparison of two keys costs two cache misses, and a sort of a million records needs
// 20 comparisons for each of them.
//
// Idea: an item holds eight bytes of its key as a number, the head. The sort moves items, which
// are contiguous, and rarely reads a key. Heads begin after the bytes that all keys have in common
// (often the name of a state). Items with equal heads load the next eight bytes and are sorted
// again; a few equal items are compared by their whole keys instead.
//
//	key   = | common | head: 8 B | next head: 8 B | ...
//
//	items   [7 | ref] [2 | ref] [7 | ref] [5 | ref]
//	radix   [2 | ref] [5 | ref] [7 | ref] [7 | ref]
//	                            \_ equal: load next heads, sort _/
//
// Zeros stand for the bytes after the end of a key. So the head of a key that ends is less than or
// equal to the heads of keys that continue, and a comparison of the whole keys decides.
//
// Invariant: items from stale on have heads that begin at len(common). sort reloads the others.
//
// Cost: one cache miss for each item in add, which loads the head, and one for each further eight
// bytes that are needed.
type sorter struct {
	arena  *arena
	items  items // n of them were added
	n      int
	common []byte // longest common prefix of the keys added so far
	stale  int    // items before this one may have heads that begin after len(common)
	pacer  pace.Pacer
}

// tombstoneItem marks an item whose ref is a node: a prefix tombstone.
const tombstoneItem = 1 << 63

const (
	// Up to maxInsertionSorted items are sorted by insertion, and up to maxKeyCompared items with
	// equal heads by their whole keys, because that is faster for so few.
	maxInsertionSorted = 32
	maxKeyCompared     = 8
	// Reading a key takes approximately keyNanos, a cache miss, and moving an item moveNanos.
	keyNanos, moveNanos = 50, 5
	// Heads are loaded from the first radixKeyBytes bytes of a key. Keys that agree in more are
	// compared.
	radixKeyBytes = 1 << 10
)

// key returns the key of a record or node.
func (s *sorter) key(i item) []byte {
	if i.ref&tombstoneItem != 0 {
		return s.arena.nodePrefix(ref(i.ref &^ tombstoneItem))
	}
	return s.arena.key(ref(i.ref))
}

// compare compares the whole keys of two items. A prefix tombstone sorts before the equal key.
func (s *sorter) compare(a, b item) int {
	if c := bytes.Compare(s.key(a), s.key(b)); c != 0 {
		return c
	}
	return cmp.Compare(b.ref&tombstoneItem, a.ref&tombstoneItem)
}

// add adds an item, and loads its head.
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
	s.items[s.n] = i
	s.n++
	s.pacer.Spend(keyNanos)
}

// sort sorts the items that were added.
func (s *sorter) sort() {
	s.loadHeads(s.items[:s.stale], len(s.common))
	s.sortByHead(s.items, len(s.common))
}

// commonBytes returns the length of the longest common prefix of two keys.
func commonBytes(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// loadHeads loads heads that begin at byte from of their keys.
func (s *sorter) loadHeads(part items, from int) {
	for i := range part {
		part[i].head = headFrom(s.key(part[i]), from)
		s.pacer.Spend(keyNanos)
	}
}

// sortByHead sorts items whose keys agree in the first from bytes, and whose heads begin there.
func (s *sorter) sortByHead(part items, from int) {
	differ := uint64(0)
	for i := range part {
		differ |= part[i].head ^ part[0].head
	}
	s.radixSort(part, bits.Len64(differ))
	for len(part) > 0 {
		n := 1
		for n < len(part) && part[n].head == part[0].head {
			n++
		}
		switch equal := part[:n]; {
		case n == 1:
		case n <= maxKeyCompared || from >= radixKeyBytes:
			slices.SortFunc(equal, s.compare)
		default:
			s.loadHeads(equal, from+8)
			s.sortByHead(equal, from+8)
		}
		part = part[n:]
	}
}

// headFrom returns the head of a key that begins at byte from.
func headFrom(key []byte, from int) uint64 {
	return head(key[min(from, len(key)):])
}

// radixSort sorts by head. Only the last differ bits of the heads differ.
func (s *sorter) radixSort(all items, differ int) {
	if len(all) <= maxInsertionSorted {
		s.pacer.Spend(len(all) * moveNanos)
		insertionSort(all)
		return
	}
	if differ == 0 {
		return
	}
	shift := max(differ-8, 0)
	var ends [256]int
	s.partition(all, shift, &ends)
	from := 0
	for _, end := range ends {
		if end-from > 1 && shift > 0 {
			s.radixSort(all[from:end], shift)
		}
		from = end
	}
}

// partition sorts by the eight bits of the heads from bit shift on. It stores the end of each
// value's items in ends.
func (s *sorter) partition(all items, shift int, ends *[256]int) {
	var next [256]int
	for i := range all {
		ends[byte(all[i].head>>shift)]++
		s.pacer.Spend(1)
	}
	at := 0
	for value, n := range ends {
		next[value] = at
		at += n
		ends[value] = at
	}
	for value := range next {
		for next[value] < ends[value] {
			s.pacer.Spend(moveNanos)
			i := all[next[value]]
			for byte(i.head>>shift) != byte(value) {
				into := &next[byte(i.head>>shift)]
				all[*into], i = i, all[*into]
				*into++
				s.pacer.Spend(moveNanos)
			}
			all[next[value]] = i
			next[value]++
		}
	}
}

// insertionSort sorts a few items by head.
func insertionSort(all items) {
	for i := 1; i < len(all); i++ {
		moved := all[i]
		j := i
		for ; j > 0 && all[j-1].head > moved.head; j-- {
			all[j] = all[j-1]
		}
		all[j] = moved
	}
}
