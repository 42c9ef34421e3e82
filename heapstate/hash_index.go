package heapstate

import (
	"math/bits"

	"github.com/weirstate/weir/state/backend"
)

const (
	// A page has 64 groups of 8 slots. It splits in about ten microseconds. The
	// only thing that grows as a whole is the directory, of 8 bytes for a page.
	groupSlots = 8
	pageGroups = 64
	pageSlots  = pageGroups * groupSlots

	// maxDepth bounds the bits of the hash that address the directory.
	maxDepth = 24
	// sparse is how many entries the directory may have for each page, on
	// average, before an overfull page gets an overflow page instead of being
	// split: rows whose hashes agree must not double the directory in vain.
	sparse = 8
)

// hashIndex is an extendible hash table (Fagin et al., ACM TODS 4(3), 1979):
// a directory, addressed by the top bits of the hash, of pages. Within a page
// it is a Swiss table (Kulukundis, CppCon 2017): a control byte for each slot,
// searched eight at a time. The place of a control byte is the slot of its row,
// so that a hit looks at one word of the index and at the row.
//
// The index is no part of a snapshot: rows are frozen in the table. It holds no
// pointers but the directory's.
type hashIndex struct {
	table     backend.Table
	directory []*hashPage // of one nil while few holds the rows
	shift     uint        // 64 less the bits that address the directory
	few       uint64      // the control bytes of slots 0 to 7 while there is no page
	mask      uint32      // groups of a page less one: below 63 only while there is one page
	pages     uint32
	scratch   *hashScratch
}

// hashScratch is memory that the indices of a backend reuse while one of them makes room.
type hashScratch struct {
	placed   []placedRow
	from, to []uint32
}

// hashPage decides over the pageSlots slots from base on.
type hashPage struct {
	control  [pageGroups]uint64
	base     uint32
	used     int // slots with a row
	dead     int // slots whose row is gone, but which searches must step over
	depth    uint
	overflow *hashPage // more rows of the same directory entries
}

// placedRow is a row that a page is about to give a new place.
type placedRow struct {
	hash uint64
	slot uint32
}

// Control bytes: 0 is empty, 1 is dead, and a row's has the top bit and seven
// bits of its hash. The arithmetic is that of eight bytes in a word (Warren,
// Hacker's Delight, 6-1).
const (
	dead    = 0x01
	lowBits = 0x0101010101010101
	topBits = 0x8080808080808080
)

func controlOf(hash uint64) uint64 { return hash&0x7f | 0x80 }

// matching marks the top bits of bytes that equal control, and perhaps of some
// that differ from it in the lowest bit.
func matching(word, control uint64) uint64 {
	x := word ^ control*lowBits
	return (x - lowBits) &^ x & topBits
}

func hasEmpty(word uint64) bool { return (word-lowBits)&^word&topBits != 0 }

// vacant marks the top bits of empty and dead bytes.
func vacant(word uint64) uint64 { return ^word & topBits }

// noPages is the directory of every index without a page. It is never written.
var noPages = make([]*hashPage, 1)

func newHashIndex(t backend.Table, scratch *hashScratch) *hashIndex {
	return &hashIndex{table: t, directory: noPages, shift: 64, scratch: scratch}
}

// Reset implements backend.Index.
func (x *hashIndex) Reset() { *x = *newHashIndex(x.table, x.scratch) }

// group is where the search for a hash begins in a page.
func (x *hashIndex) group(hash uint64) uint32 { return uint32(hash>>7) & x.mask }

// Find implements backend.Index.
func (x *hashIndex) Find(hash uint64) (slot uint32, ok bool) {
	control := controlOf(hash)
	for page := x.directory[hash>>x.shift]; page != nil; page = page.overflow {
		group := x.group(hash)
		for step := uint32(1); step <= x.mask+1; step++ {
			word := page.control[group%pageGroups]
			for m := matching(word, control); m != 0; m &= m - 1 {
				slot := page.base + group*groupSlots + uint32(bits.TrailingZeros64(m))/8
				if x.table.Matches(slot) {
					return slot, true
				}
			}
			if hasEmpty(word) {
				break
			}
			group = (group + step) & x.mask
		}
	}
	// Candidates among the first rows; none once there is a page.
	for m := matching(x.few, control); m != 0; m &= m - 1 {
		slot := uint32(bits.TrailingZeros64(m)) / 8
		if x.table.Matches(slot) {
			return slot, true
		}
	}
	return 0, false
}

// Insert implements backend.Index.
func (x *hashIndex) Insert(hash uint64) (uint32, error) {
	for {
		head := x.directory[hash>>x.shift]
		if head == nil && x.fewRows() < x.room() {
			return x.placeFew(hash), nil
		}
		for page := head; page != nil; page = page.overflow {
			if page.used+page.dead < x.room() {
				return x.place(page, hash), nil
			}
		}
		if err := x.makeRoom(head, hash); err != nil {
			return 0, err
		}
	}
}

// room is the number of slots of a page that may be taken: seven eighths.
func (x *hashIndex) room() int { return int(x.mask+1) * (groupSlots - 1) }

// fewRows is the number of rows while there is no page.
func (x *hashIndex) fewRows() int { return bits.OnesCount64(x.few & topBits) }

// placeFew takes the first vacant slot while there is no page.
func (x *hashIndex) placeFew(hash uint64) uint32 {
	at := uint(bits.TrailingZeros64(vacant(x.few))) - 7
	x.few |= controlOf(hash) << at
	return uint32(at) / 8
}

// place takes the first vacant slot for a hash in a page that has room.
func (x *hashIndex) place(page *hashPage, hash uint64) uint32 {
	group := x.group(hash)
	for step := uint32(1); ; step++ {
		if m := vacant(page.control[group]); m != 0 {
			at := uint(bits.TrailingZeros64(m)) - 7
			if page.control[group]>>at&0xff == dead {
				page.dead--
			}
			page.control[group] = page.control[group]&^(0xff<<at) | controlOf(hash)<<at
			page.used++
			return page.base + group*groupSlots + uint32(at)/8
		}
		group = (group + step) & x.mask
	}
}

// Delete implements backend.Index.
func (x *hashIndex) Delete(hash uint64, slot uint32) {
	page := x.directory[hash>>x.shift]
	if page == nil {
		x.few &^= 0xff << (slot * 8)
		return
	}
	for slot-page.base >= pageSlots {
		page = page.overflow
	}
	group, at := (slot-page.base)/groupSlots, slot%groupSlots*8
	word := page.control[group]
	page.control[group] = word &^ (0xff << at)
	page.used--
	// No search has gone past a group that has an empty slot.
	if !hasEmpty(word) {
		page.control[group] |= dead << at
		page.dead++
	}
}

// Freeze implements backend.Index.
func (x *hashIndex) Freeze() backend.FrozenIndex { return &sortedSlots{} }

// makeRoom changes full pages, or the index, so that an insertion can be tried
// again.
func (x *hashIndex) makeRoom(head *hashPage, hash uint64) error {
	if head == nil {
		first := x.newPage(0)
		first.control[0], first.used = x.few, x.fewRows()
		x.few = 0
		x.directory = []*hashPage{first}
		return nil
	}
	for page := head; page != nil; page = page.overflow {
		if page.dead >= x.room()/4 {
			x.rebuild(page)
			return nil
		}
	}
	addressed := 64 - x.shift
	switch {
	case x.mask < pageGroups-1:
		x.mask = 2*x.mask + 1
		x.rebuild(head)
	case x.pages == 1<<32/pageSlots-1:
		return backend.ErrFull
	case head.overflow != nil, head.depth == maxDepth,
		head.depth == addressed && len(x.directory) >= sparse*int(x.pages):
		x.lengthen(head)
	default:
		if head.depth == addressed {
			x.doubleDirectory()
		}
		x.split(head, hash)
	}
	return nil
}

// newPage returns an empty page over slots of its own.
func (x *hashIndex) newPage(depth uint) *hashPage {
	page := &hashPage{base: x.pages * pageSlots, depth: depth}
	x.pages++
	return page
}

// lengthen gives a page that cannot be split an overflow page.
func (x *hashIndex) lengthen(page *hashPage) {
	for page.overflow != nil {
		page = page.overflow
	}
	page.overflow = x.newPage(page.depth)
}

func (x *hashIndex) doubleDirectory() {
	wider := make([]*hashPage, 2*len(x.directory))
	for i, page := range x.directory {
		wider[2*i], wider[2*i+1] = page, page
	}
	x.directory = wider
	x.shift--
}

// rebuild gives all rows of a page the places they would get in an empty one.
func (x *hashIndex) rebuild(page *hashPage) {
	rows := x.take(page, nil)
	for _, r := range rows {
		x.move(r, x.place(page, r.hash))
	}
	x.settle()
}

// split moves the rows of a page that have the next bit of their hash set into
// a page of their own.
func (x *hashIndex) split(page *hashPage, hash uint64) {
	page.depth++
	sibling := x.newPage(page.depth)
	bit := uint64(1) << (64 - page.depth)
	for _, r := range x.take(page, func(hash uint64) bool { return hash&bit == 0 }) {
		into := page
		if r.hash&bit != 0 {
			into = sibling
		}
		x.move(r, x.place(into, r.hash))
	}
	x.settle()
	// Half of the directory entries that share the page's old bits.
	width := 1 << (64 - x.shift - page.depth)
	first := int((hash|bit)>>(64-page.depth)) * width
	for i := range width {
		x.directory[first+i] = sibling
	}
}

// take takes out of a page, and returns, the rows that cannot stay where they
// are. A row stays if its search begins in its group and stays agrees.
func (x *hashIndex) take(page *hashPage, stays func(hash uint64) bool) []placedRow {
	placed := x.scratch.placed[:0]
	for group := range uint32(pageGroups) {
		for m := page.control[group] & topBits; m != 0; m &= m - 1 {
			at := uint(bits.TrailingZeros64(m)) - 7
			slot := page.base + group*groupSlots + uint32(at)/8
			hash := x.table.Hash(slot)
			if x.group(hash) == group && (stays == nil || stays(hash)) {
				continue
			}
			page.control[group] &^= 0xff << at
			page.used--
			placed = append(placed, placedRow{hash, slot})
		}
		page.control[group] &= page.control[group] & topBits >> 7 * 0xff
	}
	page.dead = 0
	x.scratch.placed = placed
	return placed
}

// move notes that a row goes to another slot.
func (x *hashIndex) move(r placedRow, slot uint32) {
	if r.slot != slot {
		s := x.scratch
		s.from, s.to = append(s.from, r.slot), append(s.to, slot)
	}
}

// settle lets the table move the noted rows.
func (x *hashIndex) settle() {
	s := x.scratch
	x.table.Rearrange(s.from, s.to)
	s.from, s.to = s.from[:0], s.to[:0]
}
