package lsm

import (
	"errors"
	"io/fs"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/wal"
)

// logEnd is how far a log must be on the disk for a write to have happened for
// good. The zero value is nowhere.
type logEnd struct {
	log *wal.Writer
	end int64
}

// waitForSync waits until the log is so far on the disk. A log that was closed while the
// store is open was synced, or all that was written to it is in the tree.
func (db *DB) waitForSync(e logEnd) error {
	if e.log == nil {
		return nil
	}
	err := e.log.SyncTo(e.end)
	if err == nil {
		return nil
	}
	db.lock.Lock()
	defer db.lock.Unlock()
	switch {
	case !errors.Is(err, fs.ErrClosed):
		return db.failLocked(err)
	case db.status.closed:
		return ErrClosed
	}
	return db.status.failed
}

// logOp notes one operation.
func (db *DB) logOp(kind run.Kind, key, value []byte) (end logEnd, err error) {
	if db.logs.lost != nil {
		return end, db.refuse()
	}
	at, err := db.logs.note(kind, key, value)
	return db.logged(at, err)
}

// logRecord notes operations that are a record already.
func (db *DB) logRecord(record []byte) (end logEnd, err error) {
	if db.logs.lost != nil {
		return end, db.refuse()
	}
	at, err := db.logs.w.Append(record)
	return db.logged(at, err)
}

// logged ends what notes a write, before anything of it happens. Unless the log is
// buffered the record is with the system then: a write that finds no room for it can
// still be refused. The sync is shared by those who wait for it without the lock.
func (db *DB) logged(at int64, err error) (end logEnd, _ error) {
	if err == nil && db.o.Log != LogBuffered {
		err = db.logs.w.Flush()
	}
	if err != nil {
		return end, db.loseLog(err)
	}
	if db.o.Log == LogSynced {
		end = logEnd{db.logs.w, at}
	}
	return end, nil
}

// openLog begins a log with the run that is active. Nothing else goes on.
func (db *DB) openLog() error {
	db.nextFile++
	return db.logs.open(db.nextFile-1, db.activeRun)
}

// rotateLog begins another log if the one there is has become large, and reports whether
// it did. The lock is held.
func (db *DB) rotateLog() (rotated bool, err error) {
	if db.logs.w.Size() < db.o.MemtableBytes {
		return false, nil
	}
	db.nextFile++
	return db.logs.rotate(db.nextFile-1, db.activeRun)
}

// removeLogs removes the logs before the first one that is needed.
func (db *DB) removeLogs(first uint64) {
	db.lock.Lock()
	gone := db.logs.retire(first)
	db.lock.Unlock()
	db.logs.remove(gone)
}

// closeLog ends the log. If all that it has is in the tree it is needed no longer,
// however it ends. If the store is discarded nothing is written.
func (db *DB) closeLog(discard bool) error {
	if db.logs.w == nil {
		return nil
	}
	err := db.logs.close(discard)
	if discard || !db.isComplete() {
		return err
	}
	db.report(err)
	db.lock.Lock()
	if db.logs.number != 0 {
		db.logs.end(db.activeRun-1, false)
	}
	db.lock.Unlock()
	return db.commit(&version.Change{})
}
