package lsm

import "context"

// SyncLog makes every write durable that has returned: no power cut takes it. It costs an
// fsync of the log, not a flush. By log mode:
//
//	LogOff       ErrNoLog: Flush makes writes durable then
//	LogBuffered  hands over what waits in the process, and syncs the log
//	LogWritten   syncs the log
//	LogSynced    does nothing, unless other goroutines are writing
//
// While the log cannot be written, as on a full disk, SyncLog flushes what only memory
// has, or returns ErrStalled if there is no room for that either. After a failed sync the
// store is ErrFailed.
func (db *DB) SyncLog() error {
	end, err := db.handOverLog()
	if err != nil {
		return err
	}
	return db.waitForSync(end)
}

// handOverLog hands to the system what waits in the process, and returns how far the log
// must be synced.
func (db *DB) handOverLog() (end logEnd, err error) {
	if err := db.enterToWrite(); err != nil {
		return end, err
	}
	defer db.leaveWrite(&err)
	if db.o.Log == LogOff {
		return end, ErrNoLog
	}
	if db.logs.lost == nil {
		err := db.logs.w.Flush()
		if err == nil {
			return logEnd{db.logs.w, db.logs.w.Size()}, nil
		}
		_ = db.loseLog(err) // flushAll returns it if it is final
	}
	return end, db.flushAll(context.Background())
}
