package lsm

import (
	"fmt"
	"syscall"
)

// A merge that does not fit on the disk would take the room that flushes and logs need, and
// then fail. Instead it fails before it writes, and the compactor retries after a pause. Moves
// and drops write nothing and always run.

// checkDiskRoom returns an error if a merge may write more bytes than the disk has free after
// flushes of all memtables. It returns nil if the file system cannot tell.
func (db *DB) checkDiskRoom(bytes int64) error {
	if err := db.repairManifest(); err != nil {
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
		return fmt.Errorf("the merge may write %d bytes; the disk has %d bytes free, flushes of memtables need %d of them: %w", bytes, free, unflushed, syscall.ENOSPC)
	}
	return nil
}

// unflushedBytes returns approximately the bytes that flushes of all memtables would write. The
// caller holds the lock.
func (db *DB) unflushedBytes() (n int64) {
	if db.active.Len() > 0 {
		n = db.active.bytesFor(db.o.MemtableBytes)
	}
	return n + db.versions.Current().UnflushedBytes()
}
