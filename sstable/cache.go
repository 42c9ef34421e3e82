package sstable

import (
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/internal/slab"
)

// Cache keeps uncompressed data blocks in memory, for the tables of any number of trees.
//
// Memory comes from a Budget in slabs, and each slab is cut into frames of one size, that of a
// data block. There is no hash table from block to frame: each table has an array of slots,
// one for each of its blocks, with the number of the frame that holds the block (0 for none).
// So a hit costs one array access, and the cache has no lock to take.
//
//	Table.slots   [ 7 ][ 0 ][ 3 ][ 0 ]           slot i: frame of block i
//	                |         |
//	              +-|---------|----------------+
//	Cache  slab 0 | v 7       v 3              |  memory: perSlab frames
//	              | holders: {owner, table, block} for each frame
//	              | heads:   size of the block, and the bit "used"
//	              +----------------------------+
//	                    ^ hand
//
// Eviction is the CLOCK algorithm (Corbató, "A paging experiment with the Multics system",
// 1968): a hit sets the frame's used bit; the hand goes round, clears set bits, and takes the
// first frame whose bit is clear. When the budget has no slab left, one frame is evicted for
// each block that is read.
//
// There is no reference count either. The lock of a tree (CacheLock) guards the frames that
// belong to the tree: a goroutine that holds it may read them, and no other goroutine can
// evict them. The hand takes frames of the tree for which it works, and frames of other trees
// only if TryLock succeeds on their lock. Bytes of a frame are valid until the lock is
// released, with one exception: each CacheLock can pin the frame that was read last
// (CacheLock.Pin), so that a caller of Get may use the value without the lock.
//
// Invariant: if slot i of a table is frame f, the holder of f is {owner of the table, table,
// i}; and vice versa for each holder with a table.
//
// Invariant: a frame is in free if and only if its holder has no owner.
//
// Invariant: a pinned frame is neither evicted nor given back; Shrink skips its slab.
//
// Cost: a hit is two dependent loads and a check of a bit. A miss costs a read of the file,
// and at most maxVisits steps of the hand; if they find no frame, the block is not cached. In
// addition to the blocks, the cache uses 32 bytes for each frame and 4 bytes for each block of
// an open table.
//
// Lock order: one CacheLock, then Cache.mu, then the budget; a second CacheLock only by
// TryLock.
//
// Thread safety: safe for concurrent use. Methods that take a CacheLock require that the
// caller holds it.
type Cache struct {
	budget     *slab.Budget
	frameBytes int
	perSlab    int
	shift      uint // position of the slab's number in a frame number, in bits
	reclaimer  slab.Reclaimer

	// slabs has a fixed length. Elements are written under mu. They are read under mu, or by a
	// caller that owns a frame in the slab.
	slabs []*slabFrames

	limit atomic.Int64 // limit for the number of slabs

	mu        sync.Mutex
	free      []uint32
	hand      int // next frame that the clock hand visits: slab·perSlab + place
	slabHand  int
	slabCount int
}

// slabFrames is a slab that is cut into frames. The number of a frame is 1 + (slab<<shift |
// place).
type slabFrames struct {
	memory  []byte
	heads   []uint32 // size of the block, and usedFlag; guarded by the CacheLock of the holder
	holders []holder
}

// holder is the block that a frame contains.
type holder struct {
	owner *CacheLock // nil: the frame is free; guarded by Cache.mu
	table *Table     // nil: the frame is being filled, or is pinned for a closed table; guarded by owner
	block int        // number of the block in the table; guarded by owner
}

// usedFlag is set in a head when the block is read.
const usedFlag = 1 << 31

// minFrameBytes bounds the memory for heads and holders, which are not in the budget.
const minFrameBytes = 512

// maxVisits bounds the steps of the hand for one block. If they find no frame, the block is
// not cached.
const maxVisits = 1024

// NewCache returns a cache with frames of frameBytes: at least 512 bytes, at most a slab; 0 is
// DefaultBlockBytes. Larger blocks are not cached. End it with Close.
func NewCache(b *Budget, frameBytes int) *Cache {
	if frameBytes == 0 {
		frameBytes = DefaultBlockBytes
	}
	c := &Cache{budget: b, frameBytes: min(max(frameBytes, minFrameBytes), slab.Bytes)}
	c.perSlab = slab.Bytes / c.frameBytes
	c.shift = uint(bits.Len(uint(c.perSlab - 1)))
	most := min(b.Limit()/slab.Bytes, int64(math.MaxUint32>>c.shift))
	c.slabs = make([]*slabFrames, most)
	c.limit.Store(most)
	c.reclaimer.Reclaim = func() bool { return c.Shrink(nil) }
	c.reclaimer.Register(b)
	return c
}

// SetLimit limits the memory of the cache; at least one slab remains. Memory above the limit
// is given back when the budget needs it.
func (c *Cache) SetLimit(bytes int64) {
	c.limit.Store(min(max(bytes/slab.Bytes, 1), int64(len(c.slabs))))
}

// Close gives all memory back to the budget. All tables must be closed.
func (c *Cache) Close() {
	c.reclaimer.Unregister(c.budget)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.slabs {
		if s != nil {
			c.budget.Put(s.memory)
			c.slabs[i] = nil
		}
	}
	c.free, c.slabCount = nil, 0
}

// number returns the number of a frame.
func (c *Cache) number(slab, place int) uint32 { return 1 + (uint32(slab)<<c.shift | uint32(place)) }

// locate returns the slab of a frame and the frame's index in it.
func (c *Cache) locate(frame uint32) (s *slabFrames, place int) {
	frame--
	return c.slabs[frame>>c.shift], int(frame & (1<<c.shift - 1))
}

// hit returns the block in a frame, and sets its used bit.
func (c *Cache) hit(frame uint32) []byte {
	s, place := c.locate(frame)
	head := s.heads[place]
	if head&usedFlag == 0 {
		s.heads[place] = head | usedFlag
	}
	at := place * c.frameBytes
	return s.memory[at : at+int(head&^usedFlag)]
}

// memory returns the whole memory of a frame.
func (c *Cache) memory(frame uint32) []byte {
	s, place := c.locate(frame)
	return s.memory[place*c.frameBytes : (place+1)*c.frameBytes]
}

// assign records which block is in a frame that acquire returned.
func (c *Cache) assign(frame uint32, t *Table, block, rawBytes int) {
	s, place := c.locate(frame)
	s.heads[place] = uint32(rawBytes)
	s.holders[place].table, s.holders[place].block = t, block
}

// move transfers a frame to another table with the same owner.
func (c *Cache) move(frame uint32, t *Table) {
	s, place := c.locate(frame)
	s.holders[place].table = t
}

// acquire returns a frame for an owner whose lock the caller holds; 0 if no frame is
// available.
func (c *Cache) acquire(o *CacheLock) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	frame := c.takeFree()
	if frame == 0 && c.grow() {
		frame = c.takeFree()
	}
	if frame == 0 {
		frame = c.evict(o)
	}
	if frame != 0 {
		s, place := c.locate(frame)
		s.holders[place] = holder{owner: o}
	}
	return frame
}

// release gives back a frame that acquire returned.
func (c *Cache) release(frame uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.markFree(frame)
}

// markFree marks a frame as free. The caller holds mu.
func (c *Cache) markFree(frame uint32) {
	s, place := c.locate(frame)
	s.holders[place] = holder{}
	c.free = append(c.free, frame)
}

// takeFree returns a free frame, 0 if all frames are in use.
func (c *Cache) takeFree() uint32 {
	n := len(c.free)
	if n == 0 {
		return 0
	}
	frame := c.free[n-1]
	c.free = c.free[:n-1]
	return frame
}

// grow takes another slab from the budget, and reports whether it got one.
func (c *Cache) grow() bool {
	if int64(c.slabCount) >= c.limit.Load() {
		return false
	}
	memory := c.budget.TryGet()
	if memory == nil {
		return false
	}
	i := slices.Index(c.slabs, nil)
	c.slabs[i] = &slabFrames{memory, make([]uint32, c.perSlab), make([]holder, c.perSlab)}
	c.slabCount++
	for place := c.perSlab - 1; place >= 0; place-- {
		c.free = append(c.free, c.number(i, place))
	}
	return true
}

// evict turns the clock hand until it finds a frame that was not used since the hand last
// passed it.
func (c *Cache) evict(o *CacheLock) uint32 {
	if c.slabCount == 0 {
		return 0
	}
	for range min(maxVisits, 2*c.slabCount*c.perSlab) {
		if c.hand >= len(c.slabs)*c.perSlab {
			c.hand = 0
		}
		for c.slabs[c.hand/c.perSlab] == nil {
			c.hand = (c.hand/c.perSlab + 1) % len(c.slabs) * c.perSlab
		}
		slab, place := c.hand/c.perSlab, c.hand%c.perSlab
		c.hand++
		if frame := c.number(slab, place); c.tryEvict(frame, o) {
			return frame
		}
	}
	return 0
}

// tryEvict evicts the frame at the hand for owner o, if its lock is available and the frame was
// not used.
func (c *Cache) tryEvict(frame uint32, o *CacheLock) bool {
	s, place := c.locate(frame)
	h := &s.holders[place]
	if h.owner == nil {
		return false
	}
	if h.owner != o {
		if !h.owner.TryLock() {
			return false
		}
		defer h.owner.Unlock()
	}
	if h.table != nil && s.heads[place]&usedFlag != 0 {
		s.heads[place] &^= usedFlag
		return false
	}
	return h.detach(frame)
}

// detach removes a frame from its table, unless the frame is pinned. The caller holds the
// owner's lock.
func (h *holder) detach(frame uint32) bool {
	if h.owner.pinned == frame {
		return false
	}
	if h.table != nil {
		h.table.setSlot(h.block, 0)
		h.table = nil
	}
	return true
}

// dropTable frees all frames of a table that closes. The caller holds the owner's lock. A pinned
// frame stays with its owner; the hand frees it after Unpin.
func (c *Cache) dropTable(t *Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range t.index.count {
		frame := t.slot(i)
		if frame == 0 {
			continue
		}
		s, place := c.locate(frame)
		if s.holders[place].detach(frame) {
			c.markFree(frame)
		} else {
			s.holders[place].table = nil
		}
	}
}

// Shrink gives one slab back to the budget, and reports whether it found one: a slab without
// pinned frames, whose owners' locks are all available. holds is the CacheLock that the caller
// holds, nil for none; bytes of its last Get are invalid afterwards, unless they are pinned.
// The budget calls Shrink as well, without a CacheLock.
func (c *Cache) Shrink(holds *CacheLock) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	var locked []*CacheLock
	defer func() {
		for _, o := range locked {
			o.Unlock()
		}
	}()
	lock := func(o *CacheLock) bool {
		if o == holds || slices.Contains(locked, o) {
			return true
		}
		if !o.TryLock() {
			return false
		}
		locked = append(locked, o)
		return true
	}
	for range len(c.slabs) {
		c.slabHand = (c.slabHand + 1) % len(c.slabs)
		if c.slabs[c.slabHand] != nil && c.freeSlab(c.slabHand, lock) {
			return true
		}
	}
	return false
}

// freeSlab frees slab i if it can lock the owners of all frames and none is pinned. The caller
// releases the locks.
func (c *Cache) freeSlab(i int, lock func(*CacheLock) bool) bool {
	s := c.slabs[i]
	for place := range s.holders {
		h := &s.holders[place]
		if h.owner != nil && (!lock(h.owner) || h.owner.pinned == c.number(i, place)) {
			return false
		}
	}
	for place := range s.holders {
		if h := &s.holders[place]; h.owner != nil {
			h.detach(c.number(i, place))
		}
	}
	c.free = slices.DeleteFunc(c.free, func(frame uint32) bool { return int((frame-1)>>c.shift) == i })
	c.slabs[i] = nil
	c.slabCount--
	c.budget.Put(s.memory)
	return true
}
