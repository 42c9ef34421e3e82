// Package vfs is the file system under everything that Weir writes to disk. FS is
// the interface, Real is the file system of the operating system. A program that
// wants something else (encryption, limits on bandwidth, counters) wraps Real or
// writes an FS of its own, and hands it to Weir in the options of a store, a backend
// or a storage. Package vfs/vfstest has file systems for tests, and a test that any
// FS can be run against. The package may not know any file format.
//
// # What a program may rely on, and an FS must keep
//
// Files are append only: Create makes a new one, Write extends it, Open reads it.
// Nothing overwrites bytes, so a file changes only by growing.
//
//   - A file's content survives a power cut once Sync has returned nil.
//   - A directory's entries (create, rename, link, remove) survive once SyncDir
//     of that directory has returned nil. Syncing a file does not sync its
//     name, and syncing a directory does not sync the directory's own name:
//     that is an entry of its parent.
//   - Until then a power cut may keep each unsynced write and each unsynced change
//     of an entry or lose it, in any order. But a name always leads to one of the
//     files that it led to since the last SyncDir, and a rename loses the old name
//     only if it keeps the new one.
//   - After a failed Sync, and a SyncDir that is ErrUnsynced, nothing is known
//     about the bytes and entries concerned, and trying again does not help: Linux
//     marks the pages clean, so that a second fsync succeeds without having written
//     them.
//   - An error that an operation returns is known to errors.Is, as FS lists them.
//     Weir decides by fs.ErrNotExist, fs.ErrExist, fs.ErrPermission,
//     errors.ErrUnsupported, syscall.ENOTDIR, syscall.EISDIR and the errors of this
//     package; every other error means that the operation did not do its work.
//
// An FS may be used by many goroutines at the same time, and by many stores.
//
// The rules for directories follow Pillai et al., "All File Systems Are Not
// Created Equal" (ALICE), OSDI 2014; those for failed syncs Rebello et al.,
// "Can Applications Recover from fsync Failures?", USENIX ATC 2020.
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

// FS is a file system. Names are native paths.
//
// A package that opens a directory named by its caller passes the name to Resolve
// once and then uses only the result: a later change of the working directory or
// of a link in the path has no effect. No operation follows a
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
	// fs.ErrNotExist if it does not exist. Elements at the end that do not exist
	// are kept, but a link to a missing target is fs.ErrNotExist, and a link that
	// leads back to itself syscall.ELOOP. An empty name is fs.ErrInvalid. On
	// Windows, whose own rule this is, ".." removes the element before it.
	Resolve(name string) (string, error)

	// Create makes a new file, open for reading and appending, with mode 0600.
	// It fails with fs.ErrExist if the name exists.
	Create(name string) (File, error)

	// Open opens an existing file for reading. Anything else under the name, a
	// symbolic link included, is ErrNotRegular, and is not opened.
	Open(name string) (File, error)

	// Remove removes a file or an empty directory. An open file stays usable.
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
	// may be refused. Closing the result unlocks; so does the end of the process, but
	// for Real on systems that have neither flock(2) nor LockFileEx. The file stays. On Unix the directory itself is
	// locked as well, on file systems that can, so that nobody else gets the
	// lock if the file is removed.
	Lock(name string) (Lock, error)
}

// Lock is a lock that is held.
//
// Thread safety: all methods may be called at the same time.
type Lock interface {
	// Close unlocks. A second Close does nothing and returns nil: the first one has
	// returned the error, if any.
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
// Write moves to the end: to read back written bytes, use ReadAt.
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
