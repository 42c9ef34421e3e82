package slotindex

import (
	"math/bits"

	"github.com/weirstate/weir/state/backend"
)

const (
	// A page has 64 groups of 8 slots. A split of a page takes approximately ten
	// microseconds. Only the directory grows as a whole; it takes 8 bytes per page.
	groupSlots = 8
	pageGroups = 64
	pageSlots  = pageGroups * groupSlots

	// maxDepth bounds the number of hash bits that address the directory.
	maxDepth = 24
	// maxEntriesPerPage limits the average number of directory entries per page. At the
	// limit a full page gets an overflow page instead of a split that doubles the directory:
	// for rows with equal hashes the directory would double again and again without effect.
	maxEntriesPerPage = 8
)

// hashIndex finds the slot of a row by the hash of its key and namespace. It is an extendible
// hash table (Fagin, Nievergelt, Pippenger and Strong, ACM TODS 4(3), 1979) whose pages are
// Swiss tables (Kulukundis, CppCon 2017).
//
// Problem: a table that doubles as a whole stops the task for as long as it takes to move all
// rows, and needs the memory of both tables. And a hit should touch few cache lines.
//
// Idea: a directory, addressed by the top bits of the hash, refers to pages of 512 slots. A
// full page is split alone; other pages stay. The directory doubles when the page to split
// already uses all addressed bits (depth); that copies pointers only. Inside a page each slot
// has a control byte with 7 bits of the hash, and a search compares 8 control bytes with one
// word operation. The position of a control byte is the slot number of its row in the table,
// so the index stores no slot numbers: a hit reads one word of the index and the row.
//
//	hash   [ top bits: directory ]...[ 6 bits: group ][ 7 bits: control byte ]
//	            |
//	directory  [ 00 | 01 | 10 | 11 ]      8 B per entry
//	              \  /     |    |
//	          page A   page B  page C     page A has depth 1: two entries refer to it
//	          base 0   512     1024       the page's first slot in the table
//	          group 0  [c c c 0 0 0 0 0]  8 control bytes: 0 empty, 1 deleted, ≥ 0x80 a row
//	          ...
//	          group 63 [c c c c c c c c]  full: a search continues in another group
//
// A search starts in the group of the hash and continues in triangular steps until it meets a
// group with an empty slot. Hence a deleted row leaves a mark (deleted) if its group was full,
// and an empty slot otherwise; rebuild removes the marks. Small tables: up to 7 rows have no
// page, only the word small; the first page grows from 1 group to 64 by doubling mask. Rows
// whose hashes agree in too many bits go to a chain of overflow pages.
//
// Invariant: all rows of a page and of its overflow pages agree in the top depth bits of their
// hashes, and exactly the directory entries with these bits refer to the page. Only the first page
// of a chain is in the directory.
//
// Invariant: no search for a row passes a group with an empty slot before it finds the row.
//
// Invariant: at most 7/8 of a page's slots are used or deleted, so that searches are short.
//
// Cost: a lookup reads the directory, one group in most cases, and the row. Memory is
// 1.2 to 2.5 bytes per row, plus the directory.
//
// The index is not part of a snapshot: the table freezes the rows. The garbage collector scans
// only the directory and one pointer per page.
type hashIndex struct {
	table     backend.Table
	directory []*hashPage // one nil entry while small has the rows
	shift     uint        // 64 minus the number of hash bits that address the directory
	small     uint64      // the control bytes of slots 0 to 7 while there is no page
	mask      uint32      // groups per page minus one; below 63 only while there is a single page
	pages     uint32
	scratch   *Scratch
}

// Scratch is memory that all indexes of a backend reuse while one of them makes room. The zero
// value is ready for use.
type Scratch struct {
	moved    []movedRow
	from, to []uint32
}

// hashPage manages pageSlots slots, from base on.
type hashPage struct {
	control  [pageGroups]uint64
	base     uint32
	used     int // slots with a row
	deleted  int // slots without a row that searches must step over
	depth    uint
	overflow *hashPage // more rows of the same directory entries
}

// movedRow is a row that was removed from its page and will be inserted again, in another slot or
// in the same one.
type movedRow struct {
	hash uint64
	slot uint32 // the old one
}

// Values of control bytes: 0 is empty, 1 is deleted, and the byte of a row has its top bit set
// and seven bits of the hash. A word holds eight of them; the arithmetic on the bytes of a word
// is from Warren, Hacker's Delight, 6-1.
const (
	deleted = 0x01
	lowBits = 0x0101010101010101
	topBits = 0x8080808080808080
)

func controlOf(hash uint64) uint64 { return hash&0x7f | 0x80 }

// matching sets the top bit of each byte that equals control. It may set the top bit of bytes
// that differ from control in the lowest bit: the caller compares the row in any case.
func matching(word, control uint64) uint64 {
	x := word ^ control*lowBits
	return (x - lowBits) &^ x & topBits
}

// hasEmpty reports whether a byte of word is 0. The subtraction may borrow into a byte above an
// empty one and mark it falsely, but only if there is an empty byte, so the result is exact.
func hasEmpty(word uint64) bool { return (word-lowBits)&^word&topBits != 0 }

// vacant sets the top bit of each empty or deleted byte.
func vacant(word uint64) uint64 { return ^word & topBits }

// emptyDirectory is the directory of every index without a page. It is never written.
var emptyDirectory = make([]*hashPage, 1)

// NewHash returns an empty hash index over a table. Indexes that one goroutine uses may share
// scratch. Freeze of the index returns an Ordered.
func NewHash(t backend.Table, scratch *Scratch) backend.Index {
	x := &hashIndex{table: t, scratch: scratch}
	x.Reset()
	return x
}

// Reset implements backend.Index.
func (x *hashIndex) Reset() {
	*x = hashIndex{table: x.table, directory: emptyDirectory, shift: 64, scratch: x.scratch}
}

// group returns the group in which the search for a hash begins.
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
	// The rows of an index without a page; small is zero otherwise.
	for m := matching(x.small, control); m != 0; m &= m - 1 {
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
		if head == nil && x.smallLen() < x.maxRows() {
			return x.insertSmall(hash), nil
		}
		for page := head; page != nil; page = page.overflow {
			if page.used+page.deleted < x.maxRows() {
				return x.insertInto(page, hash), nil
			}
		}
		if err := x.makeRoom(head, hash); err != nil {
			return 0, err
		}
	}
}

// maxRows returns the number of slots of a page that may be used or deleted: seven eighths.
func (x *hashIndex) maxRows() int { return int(x.mask+1) * (groupSlots - 1) }

// smallLen returns the number of rows while there is no page.
func (x *hashIndex) smallLen() int { return bits.OnesCount64(x.small & topBits) }

// insertSmall takes the first vacant slot of an index without a page.
func (x *hashIndex) insertSmall(hash uint64) uint32 {
	at := uint(bits.TrailingZeros64(vacant(x.small))) - 7
	x.small |= controlOf(hash) << at
	return uint32(at) / 8
}

// insertInto takes the first vacant slot on the search path of a hash. The page must have
// fewer than maxRows used and deleted slots.
func (x *hashIndex) insertInto(page *hashPage, hash uint64) uint32 {
	group := x.group(hash)
	for step := uint32(1); ; step++ {
		if m := vacant(page.control[group]); m != 0 {
			at := uint(bits.TrailingZeros64(m)) - 7
			if page.control[group]>>at&0xff == deleted {
				page.deleted--
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
		x.small &^= 0xff << (slot * 8)
		return
	}
	for slot-page.base >= pageSlots {
		page = page.overflow
	}
	group, at := (slot-page.base)/groupSlots, slot%groupSlots*8
	word := page.control[group]
	page.control[group] = word &^ (0xff << at)
	page.used--
	// If the group had no empty slot, rows that found it full may be further on their search
	// paths. The mark keeps their searches from ending here.
	if !hasEmpty(word) {
		page.control[group] |= deleted << at
		page.deleted++
	}
}

// Freeze implements backend.Index. It copies nothing: a snapshot does not need the hash index,
// because sortedSlots finds and sorts the rows of the frozen table.
func (x *hashIndex) Freeze() backend.FrozenIndex { return &sortedSlots{} }

// makeRoom makes room for a row when all pages of the chain that begins with head are full. It
// takes the first of these steps that applies:
//
//  1. no page yet: the first page takes over slots 0 to 7, so no row moves;
//  2. a page has deleted marks in a quarter of maxRows slots: rebuild it without them;
//  3. the only page has fewer than 64 groups: double them;
//  4. the page cannot or should not be split (maxDepth, maxEntriesPerPage): an overflow page;
//  5. split the page, after doubling the directory if necessary.
//
// Insert then tries again, and calls makeRoom again if a split has moved no row. makeRoom returns
// ErrFull if step 4 or 5 needs a page and all slot numbers are used.
func (x *hashIndex) makeRoom(head *hashPage, hash uint64) error {
	if head == nil {
		first := x.newPage(0)
		first.control[0], first.used = x.small, x.smallLen()
		x.small = 0
		x.directory = []*hashPage{first}
		return nil
	}
	for page := head; page != nil; page = page.overflow {
		if page.deleted >= x.maxRows()/4 {
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
		head.depth == addressed && len(x.directory) >= maxEntriesPerPage*int(x.pages):
		x.addOverflow(head)
	default:
		if head.depth == addressed {
			x.doubleDirectory()
		}
		x.split(head, hash)
	}
	return nil
}

// newPage returns an empty page for the next pageSlots slots.
func (x *hashIndex) newPage(depth uint) *hashPage {
	page := &hashPage{base: x.pages * pageSlots, depth: depth}
	x.pages++
	return page
}

// addOverflow appends an overflow page to the chain of a page that cannot be split.
func (x *hashIndex) addOverflow(page *hashPage) {
	for page.overflow != nil {
		page = page.overflow
	}
	page.overflow = x.newPage(page.depth)
}

// doubleDirectory addresses the directory with one more bit of the hash.
func (x *hashIndex) doubleDirectory() {
	wider := make([]*hashPage, 2*len(x.directory))
	for i, page := range x.directory {
		wider[2*i], wider[2*i+1] = page, page
	}
	x.directory = wider
	x.shift--
}

// rebuild inserts the rows of a page again that are not in the first group of their search paths,
// and removes all deleted marks.
func (x *hashIndex) rebuild(page *hashPage) {
	rows := x.removeMisplaced(page, nil)
	for _, r := range rows {
		x.noteMove(r, x.insertInto(page, r.hash))
	}
	x.applyMoves()
}

// split increments the depth of a page without overflow pages, and moves the rows whose hash has
// the added bit set to a new page. It removes the page's deleted marks as rebuild does.
func (x *hashIndex) split(page *hashPage, hash uint64) {
	page.depth++
	sibling := x.newPage(page.depth)
	bit := uint64(1) << (64 - page.depth)
	for _, r := range x.removeMisplaced(page, func(hash uint64) bool { return hash&bit == 0 }) {
		into := page
		if r.hash&bit != 0 {
			into = sibling
		}
		x.noteMove(r, x.insertInto(into, r.hash))
	}
	x.applyMoves()
	// The sibling gets half of the page's directory entries.
	width := 1 << (64 - x.shift - page.depth)
	first := int((hash|bit)>>(64-page.depth)) * width
	for i := range width {
		x.directory[first+i] = sibling
	}
}

// removeMisplaced removes rows and all deleted marks from a page, and returns the rows. It keeps
// only rows that are in the first group of their search path and for which stays, if given,
// returns true. A row further on its path is found only while the groups before it are full, and
// that may end when the marks go; so the caller must insert it again.
func (x *hashIndex) removeMisplaced(page *hashPage, stays func(hash uint64) bool) []movedRow {
	moved := x.scratch.moved[:0]
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
			moved = append(moved, movedRow{hash, slot})
		}
		page.control[group] &= page.control[group] & topBits >> 7 * 0xff
	}
	page.deleted = 0
	x.scratch.moved = moved
	return moved
}

// noteMove records the new slot of a row for applyMoves. A row that got its old slot again does
// not move.
func (x *hashIndex) noteMove(r movedRow, slot uint32) {
	if r.slot != slot {
		s := x.scratch
		s.from, s.to = append(s.from, r.slot), append(s.to, slot)
	}
}

// applyMoves makes the table move the recorded rows to their new slots.
func (x *hashIndex) applyMoves() {
	s := x.scratch
	x.table.Rearrange(s.from, s.to)
	s.from, s.to = s.from[:0], s.to[:0]
}
