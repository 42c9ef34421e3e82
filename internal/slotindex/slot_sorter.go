package slotindex

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/weirstate/weir/internal/pace"
	"github.com/weirstate/weir/state/backend"
)

// slotSorter sorts the slots of one key group by key and namespace. It is a radix sort on eight
// bytes of the encoded key at a time (Knuth, The Art of Computer Programming 3, 5.2.5): it sorts
// by the first eight bytes, then each run of slots that agree in them by the next eight, and so
// on. So it encodes a key once, and once more for each eight bytes that at least radixRows rows
// share. Short runs and rows with equal long prefixes are sorted by FrozenTable.Compare.
//
// A key that ends within the eight bytes is padded with zeros. Padding never puts keys in the
// wrong order, but two different keys may have equal prefixes (a, and a with a zero byte after
// it). So slots whose prefixes are equal count as equal only after Compare. Compare also orders
// rows with the same key by namespace, which no prefix contains.
//
// Invariant: items outside the run that sortFrom received are not touched; spare is free between
// two calls of byPrefix.
type slotSorter struct {
	items, spare []sortItem
	pacer        pace.Pacer
	slots        [chunkSlots]uint32 // scratch for load
	prefixes     [chunkSlots]uint64 // scratch for load
}

// sortItem is a slot and the eight bytes of its key that the current pass sorts by.
type sortItem struct {
	prefix uint64
	slot   uint32
}

const (
	// radixRows is the number of rows from which on a radix sort is faster than a sort by
	// comparisons.
	radixRows = 128
	// radixBytes is the offset of the last eight key bytes that are sorted by radix: 64 bytes
	// in all. Rows that agree in all of them are sorted by comparisons: such keys may be very
	// long, and each pass encodes the keys again.
	radixBytes = 56
)

// sort returns the slots, all of one key group, in the order of key and namespace. The result is
// valid until the next call.
func (s *slotSorter) sort(t backend.FrozenTable, slots []uint32) []sortItem {
	s.items = slices.Grow(s.items[:0], len(slots))[:len(slots)]
	s.spare = slices.Grow(s.spare[:0], len(slots))[:len(slots)]
	for i, slot := range slots {
		s.items[i].slot = slot
	}
	s.sortFrom(t, s.items, 0)
	return s.items
}

// sortFrom sorts items whose keys agree in their first from bytes.
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
			slices.SortFunc(run, func(a, b sortItem) int {
				s.pacer.Spend(compareNanos)
				return t.Compare(a.slot, b.slot)
			})
		default:
			s.sortFrom(t, run, from+8)
		}
		items = items[n:]
	}
}

// load sets the prefix of each item to eight bytes of its key, beginning at byte from, as a
// big-endian number padded with zeros.
func (s *slotSorter) load(t backend.FrozenTable, items []sortItem, from int) {
	for some := range slices.Chunk(items, chunkSlots) {
		for i, item := range some {
			s.slots[i] = item.slot
		}
		t.Prefixes(s.slots[:len(some)], from, s.prefixes[:])
		for i := range some {
			some[i].prefix = s.prefixes[i]
		}
		s.pacer.Spend(len(some) * readNanos)
	}
}

// byPrefix sorts items by their prefix only: from radixRows items on by radix, from the lowest to
// the highest of the bytes in which the prefixes differ.
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
			s.pacer.Spend(len(items) * moveNanos)
			from, to = to, from
		}
	}
	if &from[0] != &items[0] {
		copy(items, from)
	}
}

// byByte copies the items of from into to, in the order of the byte of their prefixes that begins
// at bit shift. The sort is stable.
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
