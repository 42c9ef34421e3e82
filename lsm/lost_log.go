package lsm

import (
	"context"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/version"
)

// After a write to the log has failed, as on a full disk, the log receives no more records.
// Otherwise a later write could survive a crash although the failed one is lost. Every
// acknowledged write is still in memory, so the store replaces the log:
//
//	a write to the log fails       this write and later ones are refused (ErrStalled)
//	the flusher flushes            every run that has records in the log
//	an edit retires the log        its file is removed, which makes room
//	a new log begins               an edit names it, and writes succeed again
//
// Reads continue all the time. After a crash before the edit, the old log still has every
// synced write, and perhaps the first refused one, complete. After a failed sync the content of
// the log is unknown, and the store accepts no more writes.

// abandonLog handles a failed write to the log, or a failed end of the previous log. It returns
// the error of the current write, which has not happened. The caller holds the lock.
func (db *DB) abandonLog(err error) error {
	if isFinal(err) {
		return db.failLocked(err)
	}
	db.logs.lost = fmt.Errorf("%w: log: %w", ErrStalled, err)
	db.o.Events.LogFailed(err)
	if err := db.seal(); err != nil {
		return err
	}
	db.logs.end(db.activeRun-1, true)
	db.flushes.makeDue(db.activeRun - 1)
	db.flusher.wake()
	return db.logs.lost
}

// logLostError returns the error of a write while no log takes writes. It wakes the flusher, so
// that a later write may succeed. The caller holds the lock.
func (db *DB) logLostError() error {
	db.flusher.wake()
	return db.logs.lost
}

// repairLog begins a new log once every run of the lost log is in the tree.
func (db *DB) repairLog() error {
	db.lock.Lock()
	due := db.logs.lost != nil && db.status.failed == nil && !db.status.closing && len(db.versions.Current().Memory) == 0
	retired, opened := len(db.logs.old) == 0, db.logs.number != 0
	db.lock.Unlock()
	if !due {
		return nil
	}
	if !retired {
		if err := db.commit(&version.Change{}); err != nil {
			return err
		}
	}
	if !opened {
		if err := db.replaceLog(); err != nil {
			return err
		}
	}
	if err := db.commit(&version.Change{}); err != nil { // names the new log
		return err
	}
	db.lock.Lock()
	defer db.lock.Unlock()
	db.logs.lost = nil
	db.progress.Broadcast()
	return nil
}

// replaceLog creates a new log and makes it the current one. It holds the mutex of the
// manifest, so that no edit declares the new log obsolete; it does not hold the lock while it
// creates the file.
func (db *DB) replaceLog() error {
	db.manifest.Lock()
	defer db.manifest.Unlock()
	number := db.newFileNumber()
	w, err := db.logs.create(number)
	if err != nil {
		err = fmt.Errorf("log: %w", err)
		if isFinal(err) {
			return db.fail(err)
		}
		return err
	}
	db.lock.Lock()
	defer db.lock.Unlock()
	return db.logs.use(w, number, db.activeRun)
}

// waitForLog waits until a log takes writes, a flush fails, or the context ends. The caller
// holds the lock; waitForLog releases it while it waits.
func (db *DB) waitForLog(ctx context.Context) error {
	if db.logs.lost == nil {
		return nil
	}
	defer db.broadcastAtEnd(ctx)()
	for db.logs.lost != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := db.status.checkWritable(); err != nil {
			return err
		}
		if db.status.flushErr != nil {
			return db.status.flushErr
		}
		db.flusher.wake()
		db.progress.Wait()
	}
	return nil
}
