package lsm

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirstate/weir/internal/slab"
)

// Stores of one budget share the half of it that is for memtables: a quarter of the budget for
// active memtables, a quarter for sealed ones.
//
//	active memtables exceed their quarter:   a writer seals the largest one of all stores
//	sealed memtables exceed theirs as well:  the writer waits for a flush of any store
//
// A store whose active memtable has less than leastSharedBytes is not sealed for other stores.
// So a budget for n stores needs at least n × leastSharedBytes for active memtables. For a
// store that does not share its budget, only mustWait limits writes.

// leastSharedBytes is the size below which a store keeps its memtable, even if other stores
// need memory.
const leastSharedBytes = 64 << 10

// budgetShare is the record of one store in its budget.
type budgetShare struct {
	// activeBytes is the size of the active memtable, as last reported. It changes under the
	// lock of the store.
	activeBytes atomic.Int64
	store       sealer // nil for Check, which has no memtable
}

// sealer is a store that can give memory back.
type sealer interface {
	// sealForOthers seals the active memtable, unless another goroutine holds the store's lock,
	// and reports whether it did.
	sealForOthers() bool
}

// countActive records the size of the active memtable and reports whether it has grown. The
// caller holds the lock of the store.
func (b *Budget) countActive(s *budgetShare, now int64) (grown bool) {
	before := s.activeBytes.Load()
	if now == before {
		return false
	}
	s.activeBytes.Store(now)
	b.activeBytes.Add(now - before)
	return now > before
}

// forgetActive ends the counting of a memtable that is no longer active. The caller holds the
// lock of the store.
func (b *Budget) forgetActive(s *budgetShare) { b.activeBytes.Add(-s.activeBytes.Swap(0)) }

// keepWithinBudget seals and waits until the stores of a shared budget respect its limits. The
// caller holds the lock; keepWithinBudget releases it while it waits.
func (db *DB) keepWithinBudget() error {
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
	// The other stores may be busy.
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

// waitForOthers waits until the sealed memtables of all stores take at most this number of
// bytes. The caller holds the lock; waitForOthers releases it while it waits.
func (db *DB) waitForOthers(bytes int64) {
	begun := time.Now()
	db.lock.Unlock()
	db.o.Budget.waitForFlushes(db.ctx, bytes)
	db.lock.Lock()
	db.counters.stalled(time.Since(begun))
	db.o.Events.Stalled(time.Since(begun))
}

// sealAndFlush seals the active memtable and makes it due. The caller holds the lock.
func (db *DB) sealAndFlush() error {
	if err := db.status.checkWritable(); err != nil {
		return err
	}
	if err := db.seal(); err != nil {
		return err
	}
	db.flushes.makeDue(db.activeRun - 1)
	db.flusher.wake()
	return nil
}

// isShared reports whether several stores use the budget.
func (b *Budget) isShared() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.stores) > 1
}

// sealLargest seals the largest active memtable among stores whose lock is free, and reports
// whether it did.
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
	var err error // not returned: this store's failure is no error of the calling store
	defer db.unlockAfterWrite(&err)
	if db.status.closed || db.status.checkWritable() != nil || db.status.flushErr != nil || db.active.Len() == 0 || len(db.versions.Current().Memory) >= maxSealedRuns {
		return false
	}
	err = db.sealAndFlush()
	return err == nil
}

// waitForFlushes waits until the sealed memtables take at most this number of bytes. It stops
// after a second without a flush, because flushes may be impossible, as on a full disk; then no
// writer waits until the next flush has finished.
func (b *Budget) waitForFlushes(ctx context.Context, bytes int64) {
	for {
		b.mu.Lock()
		freed, flushesStuck := b.freed, b.flushesStuck
		b.mu.Unlock()
		if b.sealedBytes.Load() <= bytes || flushesStuck {
			return
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return
		case <-time.After(maxLargeThrottle):
			b.mu.Lock()
			b.flushesStuck = b.freed == freed
			b.mu.Unlock()
		}
	}
}

// shrinkCache evicts blocks until the memtable has room to grow within the budget. The cache
// fills all memory that is free, and when the memtable allocates, the cache cannot evict blocks
// of this store, because the writer holds its lock.
func (db *DB) shrinkCache() {
	b := db.o.Budget
	for range maxShrinks {
		if b.slabs.Used()+slab.Bytes <= b.slabs.Limit() || !b.cache.Shrink(&db.lock) {
			return
		}
	}
}

// maxShrinks limits the slabs that are evicted per call. A writer fills one slab in 16 calls.
const maxShrinks = 2
