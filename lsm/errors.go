package lsm

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/wal"
)

// Errors of opening a store.
var (
	// ErrLocked is returned when the store is open already, in this or another process.
	ErrLocked = vfs.ErrLocked
	// ErrLockLost is returned by writes (with ErrFailed) and by Close, after somebody has
	// removed, moved or replaced the file LOCK or the directory of an open store. The store
	// checks its lock before it creates, publishes or removes a file, and before each edit of
	// the manifest; once the lock is lost it does none of these. ErrLockLost is also an
	// ErrLocked.
	ErrLockLost = vfs.ErrLockLost
	// ErrNotStore is returned for a directory that has files but no store. Checkpoint and
	// Restore return it for a target that is not empty.
	ErrNotStore = directory.ErrNotStore
	// ErrVersion is returned for files in a format that is newer than this version of the
	// package.
	ErrVersion = sstable.ErrVersion
	// ErrMismatch is returned when an option that can never change differs from the one that
	// the store was created with.
	ErrMismatch = errors.New("option differs from the one that the store was created with")
	// ErrInvalidOption is returned for an option or an argument out of range, by Restore if the
	// store of a part was not closed, by SealWith for a store with a log, and by a compaction if
	// the Picker's choice would change the order of entries.
	ErrInvalidOption = sstable.ErrInvalidOption
)

// Errors of an open store.
var (
	// ErrCorrupt is returned when a file is missing or its content is not what was written.
	ErrCorrupt = sstable.ErrCorrupt
	// ErrNotRegular is returned when a directory, a symbolic link, a named pipe or the like has
	// the name of a store's file. If the store needs that file, the error is ErrCorrupt as
	// well; if not, the entry stays, and Events.LeftBehind is called. To copy a store without
	// links use cp -aL.
	ErrNotRegular = vfs.ErrNotRegular
	// ErrClosed is returned by calls on a store, a view, an iterator, a stream, Tables or a
	// Budget that was closed.
	ErrClosed = errors.New("closed")
	// ErrTooLarge is returned for a key or a value above its limit, and by reads of a whole
	// value that appends have grown above the limit. See SizeError.
	ErrTooLarge = errors.New("too large")
	// ErrPartition is returned by writes of a key whose prefix, as Options.Split cuts it, is
	// shorter than Options.PartitionBytes.
	ErrPartition = errors.New("prefix is shorter than a partition")
	// ErrRange is returned for invalid bounds: DeleteRange and Restore take whole partitions,
	// and the parts of a Restore must not overlap; DeletePrefix and Prefix take only a whole
	// prefix, as Options.Split cuts it.
	ErrRange = errors.New("invalid range")
	// ErrFailed is returned by writes after the store has failed: a sync of the log, the
	// manifest or the directory returned an error, the lock was lost, or a function of the
	// options panicked (see PanicError). Get and Peek still work, and so do views and scans of
	// sealed data. Reopen the store to find out what the disk holds.
	ErrFailed = errors.New("store has failed")
	// ErrStalled is returned by a write if memory is full because flushes fail, or if the disk
	// is full. It wraps the cause. The write is not visible and may be retried. With a log, the
	// write may appear after a crash.
	ErrStalled = errors.New("writes are stalled: the disk does not accept them")
	// ErrNoLog is returned by SyncLog if the store keeps no log.
	ErrNoLog = errors.New("the store has no log")
	// ErrOpen is returned by Close if views or iterators are open. The text lists the places in
	// the program where they were opened, except for iterators of Prefix. The store is closed
	// nevertheless. Budget.Close returns ErrOpen while stores use the budget, and then changes
	// nothing.
	ErrOpen = errors.New("still open")
)

// SizeError describes a key or value that is too large. It is an ErrTooLarge.
type SizeError struct {
	What        string // "key" or "value"
	Size, Limit int64  // in bytes
}

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("%s of %d bytes, limit %d: %v", e.What, e.Size, e.Limit, ErrTooLarge)
}

// Is reports whether target is ErrTooLarge.
func (e *SizeError) Is(target error) bool { return target == ErrTooLarge }

// isFinal reports whether an error fails the store for good. After a failed sync of the log,
// the manifest or the directory the content of the disk is unknown, and without its lock the
// store must not write. All other write errors, such as a full disk, can be repaired with new
// files.
func isFinal(err error) bool {
	return errors.Is(err, wal.ErrSync) || errors.Is(err, vfs.ErrUnsynced) || errors.Is(err, ErrLockLost)
}

// TableError is the error of opening a table, with the table's number.
type TableError = version.TableError
