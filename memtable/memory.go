package memtable

import (
	"encoding/binary"
	"math/bits"

	"github.com/weirstate/weir/internal/slab"
)

// ref is a place in the memory of a table: the number of a slab, and the byte in
// it. It has 40 bits; 0 is no place.
type ref uint64

const (
	slabShift = 20
	slabMask  = slab.Bytes - 1
	refBits   = 40
	refMask   = 1<<refBits - 1
)

// Blocks of a power of two bytes are used again once freed. Up to 64 KiB: beyond
// that a value has a chunk of its own size, or many.
const (
	minBlockBytes = 64
	maxBlockBytes = 64 << 10
	classes       = 11
	// lineBytes is that of processors. Blocks of many lines begin at one.
	lineBytes        = 64
	alignedFromBytes = 1 << 10
)

// memory hands out pieces of slabs.
//
// Thread safety: that of the table.
type memory struct {
	budget  *slab.Budget
	slabs   []*[slab.Bytes]byte
	counted int // bytes of the last slab that may be used: it grows
	next    ref // of the slab that is being filled
	room    int // bytes from next on
	free    [classes]ref
}

// preparedSlabs is how many slabs wait while a table grows: the first touch of
// one takes longer than to fill it.
const preparedSlabs = 2

// GrowthBytes is by how much a slab grows at the most: what stores that share
// a budget have counted and do not use is less than that for each.
const GrowthBytes = 64 << 10

// at returns the bytes from a place to the end of its slab.
func (m *memory) at(r ref) []byte { return m.slabs[r>>slabShift][r&slabMask:] }

func (m *memory) load(r ref) uint64 { return binary.LittleEndian.Uint64(m.at(r)) }

func (m *memory) store(r ref, word uint64) { binary.LittleEndian.PutUint64(m.at(r), word) }

// alloc returns the place of n bytes with any content, at a multiple of 8 and,
// if there are many, of a line.
func (m *memory) alloc(n int) ref {
	n = (n + 7) &^ 7
	if n >= alignedFromBytes {
		pad := int(-m.next & (lineBytes - 1))
		if pad+n <= m.room {
			m.next, m.room = m.next+ref(pad), m.room-pad
		}
	}
	if n > m.room {
		return m.allocBeyond(n)
	}
	r := m.next
	m.next, m.room = r+ref(n), m.room-n
	return r
}

// allocBeyond makes room for n bytes: the slab that is being filled grows, or there is
// another. The slab that has more left after that is filled on.
func (m *memory) allocBeyond(n int) ref {
	if len(m.slabs) == 0 {
		s, counted := m.budget.GetGrowing()
		m.slabs, m.counted = append(m.slabs, (*[slab.Bytes]byte)(s)), counted
		m.next, m.room = lineBytes, counted-lineBytes
		return m.alloc(n)
	}
	if m.growSlab(n) {
		return m.alloc(n)
	}
	r := ref(len(m.slabs)) << slabShift
	left := m.room + slab.Bytes - m.counted // of the slab that is being filled
	m.budget.Grow(slab.Bytes - m.counted)
	if left > slab.Bytes-n {
		m.slabs = append(m.slabs, (*[slab.Bytes]byte)(m.budget.Get()))
		m.room, m.counted = left, slab.Bytes
		return r
	}
	s, counted := m.budget.GetMore()
	m.slabs, m.counted = append(m.slabs, (*[slab.Bytes]byte)(s)), counted
	m.next, m.room = r, counted
	return m.alloc(n)
}

// growSlab counts more of the slab that is being filled, for n bytes and what they are
// aligned to. It reports whether that is enough.
func (m *memory) growSlab(n int) bool {
	needed := m.counted - m.room + n + lineBytes
	if needed > slab.Bytes {
		return false
	}
	grown := m.counted
	for grown < needed {
		grown += min(grown, GrowthBytes)
	}
	grown = min(grown, slab.Bytes)
	if grown > slab.Bytes/2 {
		m.budget.Prepare(preparedSlabs)
	}
	m.budget.Grow(grown - m.counted)
	m.room += grown - m.counted
	m.counted = grown
	return true
}

// class is that of the smallest blocks with n bytes or more.
func class(n int) int {
	return max(0, bits.Len(uint(n-1))-bits.Len(minBlockBytes-1))
}

// block returns a block of a class with any content.
func (m *memory) block(class int) ref {
	r := m.free[class]
	if r == 0 {
		return m.alloc(minBlockBytes << class)
	}
	m.free[class] = ref(m.load(r))
	return r
}

// freeBlock takes a block back. Its first word is the next that is free.
func (m *memory) freeBlock(r ref, class int) {
	m.store(r, uint64(m.free[class]))
	m.free[class] = r
}

// bytes is how much memory was taken, but for what is left of a slab that did not have to
// grow, in steps as it would have: the size of a table says when it is full.
func (m *memory) bytes() int64 {
	if len(m.slabs) == 0 {
		return 0
	}
	left := m.room - m.room%GrowthBytes
	return int64(len(m.slabs)-1)*slab.Bytes + int64(m.counted-left)
}

// release gives all memory back.
func (m *memory) release() {
	for i, s := range m.slabs {
		if i == len(m.slabs)-1 {
			m.budget.PutGrowing(s[:], m.counted)
		} else {
			m.budget.Put(s[:])
		}
	}
	*m = memory{budget: m.budget}
}
