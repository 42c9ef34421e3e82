package lsm

import (
	"time"
)

// makeRoom makes the active memtable ready for a write of the given size: it throttles the
// writer, seals a full memtable, and waits for flushes if memory is full. It releases the lock
// while it waits.
func (db *DB) makeRoom(bytes int64) error {
	if err := db.slowDown(bytes, maxThrottle); err != nil {
		return err
	}
	if db.o.Budget.countActive(&db.budgetShare, db.active.Bytes()) {
		if err := db.keepWithinBudget(); err != nil {
			return err
		}
	}
	for {
		full := db.active.isFull(db.o.MemtableBytes)
		switch {
		case !full && (db.active.Len() > 0 || !db.mustWait()):
			return nil
		case full && !db.mustWait():
			return db.seal()
		}
		if err := db.waitForFlush(); err != nil {
			return err
		}
	}
}

// makeRoomForRun waits until another sealed run is allowed, for a large write of the given
// size. It releases the lock while it waits.
func (db *DB) makeRoomForRun(bytes int64) error {
	err := db.slowDown(bytes, maxLargeThrottle)
	for err == nil && db.mustWait() {
		err = db.waitForFlush()
	}
	return err
}

// waitForFlush waits until a flush, a failure or a close changes the sealed runs. If the last
// flush failed, it returns that error at once.
func (db *DB) waitForFlush() error {
	if db.status.flushErr != nil {
		db.flusher.wake() // retry, so that a later write may succeed
		return db.status.flushErr
	}
	begun := time.Now()
	db.flusher.wake()
	db.progress.Wait()
	db.counters.stalled(time.Since(begun))
	db.o.Events.Stalled(time.Since(begun))
	return db.status.checkWritable()
}

// mustWait reports whether another sealed memtable would exceed the memory for memtables, or
// the sealed runs are too many. Two sealed runs are always allowed: one is flushed while the
// other waits.
func (db *DB) mustWait() bool {
	runs := len(db.versions.Current().Memory)
	return runs >= maxSealedRuns || runs >= 2 && db.versions.Current().MemoryBytes()+db.o.MemtableBytes > db.memtableBudget()
}

// memtableBudget returns the part of the budget for memtables: half.
func (db *DB) memtableBudget() int64 { return db.o.Budget.Limit() / 2 }

// pressure returns how far the workers lag, from 0 to 1: see writeThrottle. Memtables count
// only when they fill the last quarter of their part of the budget. Two sealed memtables and an
// active one of the default size stay below it.
func (db *DB) pressure() float64 {
	memory := float64(db.versions.Current().MemoryBytes()+db.active.Bytes()) / float64(db.memtableBudget())
	runs := float64(len(db.versions.Current().Tree.Levels[0])-slowRuns) / (slowestRuns - slowRuns)
	p := runs
	if len(db.versions.Current().Memory) >= 2 {
		p = max(p, 4*memory-3)
	}
	return min(max(p, 0), 1)
}

// slowDown makes the writer sleep as long as the throttle demands, at most `most`.
func (db *DB) slowDown(bytes int64, most time.Duration) error {
	if !db.throttle.isDue(bytes) {
		return nil
	}
	db.shrinkCache()
	wait := db.throttle.wait(db.pressure(), most)
	if wait == 0 {
		return nil
	}
	db.lock.Unlock()
	time.Sleep(wait)
	db.lock.Lock()
	db.counters.slowed(wait)
	return db.status.checkWritable()
}
