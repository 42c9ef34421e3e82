package slab

import (
	"cmp"
	"slices"
	"sync"
)

// Bytes is the size of a slab. It is large enough that allocations are rare, and small enough
// that a budget of a few MiB has several slabs.
const Bytes = 1 << 20

// FirstBytes is the part of a growing slab that counts against the budget at first. The owner
// doubles it with Grow.
const FirstBytes = 16 << 10

// MinBudgetBytes is the smallest limit of a budget.
const MinBudgetBytes = 4 * Bytes

// DefaultBudgetBytes is the limit of a budget if the user sets none.
const DefaultBudgetBytes = 64 * Bytes

// Budget hands out memory outside Go's heap and counts it against one limit.
//
// Problem: memtables and cached blocks take most of a process's memory. On Go's heap the
// collector would let it grow to about twice its live size, and the limit would be a wish.
// Several stores share one process, so the limit must hold for all of them together.
//
// Idea: slabs of one size, allocated by mmap and recycled through a free list, so that they
// fit every user and never fragment. Two kinds of callers: those that can do without (the
// block cache) call TryGet and get nil at the limit; those that cannot (a memtable that must
// take a write, the index of a table that a read needs) are served beyond the limit, after
// the registered reclaimers were asked, one after the other, to put a slab back.
//
//	     limitBytes
//	|<------------------------------------------->|
//	[ slabs in use | regions | growing | free list ]      Put keeps a slab while it fits
//	|<------- usedBytes ------------->|                   Prepare fills the free list
//
//	TryGet: nil if usedBytes + 1 MiB > limit      (cache)
//	Get, GetGrowing, Alloc: reclaim, then beyond  (memtables, indexes)
//
// A growing slab is reserved whole, but only the part in use counts (FirstBytes, doubled by
// Grow): the system backs only touched pages with memory, so a store with little data takes
// little. Touching a fresh slab takes half a millisecond of page faults; Prepare does that
// ahead of time in a goroutine.
//
// Invariant: usedBytes + free slabs ≤ limitBytes, or the free list is empty.
//
// Invariant: every slab on the free list was touched.
//
// Invariant: reclaimers are called without a lock of the budget.
//
// Invariant: after Close the free list stays empty; slabs in use stay valid.
//
// Cost: one mutex per call, no allocation on Go's heap besides the free list.
//
// Thread safety: safe for concurrent use.
type Budget struct {
	limitBytes int64

	mu         sync.Mutex
	usedBytes  int64    // slabs and regions in use, the counted part of growing slabs, and Take
	peakBytes  int64    // the maximum of usedBytes so far
	free       [][]byte // slabs that nobody uses
	reclaimers []*Reclaimer
	preparing  bool // a goroutine of Prepare runs
	closed     bool
}

// Reclaimer is a user of a budget that can give memory back.
type Reclaimer struct {
	// Reclaim puts back at least one slab and reports whether it did. The goroutine that
	// needs memory calls it, without a lock of the budget. It must not wait for a lock that
	// such a goroutine may hold.
	Reclaim func() bool
}

// NewBudget returns a budget with a limit in bytes. 0 means DefaultBudgetBytes; a smaller limit
// than MinBudgetBytes is raised to it.
func NewBudget(limitBytes int64) *Budget {
	return &Budget{limitBytes: max(cmp.Or(limitBytes, DefaultBudgetBytes), MinBudgetBytes)}
}

// Limit returns the limit in bytes.
func (b *Budget) Limit() int64 { return b.limitBytes }

// Used returns the number of bytes in use. It may exceed Limit.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.usedBytes
}

// Peak returns the maximum of Used so far, in bytes.
func (b *Budget) Peak() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peakBytes
}

// Short reports whether one more slab would exceed the limit.
func (b *Budget) Short() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.usedBytes+Bytes > b.limitBytes
}

// use adds bytes to usedBytes. The caller holds the mutex.
func (b *Budget) use(bytes int64) {
	b.usedBytes += bytes
	b.peakBytes = max(b.peakBytes, b.usedBytes)
}

// Register adds r to the reclaimers that the budget asks for memory, until Unregister.
func (r *Reclaimer) Register(b *Budget) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reclaimers = append(b.reclaimers, r)
}

// Unregister removes r from the budget's reclaimers.
func (r *Reclaimer) Unregister(b *Budget) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reclaimers = slices.DeleteFunc(b.reclaimers, func(other *Reclaimer) bool { return other == r })
}

// TryGet returns a slab, or nil if it would exceed the limit. The slab's content is undefined.
func (b *Budget) TryGet() []byte {
	b.mu.Lock()
	if b.usedBytes+Bytes > b.limitBytes {
		b.mu.Unlock()
		return nil
	}
	return b.take()
}

// Get returns a slab. At the limit it asks the reclaimers to put one back; if none can, it
// exceeds the limit. The slab's content is undefined.
func (b *Budget) Get() []byte {
	b.mu.Lock()
	if b.usedBytes+Bytes > b.limitBytes {
		b.mu.Unlock()
		b.reclaim()
		b.mu.Lock()
	}
	return b.take()
}

// GetGrowing returns the first slab of a user, and how many of its bytes count against the
// budget. The caller may use only those, and calls Grow before it uses more: the system backs
// untouched pages with no memory, so a store with little data takes little. If at most half of
// the budget is in use and a slab is free, GetGrowing returns that one and counts it whole,
// since it was touched before. The slab's content is undefined.
func (b *Budget) GetGrowing() (s []byte, counted int) {
	b.mu.Lock()
	if len(b.free) > 0 && b.usedBytes+Bytes <= b.limitBytes/2 {
		return b.take(), Bytes
	}
	b.count(FirstBytes)
	return allocate(Bytes), FirstBytes
}

// GetMore is GetGrowing for a user that has a slab already. It prefers a free slab, and counts
// FirstBytes of it.
func (b *Budget) GetMore() (s []byte, counted int) {
	b.mu.Lock()
	if n := len(b.free); n > 0 {
		s = b.free[n-1]
		b.free = b.free[:n-1]
	}
	b.count(FirstBytes)
	if s == nil {
		s = allocate(Bytes)
	}
	return s, FirstBytes
}

// Take counts bytes that the caller has allocated elsewhere, such as on Go's heap. If that
// exceeds the limit, Take asks the reclaimers to give memory back.
func (b *Budget) Take(bytes int64) {
	b.mu.Lock()
	b.count(bytes)
}

// Give subtracts bytes that Take has counted.
func (b *Budget) Give(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.usedBytes -= bytes
}

// Grow counts more bytes of a growing slab.
func (b *Budget) Grow(bytes int) {
	b.mu.Lock()
	b.count(int64(bytes))
}

// count adds bytes to usedBytes, frees slabs of the free list that no longer fit, and asks the
// reclaimers if the limit is exceeded. The caller holds the mutex; count unlocks it.
func (b *Budget) count(bytes int64) {
	b.use(bytes)
	short := b.usedBytes > b.limitBytes
	surplus := b.surplus()
	b.mu.Unlock()
	for _, s := range surplus {
		release(s)
	}
	if short {
		b.reclaim()
	}
}

// surplus removes slabs from the free list until it fits the limit, and returns them. The
// caller holds the mutex.
func (b *Budget) surplus() (slabs [][]byte) {
	for len(b.free) > 0 && b.usedBytes+int64(len(b.free))*Bytes > b.limitBytes {
		last := len(b.free) - 1
		slabs = append(slabs, b.free[last])
		b.free = b.free[:last]
	}
	return slabs
}

// PutGrowing takes back a slab of GetGrowing or GetMore, with the number of its bytes that were
// counted.
func (b *Budget) PutGrowing(s []byte, counted int) {
	if counted == Bytes {
		b.Put(s)
		return
	}
	b.mu.Lock()
	b.usedBytes -= int64(counted)
	b.mu.Unlock()
	release(s[:Bytes:Bytes])
}

// take counts and returns a slab. The caller holds the mutex; take unlocks it.
func (b *Budget) take() []byte {
	b.use(Bytes)
	if n := len(b.free); n > 0 {
		s := b.free[n-1]
		b.free = b.free[:n-1]
		b.mu.Unlock()
		return s
	}
	b.mu.Unlock()
	return allocate(Bytes)
}

// reclaim calls the reclaimers one after the other until one has put something back.
func (b *Budget) reclaim() {
	b.mu.Lock()
	all := slices.Clone(b.reclaimers)
	b.mu.Unlock()
	for _, r := range all {
		if r.Reclaim() {
			return
		}
	}
}

// Put takes back a slab of Get or TryGet. The caller must not use the slab afterwards.
func (b *Budget) Put(s []byte) {
	s = s[:Bytes:Bytes]
	b.mu.Lock()
	b.usedBytes -= Bytes
	b.recycle(s)
}

// recycle adds s to the free list, or frees s if the list is full or closed. The caller holds
// the mutex; recycle unlocks it.
func (b *Budget) recycle(s []byte) {
	keep := b.hasRoom()
	if keep {
		b.free = append(b.free, s)
	}
	b.mu.Unlock()
	if !keep {
		release(s)
	}
}

// hasRoom reports whether the free list may get one more slab. The caller holds the mutex.
func (b *Budget) hasRoom() bool {
	return !b.closed && b.usedBytes+int64(len(b.free)+1)*Bytes <= b.limitBytes
}

// Prepare fills the free list up to a number of slabs, in a goroutine, and touches each page of
// them: page faults take half a millisecond per slab. It stays within the limit.
func (b *Budget) Prepare(slabs int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.preparing || len(b.free) >= slabs {
		return
	}
	b.preparing = true
	go func() {
		for b.prepareOne(slabs) {
		}
	}()
}

// prepareOne adds a slab to the free list and reports whether it must be called again.
func (b *Budget) prepareOne(slabs int) (more bool) {
	b.mu.Lock()
	more = len(b.free) < slabs && b.hasRoom()
	b.preparing = more
	b.mu.Unlock()
	if !more {
		return false
	}
	s := allocate(Bytes)
	for i := 0; i < len(s); i += 4096 {
		s[i] = 0
	}
	b.mu.Lock()
	b.recycle(s) // other goroutines may have taken the memory while this one touched s
	return true
}

// Alloc returns a region of n zero bytes. It may exceed the limit, because no file can be read
// without the region. Slabs of the free list that no longer fit are freed.
func (b *Budget) Alloc(n int) []byte {
	if n == 0 {
		return nil
	}
	b.mu.Lock()
	b.count(int64(n))
	return allocate(n)
}

// Free takes back a region of Alloc.
func (b *Budget) Free(region []byte) {
	if len(region) == 0 {
		return
	}
	b.mu.Lock()
	b.usedBytes -= int64(len(region))
	b.mu.Unlock()
	release(region)
}

// Close frees the slabs of the free list. Slabs in use stay valid and may be put back; they are
// freed then.
func (b *Budget) Close() {
	b.mu.Lock()
	free := b.free
	b.free, b.closed = nil, true
	b.mu.Unlock()
	for _, s := range free {
		release(s)
	}
}
