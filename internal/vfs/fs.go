// Package vfs is the file system seam under everything that Weir writes to
// disk. It has three implementations: Real is the operating system's, Mem
// lives in memory and can be cloned as a power cut would leave it, and Faulty
// makes chosen operations of any other one fail. The room may not know any
// file format.
//
// # What a program may rely on
//
// Files are append only: Create makes a new one, Write extends it, Open reads
// it. Nothing overwrites bytes, so a file changes only by growing.
//
//   - A file's content survives a power cut once Sync has returned nil.
//   - A directory's entries (create, rename, link, remove) survive once SyncDir
//     of that directory has returned nil. Syncing a file does not sync its
//     name, and syncing a directory does not sync the directory's own name:
//     that is an entry of its parent.
//   - After a failed Sync, and a SyncDir that is ErrUnsynced, nothing is known
//     about what it covered, and trying again does not help: Linux marks the
//     pages clean, so that a second fsync succeeds without having written them.
//
// Publish, Draft and MkdirAllSync are the recipes that follow from this.
//
// # What Mem models
//
// Mem loses in a crash whatever the rules above do not promise, one by one as
// CrashOptions choose:
//
//   - Unsynced data, in blocks. Any subset survives; a lost block inside a
//     longer file reads as zeros; the last block that survives may be cut at
//     any byte (a torn write); the new length may survive without the data.
//   - Unsynced entry changes, each alone and in any order between names, so
//     that a rename may survive the loss of an earlier create or remove. A name
//     always holds one of the values that it had since the last SyncDir;
//     renaming over a name yields the old file or the new one.
//   - A rename is two changes. The old name goes only if the new one came, as
//     in every journaling file system; both names may be found. A SyncDir
//     settles its own directory only: after a rename between directories, sync
//     the destination first.
//   - A directory whose own entry is lost takes its content with it.
//   - What a failed Sync or SyncDir (see Faulty) covered is never durable.
//
// Not modelled: damage to synced data, stale or random bytes in place of lost
// blocks, torn directory entries, symbolic links, permissions, modification
// times.
//
// The rules for directories follow Pillai et al., "All File Systems Are Not
// Created Equal" (ALICE), OSDI 2014; those for failed syncs Rebello et al.,
// "Can Applications Recover from fsync Failures?", USENIX ATC 2020. The idea
// of a memory file system that is cloned at a crash is Pebble's.
package vfs

import (
	"errors"
	"io"
	"io/fs"
)

// Modes of what Create and MkdirAll make: state belongs to its owner, whatever
// the umask.
const (
	fileMode fs.FileMode = 0o600
	dirMode  fs.FileMode = 0o700
)

// ErrNotRegular is returned when something else is found where a regular file
// belongs, or a symbolic link where a directory does. A directory in place of a
// file is syscall.EISDIR as well.
var ErrNotRegular = errors.New("not a regular file")

// ErrLocked is returned by Lock when the file is locked already, by this
// process or another.
var ErrLocked = errors.New("locked by another owner")

// ErrUnsynced is returned by SyncDir when the directory was opened and could not be
// synced: entries may be lost for good, whatever a later sync returns. An error of
// SyncDir that is not ErrUnsynced has given up nothing, and the call may be repeated.
var ErrUnsynced = errors.New("directory could not be synced")

// ErrLockLost is returned by Lock.Check when the lock protects nothing any more.
// It is an ErrLocked.
var ErrLockLost error = lockLost{}

// lockLost is the type of ErrLockLost. Its text is not that of ErrLocked.
type lockLost struct{}

// Error says what happened.
func (lockLost) Error() string { return "the lock was removed or replaced while it was held" }

// Is makes it an ErrLocked.
func (lockLost) Is(target error) bool { return target == ErrLocked }

// FS is a file system. Names are native paths; Mem takes slashes as well.
//
// Whoever opens a directory that a caller has named passes the name to Resolve,
// once, and uses only the result from then on: a later change of the working
// directory or of a link on the way does not matter then. No operation follows a
// symbolic link in the last element of its name, except Stat; Remove, RemoveAll
// and Rename work on the link itself.
//
// Errors are *fs.PathError, or *os.LinkError where an operation has two names,
// and wrap fs.ErrNotExist, fs.ErrExist, syscall.ENOSPC and the like for
// errors.Is.
//
// Thread safety: all methods may be called at the same time.
type FS interface {
	// Resolve returns the absolute path that a name leads to, with no symbolic
	// link in it. It goes by the kernel's rules, element by element: ".." is the
	// parent of the directory that the elements before it lead to, and
	// fs.ErrNotExist if they lead nowhere. Elements at the end that do not exist
	// are kept, but a link that leads nowhere is fs.ErrNotExist, and one that
	// leads back to itself syscall.ELOOP. An empty name is fs.ErrInvalid. On
	// Windows, whose own rule this is, ".." removes the element before it.
	Resolve(name string) (string, error)

	// Create makes a new file, open for reading and appending, with mode 0600.
	// It fails with fs.ErrExist if the name exists.
	Create(name string) (File, error)

	// Open opens an existing file for reading. Anything else under the name, a
	// symbolic link included, is ErrNotRegular, and is not opened.
	Open(name string) (File, error)

	// Remove removes a file or an empty directory. A file that is open goes on
	// working.
	Remove(name string) error

	// RemoveAll removes the name and all below it; a missing name is no error.
	RemoveAll(name string) error

	// Rename moves a file, replacing a file that has the new name. It fails for
	// a directory under either name.
	Rename(oldName, newName string) error

	// Link gives a file a second name. It fails with fs.ErrExist if that exists,
	// and with ErrNotRegular for what Open refuses.
	Link(oldName, newName string) error

	// MkdirAll makes a directory and its missing parents, with mode 0700. A
	// directory that exists is no error, a symbolic link to one is ErrNotRegular.
	MkdirAll(dir string) error

	// List returns the base names in a directory, sorted. A symbolic link to one
	// is ErrNotRegular.
	List(dir string) ([]string, error)

	// Stat describes a file or a directory.
	Stat(name string) (fs.FileInfo, error)

	// Lstat is Stat but for a symbolic link, which it describes itself.
	Lstat(name string) (fs.FileInfo, error)

	// SyncDir makes the entries of a directory durable; see ErrUnsynced. A symbolic
	// link to one is ErrNotRegular. On Windows the real file system leaves this to
	// NTFS's journal.
	SyncDir(dir string) error

	// FreeBytes returns how many more bytes files in a directory may take, and
	// errors.ErrUnsupported where the system cannot say. Quotas do not count.
	FreeBytes(dir string) (int64, error)

	// Lock takes the exclusive lock of a directory, which the named file in it
	// stands for and which is made if needed. It fails with ErrLocked if another
	// owner in any process has it. A directory has one lock: another name in it
	// may be refused. Closing the result unlocks; so does the end of the process
	// (but see lock_other.go). The file stays. On Unix the directory itself is
	// locked as well, on file systems that can, so that nobody else gets the
	// lock if the file is removed.
	Lock(name string) (Lock, error)
}

// Lock is a lock that is held.
//
// Thread safety: all methods may be called at the same time.
type Lock interface {
	// Close unlocks.
	io.Closer

	// Check returns ErrLockLost if the name no longer leads to the file that was
	// locked, as after the file or its directory was removed, moved or replaced.
	// An owner checks before it publishes and before it removes anything. It is
	// nil if it cannot tell: the operation that comes next will.
	Check() error
}

// File is an open file. Its creator closes it; every use after that, a second
// Close included, fails with fs.ErrClosed.
//
// Write appends at the end of the file. Read has a position of its own, which
// Write moves to the end: whoever reads back what it wrote uses ReadAt.
//
// Thread safety: all methods may be called at the same time, but concurrent
// Reads share one position, and concurrent Writes append in any order.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Closer

	// Sync makes all that was written to the file so far durable.
	Sync() error

	// Size returns the length of the file in bytes.
	Size() (int64, error)
}
