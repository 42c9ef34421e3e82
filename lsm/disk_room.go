package lsm

import (
	"fmt"
	"syscall"
)

// A merge that does not fit on the disk would take the room that flushes and logs
// need, and then fail. It waits instead: the compactor asks again after a pause.
// Moves and drops write nothing, and always run.

// makeRoomOnDisk reports whether a merge may write so many bytes, where the system can
// tell. What memtables will take when they are flushed is not its own.
func (db *DB) makeRoomOnDisk(bytes int64) error {
	if err := db.mendManifest(); err != nil {
		return err
	}
	free, err := db.dir.FS.FreeBytes(db.dir.Path)
	if err != nil {
		return nil
	}
	db.lock.Lock()
	unflushed := db.unflushedBytes()
	db.lock.Unlock()
	if bytes > free-unflushed {
		return fmt.Errorf("it may write %d bytes, and of %d that are free memtables need %d: %w", bytes, free, unflushed, syscall.ENOSPC)
	}
	return nil
}

// unflushedBytes is about what flushes of all memtables would write. The lock is
// held.
func (db *DB) unflushedBytes() (n int64) {
	if db.active.Len() > 0 {
		n = db.active.bytesFor(db.o.MemtableBytes)
	}
	return n + db.versions.Current().UnflushedBytes()
}
