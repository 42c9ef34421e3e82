package heapstate

import (
	"cmp"
	"math/bits"
	"runtime"
	"slices"

	"github.com/weirstate/weir/state/backend"
)

// slotSorter orders slots of one key group by key and namespace: a radix sort
// by eight bytes of the key at a time (Knuth, The Art of Computer Programming
// 3, 5.2.5). Rows are looked at once for each eight bytes that they share with
// others, in the order of their slots as far as possible.
type slotSorter struct {
	items, spare []sortItem
	slots        [dealSlots]uint32 // scratch for load
	prefixes     [dealSlots]uint64 // scratch for load
}

// sortItem is a slot with the eight bytes of its key that are being sorted by.
type sortItem struct {
	prefix uint64
	slot   uint32
}

const (
	// radixRows is from how many rows on counting bytes is faster than
	// comparing numbers.
	radixRows = 128
	// radixBytes is how many bytes of a key are sorted by before keys are
	// compared as a whole. Keys that agree in more may be very long, and each
	// eight bytes take an encoding.
	radixBytes = 56
)

// sort returns the slots in order. The result is good until the next call.
func (s *slotSorter) sort(t backend.FrozenTable, slots []uint32) []sortItem {
	s.items = slices.Grow(s.items[:0], len(slots))[:len(slots)]
	s.spare = slices.Grow(s.spare[:0], len(slots))[:len(slots)]
	for i, slot := range slots {
		s.items[i].slot = slot
	}
	s.sortFrom(t, s.items, 0)
	return s.items
}

// sortFrom sorts items whose keys agree in all bytes before one.
func (s *slotSorter) sortFrom(t backend.FrozenTable, items []sortItem, from int) {
	s.load(t, items, from)
	s.byPrefix(items)
	for len(items) > 0 {
		n := 1
		for n < len(items) && items[n].prefix == items[0].prefix {
			n++
		}
		switch run := items[:n]; {
		case n == 1:
		case n < radixRows || from >= radixBytes:
			slices.SortFunc(run, func(a, b sortItem) int { return t.Compare(a.slot, b.slot) })
		default:
			s.sortFrom(t, run, from+8)
		}
		items = items[n:]
	}
}

// load fills in the prefixes from a byte of the keys on.
func (s *slotSorter) load(t backend.FrozenTable, items []sortItem, from int) {
	for some := range slices.Chunk(items, dealSlots) {
		for i, item := range some {
			s.slots[i] = item.slot
		}
		t.Prefixes(s.slots[:len(some)], from, s.prefixes[:])
		for i := range some {
			some[i].prefix = s.prefixes[i]
		}
		runtime.Gosched() // the task may be waiting for this processor
	}
}

// byPrefix sorts by prefix alone.
func (s *slotSorter) byPrefix(items []sortItem) {
	if len(items) < radixRows {
		slices.SortFunc(items, func(a, b sortItem) int { return cmp.Compare(a.prefix, b.prefix) })
		return
	}
	differ := uint64(0)
	for _, item := range items {
		differ |= item.prefix ^ items[0].prefix
	}
	from, to := items, s.spare[:len(items)]
	for shift := bits.TrailingZeros64(differ) &^ 7; shift < bits.Len64(differ); shift += 8 {
		if differ>>shift&0xff != 0 {
			s.byByte(from, to, shift)
			from, to = to, from
		}
	}
	if &from[0] != &items[0] {
		copy(items, from)
	}
}

// byByte puts items into the order of one byte of their prefixes, and leaves
// them as they were otherwise.
func (s *slotSorter) byByte(from, to []sortItem, shift int) {
	var next [256]uint32
	for _, item := range from {
		next[byte(item.prefix>>shift)]++
	}
	at := uint32(0)
	for value, n := range next {
		next[value] = at
		at += n
	}
	for _, item := range from {
		into := &next[byte(item.prefix>>shift)]
		to[*into] = item
		*into++
	}
}
