package lsm

import (
	"errors"
	"io/fs"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/wal"
)

// logEnd is the position up to which a log must be on the disk before a write is durable. The
// zero value needs no sync.
type logEnd struct {
	log *wal.Writer
	end int64
}

// waitForSync syncs the log up to e. A log that is closed while the store is open needs no
// sync: it was synced, or its writes are in the tree.
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

// logOp writes one operation to the log.
func (db *DB) logOp(kind run.Kind, key, value []byte) (end logEnd, err error) {
	if db.logs.lost != nil {
		return end, db.logLostError()
	}
	at, err := db.logs.logOp(kind, key, value)
	return db.finishLogging(at, err)
}

// logRecord writes an encoded record to the log.
func (db *DB) logRecord(record []byte) (end logEnd, err error) {
	if db.logs.lost != nil {
		return end, db.logLostError()
	}
	at, err := db.logs.w.Append(record)
	return db.finishLogging(at, err)
}

// finishLogging finishes a write to the log, before the write changes the memtable. With LogWritten
// and LogSynced it hands the record to the operating system, so that the write can still be
// refused if the disk is full. The caller syncs later, without the lock, together with other
// writers.
func (db *DB) finishLogging(at int64, err error) (end logEnd, _ error) {
	if err == nil && db.o.Log != LogBuffered {
		err = db.logs.w.Flush()
	}
	if err != nil {
		return end, db.abandonLog(err)
	}
	if db.o.Log == LogSynced {
		end = logEnd{db.logs.w, at}
	}
	return end, nil
}

// openLog begins a log that starts with the active run. No other goroutine uses the store yet.
func (db *DB) openLog() error {
	db.nextFile++
	return db.logs.open(db.nextFile-1, db.activeRun)
}

// rotateLog begins a new log if the current one has reached MemtableBytes, and reports whether
// it did. The caller holds the lock.
func (db *DB) rotateLog() (rotated bool, err error) {
	if db.logs.w.Size() < db.o.MemtableBytes {
		return false, nil
	}
	db.nextFile++
	return db.logs.rotate(db.nextFile-1, db.activeRun)
}

// removeLogs removes the logs older than first, the oldest one that is still needed.
func (db *DB) removeLogs(first uint64) {
	db.lock.Lock()
	gone := db.logs.retire(first)
	db.lock.Unlock()
	db.logs.remove(gone)
}

// closeLog closes the log. If the tree holds every write of the log, errors do no harm and go
// to LeftBehind. With discard it writes nothing.
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
