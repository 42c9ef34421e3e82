package slab

import (
	"cmp"
	"slices"
	"sync"
)

// Bytes is the size of a slab. Large enough for a call to be rare and small
// enough for a budget of some MiB to have several.
const Bytes = 1 << 20

// FirstBytes is how much of a slab that grows counts at first. It doubles.
const FirstBytes = 16 << 10

// MinBudgetBytes is the least that a budget has.
const MinBudgetBytes = 4 * Bytes

// DefaultBudgetBytes is what a budget has if nothing is said.
const DefaultBudgetBytes = 64 * Bytes

// Budget is an amount of memory. What cannot wait is given beyond it, and
// counted; what can wait is refused.
//
// Thread safety: safe for concurrent use.
type Budget struct {
	limitBytes int64

	mu         sync.Mutex
	usedBytes  int64    // slabs handed out, and regions
	peakBytes  int64    // the most that usedBytes was
	free       [][]byte // slabs that wait, all of them touched
	reclaimers []*Reclaimer
	preparing  bool
	closed     bool
}

// Reclaimer is somebody who can do with less.
type Reclaimer struct {
	// Reclaim gives back one slab or more, by Put, and says whether it did. It
	// is called without a lock of the budget, by whoever needs memory, and must
	// not wait for locks that such a one may hold.
	Reclaim func() bool
}

// NewBudget returns a budget of limitBytes; 0 is DefaultBudgetBytes, and less
// than MinBudgetBytes is that.
func NewBudget(limitBytes int64) *Budget {
	return &Budget{limitBytes: max(cmp.Or(limitBytes, DefaultBudgetBytes), MinBudgetBytes)}
}

// Limit is the size of the budget in bytes.
func (b *Budget) Limit() int64 { return b.limitBytes }

// Used is what is in use, in bytes; it may be more than Limit.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.usedBytes
}

// Peak returns the most that was in use at one time, in bytes.
func (b *Budget) Peak() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peakBytes
}

// Short reports whether the budget has no slab left.
func (b *Budget) Short() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.usedBytes+Bytes > b.limitBytes
}

// use counts bytes that are handed out. The mutex is held.
func (b *Budget) use(bytes int64) {
	b.usedBytes += bytes
	b.peakBytes = max(b.peakBytes, b.usedBytes)
}

// Register lets a budget ask r for memory, until Unregister.
func (r *Reclaimer) Register(b *Budget) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reclaimers = append(b.reclaimers, r)
}

// Unregister ends the effect of Register.
func (r *Reclaimer) Unregister(b *Budget) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reclaimers = slices.DeleteFunc(b.reclaimers, func(other *Reclaimer) bool { return other == r })
}

// TryGet returns a slab with any content, nil if the budget has none left.
func (b *Budget) TryGet() []byte {
	b.mu.Lock()
	if b.usedBytes+Bytes > b.limitBytes {
		b.mu.Unlock()
		return nil
	}
	return b.take()
}

// Get returns a slab with any content. If the budget has none left others are
// asked to give one back, and if they cannot it goes beyond.
func (b *Budget) Get() []byte {
	b.mu.Lock()
	if b.usedBytes+Bytes > b.limitBytes {
		b.mu.Unlock()
		b.reclaim()
		b.mu.Lock()
	}
	return b.take()
}

// GetGrowing returns a slab of which the first counted bytes may be used, with any
// content. Grow counts more of them: what was never touched takes no memory. A store
// that has little so takes little. Many slabs that wait are a reason to hand out a whole
// one, which was touched before.
func (b *Budget) GetGrowing() (s []byte, counted int) {
	b.mu.Lock()
	if len(b.free) > 0 && b.usedBytes+Bytes <= b.limitBytes/2 {
		return b.take(), Bytes
	}
	b.count(FirstBytes)
	return allocate(Bytes), FirstBytes
}

// GetMore is GetGrowing for who has a slab already: one that waits is as good as any.
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

// Take counts bytes of memory that the caller has from elsewhere, such as Go's heap. The
// budget may be exceeded; others are asked to give memory back then.
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

// Grow counts so many bytes more of a slab that grows.
func (b *Budget) Grow(bytes int) {
	b.mu.Lock()
	b.count(int64(bytes))
}

// count counts bytes, for which others make way if need be, and releases the mutex.
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

// surplus takes out the slabs that wait and are beyond the limit. The mutex is held.
func (b *Budget) surplus() (slabs [][]byte) {
	for len(b.free) > 0 && b.usedBytes+int64(len(b.free))*Bytes > b.limitBytes {
		last := len(b.free) - 1
		slabs = append(slabs, b.free[last])
		b.free = b.free[:last]
	}
	return slabs
}

// PutGrowing takes back a slab that GetGrowing returned, of which so many bytes were
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

// take hands out a slab and releases the mutex.
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

// reclaim asks one after the other until one has given something back.
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

// Put takes back a slab that Get or TryGet returned. Nobody may use it any more.
func (b *Budget) Put(s []byte) {
	s = s[:Bytes:Bytes]
	b.mu.Lock()
	b.usedBytes -= Bytes
	keep := !b.closed && b.usedBytes+int64(len(b.free)+1)*Bytes <= b.limitBytes
	if keep {
		b.free = append(b.free, s)
	}
	b.mu.Unlock()
	if !keep {
		release(s)
	}
}

// Prepare sees to it, beside the caller, that some slabs wait that were touched
// before: the first touch of memory takes half a millisecond a slab. It prepares
// no more than the budget has left.
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

func (b *Budget) prepareOne(slabs int) (more bool) {
	b.mu.Lock()
	more = !b.closed && len(b.free) < slabs && b.usedBytes+int64(len(b.free)+1)*Bytes <= b.limitBytes
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
	if !b.closed {
		b.free = append(b.free, s)
		s = nil
	}
	b.mu.Unlock()
	if s != nil {
		release(s)
	}
	return true
}

// Alloc returns a region of zeros that counts against the budget, which it may
// exceed: what is asked for here is needed for a file to be read at all. Slabs
// that wait make way.
func (b *Budget) Alloc(n int) []byte {
	if n == 0 {
		return nil
	}
	b.mu.Lock()
	b.count(int64(n))
	return allocate(n)
}

// Free takes back a region that Alloc returned.
func (b *Budget) Free(region []byte) {
	if len(region) == 0 {
		return
	}
	b.mu.Lock()
	b.usedBytes -= int64(len(region))
	b.mu.Unlock()
	release(region)
}

// Close gives the slabs that wait back to the system, and from then on none waits.
// What is handed out stays good, and may be put back.
func (b *Budget) Close() {
	b.mu.Lock()
	free := b.free
	b.free, b.closed = nil, true
	b.mu.Unlock()
	for _, s := range free {
		release(s)
	}
}
