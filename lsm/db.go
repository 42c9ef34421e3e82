package lsm

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/weirstate/weir/lsm/internal/compaction"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/gaps"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
)

// DB is a store in a directory. It wires the rooms below it together; a concern with
// fields of its own is a type, which says its lock.
//
// It has one owner, the goroutine that writes; its lock is then never waited for.
// Two goroutines of the store's own work beside it: one flushes, one compacts.
//
// Thread safety: all methods are safe for concurrent use, but for Peek, Prefix
// and Floor, which are the owner's. An iterator belongs to one goroutine.
type DB struct {
	o          Options
	ownsBudget bool
	identity   vfs.Identity
	dir        *directory.Directory // checked before a file is made or removed, and before an edit
	tables     *version.TableStore
	compaction compaction.Config

	// lock is the lock of the store, which guards what follows down to the
	// next blank line, and the frames of its tables in the cache.
	lock        sstable.CacheLock
	versions    version.Set
	active      activeMemtable
	budgetShare budgetShare
	activeRun   uint64
	flushedRun  uint64 // newest run in the tree
	nextFile    uint64
	writes      uint64 // counts them, for iterators
	gaps        gaps.Gaps
	scratch     readScratch
	pins        pins
	throttle    writeThrottle
	flushes     flushPolicy
	logs        logSet
	status      status
	progress    sync.Cond // flushes, compactions and failures

	manifest  manifest.Manifest // has a mutex, taken before the lock of the store
	obsolete  obsoleteFiles
	flusher   worker
	compactor compactor
	counters  counters
	panics    *eventPanics

	ctx     context.Context // ends with the store
	stop    context.CancelFunc
	workers sync.WaitGroup
}

// enter takes the lock for an operation. It is released if there is an error.
func (db *DB) enter() error {
	db.lock.Lock()
	if db.status.closed {
		db.lock.Unlock()
		return ErrClosed
	}
	db.lock.Unpin() // what Peek has returned is good no longer
	return nil
}

// enterToWrite is enter for writes.
func (db *DB) enterToWrite() error {
	if err := db.enter(); err != nil {
		return err
	}
	if err := db.status.checkWritable(); err != nil {
		db.lock.Unlock()
		return err
	}
	return nil
}

// stopIfLost makes it final that the lock of the directory is lost. The lock of the
// store is not held.
func (db *DB) stopIfLost(err error) error {
	if errors.Is(err, ErrLockLost) {
		return db.fail(err)
	}
	return err
}

// fail makes an error final: the store writes nothing any more.
func (db *DB) fail(err error) error {
	db.lock.Lock()
	defer db.lock.Unlock()
	return db.failLocked(err)
}

func (db *DB) failLocked(err error) error {
	if db.status.failed == nil {
		db.status.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		db.o.Events.Failed(db.status.failed)
		db.progress.Broadcast()
	}
	return db.status.failed
}

// newFileNumber gives out a number.
func (db *DB) newFileNumber() uint64 {
	db.lock.Lock()
	defer db.lock.Unlock()
	db.nextFile++
	return db.nextFile - 1
}

// Close brings what is in memory to the disk and closes the store. Views and
// iterators that are open make it ErrOpen, with the places where they were
// opened; the store is closed all the same, and they are ErrClosed from then on.
// A second Close returns nil: the first one has said what was lost.
func (db *DB) Close() error { return db.close(false) }

// Discard closes the store as Close does but writes nothing: what no table and no log
// has yet is lost, as in a crash. It is for a store whose directory is removed next, and
// works on a full disk and after ErrFailed.
func (db *DB) Discard() error { return db.close(true) }

// close closes the store. If it is discarded, nothing more is written.
func (db *DB) close(discard bool) error {
	if err := db.enter(); err != nil {
		return nil // it is closed
	}
	if db.status.closing {
		db.lock.Unlock()
		return nil
	}
	db.status.closing = true // before the last seal, so that no write comes after it
	left := db.pins.leftOpen()
	var err error
	if !discard {
		if err = db.status.failed; err == nil {
			if err = db.guard(func() error { return db.flushAll(context.Background()) }); isPanic(err) {
				err = db.failLocked(err)
			}
		}
	}
	db.status.closed = true
	db.status.shut.Store(true)
	db.progress.Broadcast()
	db.lock.Unlock()

	db.stop()
	db.workers.Wait()
	db.compactor.running.Lock() // a Compact may be under way
	defer db.compactor.running.Unlock()
	return errors.Join(db.lostByClose(err), left, db.release(discard), db.panics.err())
}

// lostByClose says which writes are lost when a close could not flush them.
func (db *DB) lostByClose(err error) error {
	switch {
	case err == nil || db.o.Log >= LogWritten: // the log has them
		return err
	case db.o.Log == LogBuffered:
		return fmt.Errorf("writes that are in no table and not in the log are lost: %w", err)
	}
	return fmt.Errorf("writes that were in memory only are lost: %w", err)
}

// release gives everything back. Nothing else goes on. If the store is discarded, the
// log and the manifest end as they are; so they do if the lock is lost.
func (db *DB) release(discard bool) (err error) {
	lost := db.dir.Check()
	discard = discard || lost != nil
	err = db.closeLog(discard)
	complete := err == nil && db.isComplete()
	err = errors.Join(lost, err)
	db.lock.Lock()
	for v := range db.pins.views {
		v.abandon()
	}
	// Iterators that are open may be in use by others: what they pin stays until
	// they are closed.
	db.o.Budget.forgetActive(&db.budgetShare)
	err = errors.Join(err, releaseTable(db.active.Table))
	db.lock.Unlock()
	db.obsolete.keepFiles() // from here on they are those of the tree
	db.lock.Lock()
	db.versions.Unref(db.versions.Current())
	db.gaps.Clear()
	db.status.released = true
	unused := len(db.pins.walks) == 0
	db.lock.Unlock()
	err = errors.Join(err, db.obsolete.close(), db.closeManifest(discard, complete))
	if unused {
		err = errors.Join(err, db.letGoOfBudget())
	}
	return errors.Join(err, db.dir.Close())
}

// isComplete reports whether all that was written is in the tree, and nothing has
// failed for good.
func (db *DB) isComplete() bool {
	db.lock.Lock()
	defer db.lock.Unlock()
	return db.status.failed == nil && db.isStill()
}

// report tells of an error that harms nobody.
func (db *DB) report(err error) { db.o.Events.report(err) }
