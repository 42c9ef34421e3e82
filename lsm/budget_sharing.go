package lsm

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirstate/weir/internal/slab"
)

// Stores of one budget share its memory as they need it. The half of the budget that is
// for memtables is divided in two: a quarter for the active ones, a quarter for those
// that are being flushed.
//
//	active memtables of all stores above a quarter:  the largest is sealed, and flushed
//	sealed ones above a quarter as well:             the writer waits for a flush
//
// A store that has less than leastSharedBytes is left alone, so that the budget's floor
// grows by that for each store. A store that has the budget to itself goes by the rules
// of mustWait alone.

// leastSharedBytes is the most that a store keeps whatever others need.
const leastSharedBytes = 64 << 10

// budgetShare is what a budget knows of a store.
type budgetShare struct {
	// activeBytes is what the active memtable takes, as far as the budget was told. It
	// changes under the lock of the store.
	activeBytes atomic.Int64
	store       sealer // nil for one that is only read
}

// sealer is a store that a budget may ask for memory.
type sealer interface {
	// sealForOthers seals the active memtable unless the store is at work, and reports
	// whether it did.
	sealForOthers() bool
}

// countActive takes down what the active memtable takes, and reports whether it has grown.
// The lock of the store is held.
func (b *Budget) countActive(s *budgetShare, now int64) (grown bool) {
	before := s.activeBytes.Load()
	if now == before {
		return false
	}
	s.activeBytes.Store(now)
	b.activeBytes.Add(now - before)
	return now > before
}

// forgetActive ends what countActive has counted, of a memtable that is active no more.
// The lock of the store is held.
func (b *Budget) forgetActive(s *budgetShare) { b.activeBytes.Add(-s.activeBytes.Swap(0)) }

// share sees to it that the stores of the budget keep within it. The lock is held, but
// not while it waits.
func (db *DB) share() error {
	b := db.o.Budget
	db.shrinkCache()
	quarter := b.Limit() / 4
	active := b.activeBytes.Load() > quarter
	if !active && b.sealedBytes.Load() <= quarter || !b.isShared() {
		return nil
	}
	if active {
		db.lock.Unlock()
		for b.activeBytes.Load() > quarter && b.sealLargest() {
		}
		db.lock.Lock()
	}
	// The others may be at work just now.
	if b.activeBytes.Load() > quarter && db.budgetShare.activeBytes.Load() >= b.leastShared {
		if err := db.sealAndFlush(); err != nil {
			return err
		}
	}
	if b.sealedBytes.Load() > quarter {
		db.waitForOthers(quarter)
	}
	return db.status.checkWritable()
}

// waitForOthers waits until the sealed memtables of all stores take no more than so many
// bytes. The lock is held, but not while it waits.
func (db *DB) waitForOthers(bytes int64) {
	begun := time.Now()
	db.lock.Unlock()
	db.o.Budget.waitForFlushes(db.ctx, bytes)
	db.lock.Lock()
	db.counters.stalled(time.Since(begun))
	db.o.Events.Stalled(time.Since(begun))
}

// sealAndFlush seals the active memtable, to be flushed at once. The lock is held.
func (db *DB) sealAndFlush() error {
	if err := db.status.checkWritable(); err != nil {
		return err
	}
	if err := db.seal(); err != nil {
		return err
	}
	db.flushes.want(db.activeRun - 1)
	db.flusher.wake()
	return nil
}

// isShared reports whether several stores have the budget.
func (b *Budget) isShared() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.stores) > 1
}

// sealLargest seals the largest active memtable of which the store is not at work, and
// reports whether it did.
func (b *Budget) sealLargest() bool {
	b.mu.Lock()
	stores := slices.Clone(b.stores)
	b.mu.Unlock()
	slices.SortFunc(stores, func(x, y *budgetShare) int {
		return cmp.Compare(y.activeBytes.Load(), x.activeBytes.Load())
	})
	for _, s := range stores {
		if s.activeBytes.Load() < b.leastShared {
			return false
		}
		if s.store != nil && s.store.sealForOthers() {
			return true
		}
	}
	return false
}

// sealForOthers implements sealer.
func (db *DB) sealForOthers() (sealed bool) {
	if !db.lock.TryLock() {
		return false
	}
	var err error // the store's own: it has failed then
	defer db.leaveWrite(&err)
	if db.status.closed || db.status.checkWritable() != nil || db.status.stuck != nil || db.active.Len() == 0 || len(db.versions.Current().Memory) >= maxSealedRuns {
		return false
	}
	err = db.sealAndFlush()
	return err == nil
}

// waitForFlushes waits until sealed memtables take no more than so many bytes. It stops
// when none was flushed for a second: it may be that none can be, as on a full disk. Then
// nobody waits again until one was.
func (b *Budget) waitForFlushes(ctx context.Context, bytes int64) {
	for {
		b.mu.Lock()
		freed, inVain := b.freed, b.inVain
		b.mu.Unlock()
		if b.sealedBytes.Load() <= bytes || inVain {
			return
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return
		case <-time.After(maxLargeThrottle):
			b.mu.Lock()
			b.inVain = b.freed == freed
			b.mu.Unlock()
		}
	}
}

// slots bounds how many do something at the same time.
type slots chan struct{}

// jobsAtATime bounds flushes, and compactions, of all stores of a budget. Each has some
// MiB of buffers.
const jobsAtATime = 4

// take waits for a slot until the context ends.
func (s slots) take(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ErrClosed
	}
}

// give gives a slot back.
func (s slots) give() { <-s }

// shrinkCache takes memory from the cache for the memtable to grow into. The cache
// takes what the budget has, and when the memtable asks for more its own store's
// lock is held, so that nobody could evict.
func (db *DB) shrinkCache() {
	b := db.o.Budget
	for range maxShrinks {
		if b.slabs.Used()+slab.Bytes <= b.slabs.Limit() || !b.cache.Shrink(&db.lock) {
			return
		}
	}
}

// maxShrinks bounds how many slabs are taken back at a time: one is written
// to in 16 payments.
const maxShrinks = 2
