package memtable

import (
	"encoding/binary"
	"math/bits"

	"github.com/weirstate/weir/internal/slab"
)

// ref is the address of data in an arena: the number of a slab and the offset of a byte in it,
// in 40 bits. 0 is not an address.
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
	// Blocks have a power of two of bytes, one size class each, and are reused after freeBlock.
	// Values larger than maxBlockBytes have a chunk of their own size, or several chunks.
	minBlockBytes = 64
	maxBlockBytes = 64 << 10
	sizeClasses   = 11
	// Allocations of alignedFromBytes or more begin at a cache line.
	cacheLineBytes   = 64
	alignedFromBytes = 1 << 10
)

// arena is the memory of one table: it hands out pieces of slabs, and gives all slabs back at
// once (freeSlabs).
//
// Problem: a memtable has millions of small records, tree blocks and chunks. On Go's heap each
// would be an object that the collector marks, with a header and a pointer of 8 bytes, and the
// total would not be bounded by a budget.
//
// Idea: bump allocation in slabs of 1 MiB outside the heap. A ref of 40 bits replaces pointers:
// the collector sees only the list of slabs, and a directory slot has 24 bits left for a hash.
//
//	slabs[0]                    slabs[1]
//	+----+---------------------+----------------+- - - - - - - - -+
//	| 64 | records, chunks ... | ... records    | not yet counted |
//	+----+---------------------+----------------+- - - - - - - - -+
//	  ^ref 0 is unused                     next ^   unusedBytes of the counted part
//
// Freed pieces of power-of-two size go to freeBlocks, one list for each size class; the first
// word of a free block is the ref of the next one. Records, nodes and chunks above 64 KiB are
// never reused: records stay at their address, so everything else may keep their ref.
//
// The last slab grows: the budget counts the part in use only, doubled up to steps of
// GrowthBytes. A table with three keys takes 16 KiB of the budget, not 1 MiB.
//
// Invariant: a ref stays valid until freeSlabs, or until freeBlock for blocks.
// Invariant: no allocation crosses the end of a slab.
// Invariant: all slabs but the last are counted whole.
//
// Cost: two additions for an allocation. The end of a slab is lost if a larger allocation does
// not fit; the slab with more space left continues to be filled.
//
// Thread safety: as for the table.
type arena struct {
	budget       *slab.Budget
	slabs        []*[slab.Bytes]byte
	countedBytes int // bytes of the last slab that count against the budget and may be used
	next         ref // the next allocation
	unusedBytes  int // bytes after next that may be used
	freeBlocks   [sizeClasses]ref
}

// preparedSlabs is the number of free slabs that the budget keeps ready while a table grows.
// The page faults of a fresh slab take longer than filling it.
const preparedSlabs = 2

// GrowthBytes is the largest step, in bytes, by which the counted part of a slab grows. So each
// store that shares a budget has less than that counted and unused.
const GrowthBytes = 64 << 10

// at returns the bytes from r to the end of its slab.
func (a *arena) at(r ref) []byte { return a.slabs[r>>slabShift][r&slabMask:] }

func (a *arena) load(r ref) uint64 { return binary.LittleEndian.Uint64(a.at(r)) }

func (a *arena) store(r ref, word uint64) { binary.LittleEndian.PutUint64(a.at(r), word) }

// alloc returns the address of n bytes with undefined content, aligned to 8 bytes, or to a cache
// line from alignedFromBytes on.
func (a *arena) alloc(n int) ref {
	n = (n + 7) &^ 7
	if n >= alignedFromBytes {
		pad := int(-a.next & (cacheLineBytes - 1))
		if pad+n <= a.unusedBytes {
			a.next, a.unusedBytes = a.next+ref(pad), a.unusedBytes-pad
		}
	}
	if n > a.unusedBytes {
		return a.allocSlow(n)
	}
	r := a.next
	a.next, a.unusedBytes = r+ref(n), a.unusedBytes-n
	return r
}

// allocSlow is alloc for n bytes that do not fit into unusedBytes. It counts more of the last
// slab, or adds one. If the current slab then has more space left than the new one, allocation
// continues in the current slab.
func (a *arena) allocSlow(n int) ref {
	if len(a.slabs) == 0 {
		s, countedBytes := a.budget.GetGrowing()
		a.slabs, a.countedBytes = append(a.slabs, (*[slab.Bytes]byte)(s)), countedBytes
		a.next, a.unusedBytes = cacheLineBytes, countedBytes-cacheLineBytes
		return a.alloc(n)
	}
	if a.growSlab(n) {
		return a.alloc(n)
	}
	r := ref(len(a.slabs)) << slabShift
	left := a.unusedBytes + slab.Bytes - a.countedBytes // in the current slab, once it is counted whole
	a.budget.Grow(slab.Bytes - a.countedBytes)
	if left > slab.Bytes-n {
		a.slabs = append(a.slabs, (*[slab.Bytes]byte)(a.budget.Get()))
		a.unusedBytes, a.countedBytes = left, slab.Bytes
		return r
	}
	s, countedBytes := a.budget.GetMore()
	a.slabs, a.countedBytes = append(a.slabs, (*[slab.Bytes]byte)(s)), countedBytes
	a.next, a.unusedBytes = r, countedBytes
	return a.alloc(n)
}

// growSlab counts more of the last slab, enough for n bytes and their alignment. It reports
// whether the slab is large enough.
func (a *arena) growSlab(n int) bool {
	needed := a.countedBytes - a.unusedBytes + n + cacheLineBytes
	if needed > slab.Bytes {
		return false
	}
	grown := a.countedBytes
	for grown < needed {
		grown += min(grown, GrowthBytes)
	}
	grown = min(grown, slab.Bytes)
	if grown > slab.Bytes/2 {
		a.budget.Prepare(preparedSlabs)
	}
	a.budget.Grow(grown - a.countedBytes)
	a.unusedBytes += grown - a.countedBytes
	a.countedBytes = grown
	return true
}

// sizeClass returns the class of the smallest blocks that have n bytes or more.
func sizeClass(n int) int {
	return max(0, bits.Len(uint(n-1))-bits.Len(minBlockBytes-1))
}

// allocBlock returns a block of a size class, with undefined content.
func (a *arena) allocBlock(class int) ref {
	r := a.freeBlocks[class]
	if r == 0 {
		return a.alloc(minBlockBytes << class)
	}
	a.freeBlocks[class] = ref(a.load(r))
	return r
}

// freeBlock puts a block on the free list of its size class. Its first word becomes the ref of
// the next free block.
func (a *arena) freeBlock(r ref, class int) {
	a.store(r, uint64(a.freeBlocks[class]))
	a.freeBlocks[class] = r
}

// takenBytes returns the memory taken, in bytes, without the unused steps of GrowthBytes at the
// end of the current slab. A recycled slab is counted whole at once; without the correction the
// tree, which seals tables by this size, would seal a table with such a slab too early.
func (a *arena) takenBytes() int64 {
	if len(a.slabs) == 0 {
		return 0
	}
	left := a.unusedBytes - a.unusedBytes%GrowthBytes
	return int64(len(a.slabs)-1)*slab.Bytes + int64(a.countedBytes-left)
}

// freeSlabs returns all slabs to the budget.
func (a *arena) freeSlabs() {
	for i, s := range a.slabs {
		if i == len(a.slabs)-1 {
			a.budget.PutGrowing(s[:], a.countedBytes)
		} else {
			a.budget.Put(s[:])
		}
	}
	*a = arena{budget: a.budget}
}
