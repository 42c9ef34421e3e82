package lsm

import (
	"context"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/version"
)

// A log that cannot be written, as on a full disk, is never added to again: a later
// write would survive a crash without the one that got lost. All that was
// acknowledged is in memory, so the store goes on by bringing it to the tree:
//
//	a write of the log fails     that write is refused, and those after it
//	the flusher flushes          every run that the log has something of
//	an edit retires the log      its file goes, which makes room
//	a new log begins             an edit names it, and writes go on
//
// Reads go on meanwhile. A crash before the edit leaves the log as it is: it has all
// that was synced, and maybe the first write that was refused, whole. After a failed
// sync nothing is known about what the log has, and the store fails for good.

// loseLog ends the use of the log after an error of it, or of ending the one before,
// and returns the error for the write at hand, which has not happened. The lock is
// held.
func (db *DB) loseLog(err error) error {
	if isFinal(err) {
		return db.failLocked(err)
	}
	db.logs.lost = fmt.Errorf("%w: log: %w", ErrStalled, err)
	db.o.Events.LogFailed(err)
	if err := db.seal(); err != nil {
		return err
	}
	db.logs.end(db.activeRun-1, true)
	db.flushes.want(db.activeRun - 1)
	db.flusher.wake()
	return db.logs.lost
}

// refuse returns the error for a write while there is no log, and wakes the flusher,
// so that the next write may find one. The lock is held.
func (db *DB) refuse() error {
	db.flusher.wake()
	return db.logs.lost
}

// mendLog begins a new log once nothing of the lost one is needed any more.
func (db *DB) mendLog() error {
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
	if err := db.commit(&version.Change{}); err != nil { // names the new one
		return err
	}
	db.lock.Lock()
	defer db.lock.Unlock()
	db.logs.lost = nil
	db.progress.Broadcast()
	return nil
}

// replaceLog begins a log. The lock is not held while it is made; the mutex of the
// manifest is, so that no edit says meanwhile that only later logs are needed.
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

// waitForLog waits until there is a log that takes writes, or it is known that there
// cannot be one now, or the context ends. The lock is held, but not while it waits.
func (db *DB) waitForLog(ctx context.Context) error {
	if db.logs.lost == nil {
		return nil
	}
	defer db.wakeAtEnd(ctx)()
	for db.logs.lost != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := db.status.checkWritable(); err != nil {
			return err
		}
		if db.status.stuck != nil {
			return db.status.stuck
		}
		db.flusher.wake()
		db.progress.Wait()
	}
	return nil
}
