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

// How a store works inside.
//
// Write path. A writer takes the lock, waits for memory if it must (make_room.go), appends a
// record to the log if there is one, and then changes the active memtable. With LogSynced it
// waits for the fsync after it has released the lock, together with other writers.
//
//	Put(k, v)
//	  ├─ checkSize, checkKey        no lock yet: a bad key changes nothing
//	  ├─ lock
//	  ├─ makeRoom                   sleep (writeThrottle), seal a full memtable, or wait for a flush
//	  ├─ logOp                      record in the log before the change is visible
//	  ├─ active.apply               memtable changed, visible to reads
//	  ├─ updateGaps                 gaps split or extended
//	  ├─ unlock
//	  └─ waitForSync                LogSynced only
//
// Seal turns the active memtable into a sealed run and begins the next one. The flusher writes
// sealed runs to a table of level 0, the compactor merges tables. Each ends in commit, which
// first appends an edit to the manifest and then installs the new version:
//
//	active ──seal──► Version.Memory ──flusher──► Version.Tree.Levels[0] ──compactor──► Levels[1..6]
//
// Read path. A Get asks the active memtable, the sealed runs from newest to oldest, the tables
// of level 0 from newest to oldest, then one table per deeper level. It stops at the first
// entry that decides the value (Set, Delete or a tombstone); Append entries are collected on
// the way.
//
// Cost of a Get: one hash lookup per run in memory, and one filter check per table of level 0 and
// per deeper level. A block is read only if the filter passes. MayHold is this part of a Get alone.
//
// Invariant: Version.Memory holds newer entries than Version.Tree, each ordered newest to
// oldest.
// Invariant: a version never changes. Readers keep one with a reference; see pins.
// Invariant: all runs up to flushedRun are in the tree; runs above it are in memory and, with a
// log, in the logs.
// Invariant: an edit is in the manifest before its version is installed.
//
// Lock order: compactor.running, then the mutex of the manifest, then lock.
//
// I/O under lock: reads of Get and of prefix iterators that miss the cache, the write(2) of the
// log, the rotation of the log (with an fsync), and writes too large for a memtable. Flushes,
// compactions and scans do their I/O without the lock.
//
// Sources: P. O'Neil et al., The Log-Structured Merge-Tree (1996); LevelDB's doc/impl.md.

// DB is an open store in a directory.
//
// All methods take one lock. The store is made for one goroutine that writes, the owner: then
// no other goroutine holds the lock for long. Two goroutines of the store work in the
// background: the flusher and the compactor.
//
// Thread safety: all methods are safe for concurrent use, except Peek, Prefix and Floor, which
// only the owner may call. An iterator belongs to one goroutine.
type DB struct {
	o          Options
	ownsBudget bool
	identity   vfs.Identity
	dir        *directory.Directory // checks the lock file before a file is created or removed, and before an edit
	tables     *version.TableStore
	compaction compaction.Config

	// lock guards the fields below it, down to the next blank line, and the frames of the
	// store's tables in the cache.
	lock        sstable.CacheLock
	versions    version.Set
	active      activeMemtable
	budgetShare budgetShare
	activeRun   uint64
	flushedRun  uint64 // newest run in the tree
	nextFile    uint64
	writes      uint64 // number of writes; tells prefix iterators that their sources are outdated
	gaps        gaps.Gaps
	scratch     readScratch
	pins        pins
	throttle    writeThrottle
	flushes     flushPolicy
	logs        logSet
	status      status
	progress    sync.Cond // signals flushes, commits, failures and the close

	manifest  manifest.Manifest // has its own mutex, taken before lock
	obsolete  obsoleteFiles
	flusher   worker
	compactor compactor
	counters  counters
	panics    *eventPanics

	ctx     context.Context // ends when the store closes
	stop    context.CancelFunc
	workers sync.WaitGroup

	closeDone chan struct{} // closed when Close or Discard has ended
}

// lockOpen takes the lock for an operation. If the store is closed, it returns ErrClosed and
// does not hold the lock.
func (db *DB) lockOpen() error {
	db.lock.Lock()
	if db.status.closed {
		db.lock.Unlock()
		return ErrClosed
	}
	db.lock.Unpin() // ends the validity of the value that Peek returned
	return nil
}

// lockForWrite is lockOpen for writes. It also returns an error if the store accepts no writes.
func (db *DB) lockForWrite() error {
	if err := db.lockOpen(); err != nil {
		return err
	}
	if err := db.status.checkWritable(); err != nil {
		db.lock.Unlock()
		return err
	}
	return nil
}

// stopIfLost fails the store if err is an ErrLockLost: another process may own the directory now,
// because the file LOCK was removed or replaced. It returns err, or the failure of the store. The
// caller does not hold db.lock.
func (db *DB) stopIfLost(err error) error {
	if errors.Is(err, ErrLockLost) {
		return db.fail(err)
	}
	return err
}

// fail puts the store into the failed state because of err: from now on every write returns an
// ErrFailed that wraps err. Reads still work. Only the first failure is kept; fail returns it.
func (db *DB) fail(err error) error {
	db.lock.Lock()
	defer db.lock.Unlock()
	return db.failLocked(err)
}

// failLocked is fail for callers that hold the lock.
func (db *DB) failLocked(err error) error {
	if db.status.failed == nil {
		db.status.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		db.o.Events.Failed(db.status.failed)
		db.progress.Broadcast()
	}
	return db.status.failed
}

// newFileNumber returns the next file number.
func (db *DB) newFileNumber() uint64 {
	db.lock.Lock()
	defer db.lock.Unlock()
	db.nextFile++
	return db.nextFile - 1
}

// Close flushes the memtables to tables and closes the store. If the store has failed, Close
// flushes nothing and returns the failure. If the flush fails, Close returns its error. With
// LogOff or LogBuffered, both errors tell which writes are lost.
//
// If views or iterators are open, Close returns ErrOpen with the places where they were opened. An
// iterator of Prefix counts once it has found a table or memtable to read. The store is closed
// nevertheless, and calls of these views and iterators return ErrClosed. A second Close waits for
// the first one and returns nil, because the first one has returned all errors.
func (db *DB) Close() error { return db.close(false) }

// Discard closes the store without writing. Entries that are in no table and no log are lost,
// as in a crash. It is meant for a store whose directory is removed next, and works on a full
// disk and after ErrFailed.
func (db *DB) Discard() error { return db.close(true) }

// close closes the store. With discard it writes nothing.
func (db *DB) close(discard bool) error {
	db.lock.Lock()
	if db.status.closing {
		db.lock.Unlock()
		<-db.closeDone
		return nil
	}
	defer close(db.closeDone)
	db.lock.Unpin()          // ends the validity of the value that Peek returned
	db.status.closing = true // before the last seal, so that no write follows it
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
	db.status.isClosed.Store(true)
	db.progress.Broadcast()
	db.lock.Unlock()

	db.stop()
	db.workers.Wait()
	db.compactor.running.Lock() // waits for a Compact under way
	defer db.compactor.running.Unlock()
	return errors.Join(db.lostByClose(err), left, db.release(discard), db.panics.err())
}

// lostByClose adds a description of the lost writes to err, the error of the last flush or the
// failure of the store.
func (db *DB) lostByClose(err error) error {
	switch {
	case err == nil || db.o.Log >= LogWritten: // the log has the writes
		return err
	case db.o.Log == LogBuffered:
		return fmt.Errorf("writes in no table and not yet in the log are lost: %w", err)
	}
	return fmt.Errorf("unflushed writes are lost: %w", err)
}

// release closes the log, the manifest and the files, frees the memory and unlocks the directory.
// The workers have ended. With discard, or if the lock of the directory is lost, release writes
// nothing to the log and the manifest.
//
// Other goroutines may still use open scans and prefix iterators. Each keeps its version pinned,
// with the memory and files of the version, until the iterator is closed. If any is open, the last
// one to close also removes the store from its budget.
func (db *DB) release(discard bool) (err error) {
	lost := db.dir.Check()
	discard = discard || lost != nil
	err = db.closeLog(discard)
	complete := err == nil && db.isComplete()
	err = errors.Join(lost, err)
	db.lock.Lock()
	unflushed := db.versions.Current().Memory
	db.lock.Unlock()
	db.closeSources(unflushed)
	db.lock.Lock()
	for v := range db.pins.views {
		v.abandon()
	}
	db.o.Budget.forgetActive(&db.budgetShare)
	err = errors.Join(err, releaseTable(db.active.Table))
	db.lock.Unlock()
	db.obsolete.keepFiles() // tables of the tree: close them, keep their files
	db.lock.Lock()
	db.versions.Unref(db.versions.Current())
	db.gaps.Clear()
	db.status.released = true
	unused := len(db.pins.walks) == 0
	db.lock.Unlock()
	err = errors.Join(err, db.obsolete.close(), db.closeManifest(discard, complete))
	if unused {
		err = errors.Join(err, db.releaseBudget())
	}
	return errors.Join(err, db.dir.Close())
}

// isComplete reports whether every write is in the tree and the store has not failed. Then the log
// is not needed any more, and the manifest can be closed with an end frame (closeManifest).
func (db *DB) isComplete() bool {
	db.lock.Lock()
	defer db.lock.Unlock()
	return db.status.failed == nil && db.isFlushed()
}

// report passes an error that does no harm to Events.LeftBehind.
func (db *DB) report(err error) { db.o.Events.report(err) }
