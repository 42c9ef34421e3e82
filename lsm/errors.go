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

// Errors of opening.
var (
	// ErrLocked is returned when a store is open already, here or in another
	// process.
	ErrLocked = vfs.ErrLocked
	// ErrLockLost is returned by writes, with ErrFailed, and by Close, after the file
	// LOCK or the directory of the store was removed, moved or replaced while the
	// store was open. The store looks before it makes, publishes or removes a file
	// and before each edit of the manifest: it does neither from then on. It is an
	// ErrLocked.
	ErrLockLost = vfs.ErrLockLost
	// ErrNotStore is returned for a directory that has files but no store and,
	// where one is to be made of others, for any that is not empty.
	ErrNotStore = directory.ErrNotStore
	// ErrVersion is returned for a format of a later version.
	ErrVersion = sstable.ErrVersion
	// ErrMismatch is returned when options differ from those that the store was
	// made with and that can never change.
	ErrMismatch = errors.New("option differs from what the store was made with")
	// ErrInvalidOption is returned when an option makes no sense, when a part of Restore
	// is open or was not closed, and by a compaction when a Picker picks what
	// would change the order of entries.
	ErrInvalidOption = sstable.ErrInvalidOption
)

// Errors of working.
var (
	// ErrCorrupt is returned when a file does not hold what was written, or is
	// gone.
	ErrCorrupt = sstable.ErrCorrupt
	// ErrNotRegular is returned when a directory, a symbolic link, a named pipe or the
	// like has the name of a file of the store. If the store needs that file, it is
	// ErrCorrupt as well; if not, it is kept, and Events.LeftBehind is told. A copy
	// made with cp -aL has no links.
	ErrNotRegular = vfs.ErrNotRegular
	// ErrClosed is returned after Close, by a view, an iterator, a stream or Tables
	// after its own, and by Open with a Budget that was closed.
	ErrClosed = errors.New("closed")
	// ErrTooLarge is returned for a key or a value above its limit, and by
	// reading a value as a whole that appends have made larger than that. See
	// SizeError.
	ErrTooLarge = errors.New("too large")
	// ErrPartition is returned by writes of a key, or of a prefix, whose prefix has
	// fewer bytes than name a partition. See Options.PartitionBytes.
	ErrPartition = errors.New("prefix names no partition")
	// ErrRange is returned for bounds that are none: DeleteRange and Restore take
	// partitions, which must not overlap in parts, and DeletePrefix and Prefix what
	// Options.Split cuts.
	ErrRange = errors.New("invalid range")
	// ErrFailed is returned by writes after the log, the manifest or the directory
	// could not be synced, the lock was lost, or a function of the options has panicked:
	// see PanicError. Nothing is known then about what the disk has; Get and Peek go on,
	// views and scans do unless there is something to seal, and opening the store again
	// finds out.
	ErrFailed = errors.New("store has failed")
	// ErrStalled is returned by a write for which there is no memory left since what
	// is sealed cannot be flushed, or which the disk has no room for; its cause is
	// wrapped. The write is not visible and may be tried again. With a log, a crash may
	// bring it all the same.
	ErrStalled = errors.New("writes are stalled: the disk does not take them")
	// ErrNoLog is returned by SyncLog for a store whose log is off.
	ErrNoLog = errors.New("the store has no log")
	// ErrOpen is returned by Close when views or iterators were still open, with
	// the places where they were opened, but for those of Prefix. The store is closed
	// all the same. Budget.Close returns it while stores of the budget are open, and
	// changes nothing.
	ErrOpen = errors.New("still open")
)

// SizeError says what was too large. It is an ErrTooLarge.
type SizeError struct {
	What        string // key or value
	Size, Limit int64  // bytes
}

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("%s of %d bytes, limit %d: %v", e.What, e.Size, e.Limit, ErrTooLarge)
}

// Is makes it an ErrTooLarge.
func (e *SizeError) Is(target error) bool { return target == ErrTooLarge }

// isFinal reports whether an error ends the store. After a failed sync of the log, of
// the manifest or of the directory, nothing is known about what should be on the disk,
// and without its lock the store may not write. After any other error of writing, as
// on a full disk, other files do.
func isFinal(err error) bool {
	return errors.Is(err, wal.ErrSync) || errors.Is(err, vfs.ErrUnsynced) || errors.Is(err, ErrLockLost)
}

// TableError says which table could not be opened, and has the error.
type TableError = version.TableError
