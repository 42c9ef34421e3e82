package lsm

import (
	"time"
)

// makeRoom sees to it that the active memtable may take a write of so many bytes.
// It may wait, without the lock.
func (db *DB) makeRoom(bytes int64) error {
	if err := db.slowDown(bytes, maxThrottle); err != nil {
		return err
	}
	if db.o.Budget.countActive(&db.budgetShare, db.active.Bytes()) {
		if err := db.share(); err != nil {
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

// makeRoomForRun sees to it that there may be another run, for a write of so many
// bytes. It may wait, without the lock.
func (db *DB) makeRoomForRun(bytes int64) error {
	err := db.slowDown(bytes, maxLargeThrottle)
	for err == nil && db.mustWait() {
		err = db.waitForFlush()
	}
	return err
}

// waitForFlush waits until something has happened to the runs that are sealed.
func (db *DB) waitForFlush() error {
	if db.status.stuck != nil {
		db.flusher.wake() // so that the next write may find it otherwise
		return db.status.stuck
	}
	begun := time.Now()
	db.flusher.wake()
	db.progress.Wait()
	db.counters.stalled(time.Since(begun))
	db.o.Events.Stalled(time.Since(begun))
	return db.status.checkWritable()
}

// mustWait reports whether sealed memtables take so much that another one does not
// fit in, or runs are so many. Two may always wait, so that one is written while
// the other fills.
func (db *DB) mustWait() bool {
	runs := len(db.versions.Current().Memory)
	return runs >= maxSealedRuns || runs >= 2 && db.versions.Current().MemoryBytes()+db.o.MemtableBytes > db.memtableBudget()
}

// memtableBudget is the part of the budget that is for memtables: half.
func (db *DB) memtableBudget() int64 { return db.o.Budget.Limit() / 2 }

// pressure is from 0, none, to 1. Memtables press in the last quarter of their part
// of the budget: one that fills beside two sealed ones, all of the usual size, does not.
func (db *DB) pressure() float64 {
	memory := float64(db.versions.Current().MemoryBytes()+db.active.Bytes()) / float64(db.memtableBudget())
	runs := float64(len(db.versions.Current().Tree.Levels[0])-slowRuns) / (slowestRuns - slowRuns)
	p := runs
	if len(db.versions.Current().Memory) >= 2 {
		p = max(p, 4*memory-3)
	}
	return min(max(p, 0), 1)
}

// slowDown makes the writer wait as the pressure asks for, but no longer than most.
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
