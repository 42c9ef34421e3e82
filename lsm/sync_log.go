package lsm

import "context"

// SyncLog makes all writes that have returned durable: they survive a power cut. It costs an
// fsync of the log, and no flush. By log mode:
//
//	LogOff       returns ErrNoLog: use Flush
//	LogBuffered  writes the buffer of the process to the log, and syncs the log
//	LogWritten   syncs the log
//	LogSynced    does nothing, unless other goroutines are writing
//
// While the log cannot be written, as on a full disk, SyncLog flushes the memory instead, and
// returns ErrStalled if there is no room for that either. After a failed sync the store accepts
// no more writes: see ErrFailed.
func (db *DB) SyncLog() error {
	end, err := db.flushLogBuffer()
	if err != nil {
		return err
	}
	return db.waitForSync(end)
}

// flushLogBuffer writes the buffer of the log to the file, and returns the position to sync.
func (db *DB) flushLogBuffer() (end logEnd, err error) {
	if err := db.lockForWrite(); err != nil {
		return end, err
	}
	defer db.unlockAfterWrite(&err)
	if db.o.Log == LogOff {
		return end, ErrNoLog
	}
	if db.logs.lost == nil {
		err := db.logs.w.Flush()
		if err == nil {
			return logEnd{db.logs.w, db.logs.w.Size()}, nil
		}
		_ = db.abandonLog(err) // flushAll returns the error if it is final
	}
	return end, db.flushAll(context.Background())
}
