package sstable

import (
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/internal/slab"
)

// Cache keeps raw blocks in frames of one size, cut from slabs of a budget: as
// many as the budget gives. When it gives no more, one clock hand goes round and
// evicts what was not used since it passed.
//
// There is no map: a table knows the frames of its blocks (its slots). There is
// no count of references: what a tree has in frames is guarded by the lock of
// the tree. Whoever holds that lock reads its frames and evicts them; a frame of
// another tree is evicted only if its lock is free at that moment.
//
// Locks are taken in this order: one CacheLock, the cache's, the budget's; other
// CacheLocks by TryLock only.
//
// Thread safety: safe for concurrent use, as far as the caller holds the lock of
// the CacheLock that is named.
type Cache struct {
	budget     *slab.Budget
	frameBytes int
	perSlab    int
	shift      uint // of the number of a slab in that of a frame
	reclaimer  slab.Reclaimer

	// slabs is never resized. An element is written under mu, and read under mu
	// or by who has a frame in it.
	slabs []*frames

	most atomic.Int64 // of slabs

	mu        sync.Mutex
	free      []uint32
	hand      int // next to be looked at: slab·perSlab + place
	slabHand  int
	slabCount int
}

// frames are those of a slab. The number of a frame is 1 + (slab<<shift | place).
type frames struct {
	memory  []byte
	heads   []uint32 // size of the block, and whether it was used; guarded by its CacheLock
	holders []holder
}

// holder is whose frame it is.
type holder struct {
	owner *CacheLock // nil: free; guarded by Cache.mu
	table *Table     // nil: being filled, or kept for bytes of a table that is closed; guarded by owner
	block int        // guarded by owner
}

// usedFlag is set in a head when the block is used.
const usedFlag = 1 << 31

// minFrameBytes bounds what there is to say of frames beside the budget.
const minFrameBytes = 512

// maxVisits bounds the way of the hand for one block. If it finds nothing on
// it, the block is not cached.
const maxVisits = 1024

// NewCache returns a cache of frames of at least 512 bytes and at most a slab;
// 0 is DefaultBlockBytes. Larger blocks are not cached. Close ends it.
func NewCache(b *Budget, frameBytes int) *Cache {
	if frameBytes == 0 {
		frameBytes = DefaultBlockBytes
	}
	c := &Cache{budget: b, frameBytes: min(max(frameBytes, minFrameBytes), slab.Bytes)}
	c.perSlab = slab.Bytes / c.frameBytes
	c.shift = uint(bits.Len(uint(c.perSlab - 1)))
	most := min(b.Limit()/slab.Bytes, int64(math.MaxUint32>>c.shift))
	c.slabs = make([]*frames, most)
	c.most.Store(most)
	c.reclaimer.Reclaim = func() bool { return c.Shrink(nil) }
	c.reclaimer.Register(b)
	return c
}

// SetLimit limits the memory of the cache, to a slab at least. What it has beyond that
// goes when others need it.
func (c *Cache) SetLimit(bytes int64) {
	c.most.Store(min(max(bytes/slab.Bytes, 1), int64(len(c.slabs))))
}

// Close gives the memory back. All tables are closed.
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

func (c *Cache) number(slab, place int) uint32 { return 1 + (uint32(slab)<<c.shift | uint32(place)) }

// place is where a frame is.
func (c *Cache) place(frame uint32) (s *frames, place int) {
	frame--
	return c.slabs[frame>>c.shift], int(frame & (1<<c.shift - 1))
}

// hit returns the block in a frame, and notes that it was used.
func (c *Cache) hit(frame uint32) []byte {
	s, place := c.place(frame)
	head := s.heads[place]
	if head&usedFlag == 0 {
		s.heads[place] = head | usedFlag
	}
	at := place * c.frameBytes
	return s.memory[at : at+int(head&^usedFlag)]
}

// memory is all of a frame.
func (c *Cache) memory(frame uint32) []byte {
	s, place := c.place(frame)
	return s.memory[place*c.frameBytes : (place+1)*c.frameBytes]
}

// fill says what is in a frame that acquire returned.
func (c *Cache) fill(frame uint32, t *Table, block, rawBytes int) {
	s, place := c.place(frame)
	s.heads[place] = uint32(rawBytes)
	s.holders[place].table, s.holders[place].block = t, block
}

// move gives a frame to another table of its owner.
func (c *Cache) move(frame uint32, t *Table) {
	s, place := c.place(frame)
	s.holders[place].table = t
}

// acquire returns a frame for the owner, whose lock is held, 0 if there is none.
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
		s, place := c.place(frame)
		s.holders[place] = holder{owner: o}
	}
	return frame
}

// release gives back a frame that acquire returned.
func (c *Cache) release(frame uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.vacate(frame)
}

// vacate makes a frame free. The mutex is held.
func (c *Cache) vacate(frame uint32) {
	s, place := c.place(frame)
	s.holders[place] = holder{}
	c.free = append(c.free, frame)
}

func (c *Cache) takeFree() uint32 {
	n := len(c.free)
	if n == 0 {
		return 0
	}
	frame := c.free[n-1]
	c.free = c.free[:n-1]
	return frame
}

// grow takes a slab of the budget if it has one.
func (c *Cache) grow() bool {
	if int64(c.slabCount) >= c.most.Load() {
		return false
	}
	memory := c.budget.TryGet()
	if memory == nil {
		return false
	}
	i := slices.Index(c.slabs, nil)
	c.slabs[i] = &frames{memory, make([]uint32, c.perSlab), make([]holder, c.perSlab)}
	c.slabCount++
	for place := c.perSlab - 1; place >= 0; place-- {
		c.free = append(c.free, c.number(i, place))
	}
	return true
}

// evict turns the hand until it finds a frame that was not used since it last
// came by.
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
		if frame := c.number(slab, place); c.visit(frame, o) {
			return frame
		}
	}
	return 0
}

// visit evicts a frame if that is possible and it was not used.
func (c *Cache) visit(frame uint32, o *CacheLock) bool {
	s, place := c.place(frame)
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
	return h.clear(frame)
}

// clear takes a frame from its table, if its bytes are not kept. The owner's
// lock is held.
func (h *holder) clear(frame uint32) bool {
	if h.owner.kept == frame {
		return false
	}
	if h.table != nil {
		h.table.setSlot(h.block, 0)
		h.table = nil
	}
	return true
}

// forget takes all frames of a table that is closed. The lock of its owner is
// held. A frame that is kept goes round with the hand until it is dropped.
func (c *Cache) forget(t *Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range t.index.count {
		frame := t.slot(i)
		if frame == 0 {
			continue
		}
		s, place := c.place(frame)
		if s.holders[place].clear(frame) {
			c.vacate(frame)
		} else {
			s.holders[place].table = nil
		}
	}
}

// Shrink empties a slab and gives it back to the budget, if it finds one in
// which no frame is kept or belongs to a CacheLock that is locked by others; holds
// is the one that the caller holds, nil for none. What that one's last
// Get returned is good no longer, unless it is kept. The budget asks for it too,
// without a CacheLock.
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
		if c.slabs[c.slabHand] != nil && c.empty(c.slabHand, lock) {
			return true
		}
	}
	return false
}

// empty gives a slab back if all its frames can be had. The locks that it takes
// are held until the caller releases them.
func (c *Cache) empty(i int, lock func(*CacheLock) bool) bool {
	s := c.slabs[i]
	for place := range s.holders {
		h := &s.holders[place]
		if h.owner != nil && (!lock(h.owner) || h.owner.kept == c.number(i, place)) {
			return false
		}
	}
	for place := range s.holders {
		if h := &s.holders[place]; h.owner != nil {
			h.clear(c.number(i, place))
		}
	}
	c.free = slices.DeleteFunc(c.free, func(frame uint32) bool { return int((frame-1)>>c.shift) == i })
	c.slabs[i] = nil
	c.slabCount--
	c.budget.Put(s.memory)
	return true
}
