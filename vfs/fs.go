// Package vfs is the file system that Weir writes to. FS is the interface, Real the implementation
// on the operating system. A program that needs encryption, bandwidth limits or counters wraps
// Real, or implements FS, and passes it in the options of a store, a backend or a storage. Package
// vfs/vfstest has file systems for tests, and a test for any FS. The package knows no file format.
//
// # Promises that an FS must keep
//
// Files are append-only: Create makes a new file, Write extends it, Open reads it. No operation
// overwrites bytes, so a file changes only by growing.
//
//   - The content of a file survives a power cut once Sync has returned nil.
//   - The entries of a directory (create, rename, link, remove) survive once SyncDir of that
//     directory has returned nil. Sync of a file does not sync its name. SyncDir does not sync the
//     name of the directory, which is an entry of its parent.
//   - Before that, a power cut may keep or lose each unsynced write and each unsynced change of an
//     entry, in any order. But a name always leads to one of the files that it led to since the
//     last SyncDir, and a rename loses the old name only if it keeps the new one.
//   - After a failed Sync, or a SyncDir that fails with ErrUnsynced, the bytes and entries in
//     question may be lost, and a retry does not help: Linux marks the pages clean, so a second
//     fsync succeeds without writing them.
//   - Errors satisfy errors.Is as FS describes. Weir tests for fs.ErrNotExist, fs.ErrExist,
//     fs.ErrPermission, errors.ErrUnsupported, syscall.ENOTDIR, syscall.EISDIR and the errors of
//     this package. Any other error means that the operation failed.
//
// Many goroutines and many stores may use an FS at the same time.
//
// The rules for directories follow Pillai et al., "All File Systems Are Not Created Equal"
// (ALICE), OSDI 2014; the rules for failed syncs Rebello et al., "Can Applications Recover from
// fsync Failures?", USENIX ATC 2020.
package vfs

import (
	"errors"
	"io"
	"io/fs"
)

// Modes of new files and directories: only their owner may use them, whatever the umask.
const (
	fileMode fs.FileMode = 0o600
	dirMode  fs.FileMode = 0o700
)

// ErrNotRegular is returned if a name leads to something other than a regular file, where a regular
// file is required, or to a symbolic link where a directory is required. If a directory was found
// in place of a file, the error is syscall.EISDIR as well.
var ErrNotRegular = errors.New("not a regular file")

// ErrLocked is returned by Lock if this or another process holds the lock.
var ErrLocked = errors.New("locked by another owner")

// ErrUnsynced is returned by SyncDir if the directory was opened but could not be synced. Entries
// may be lost even if a later sync succeeds. After any other error of SyncDir nothing is lost, and
// the call may be repeated.
var ErrUnsynced = errors.New("directory could not be synced")

// ErrLockLost is returned by Lock.Check if the lock protects nothing any more. It satisfies
// errors.Is for ErrLocked.
var ErrLockLost error = lockLost{}

// lockLost is the type of ErrLockLost, which has another text than ErrLocked.
type lockLost struct{}

// Error implements error.
func (lockLost) Error() string { return "the lock was removed or replaced while it was held" }

// Is makes the error an ErrLocked.
func (lockLost) Is(target error) bool { return target == ErrLocked }

// FS is a file system. Names are native paths.
//
// A component that opens a directory named by its caller calls Resolve once, and uses only the
// result: then later changes of the working directory, or of links in the name, have no effect. No
// operation except Stat follows a symbolic link in the last element of its name; Remove, RemoveAll
// and Rename work on the link itself.
//
// Errors are *fs.PathError or, for operations with two names, *os.LinkError, and wrap
// fs.ErrNotExist, fs.ErrExist, syscall.ENOSPC and so on for errors.Is.
//
// Thread safety: all methods may be called concurrently.
type FS interface {
	// Resolve returns the absolute path that a name leads to, without symbolic links. It works
	// element by element like the kernel: ".." is the parent of the directory that the elements
	// before it lead to, or fs.ErrNotExist if that directory does not exist. Elements at the end
	// that do not exist are kept. A link whose target does not exist is fs.ErrNotExist, a cycle
	// of links syscall.ELOOP, an empty name fs.ErrInvalid. On Windows ".." removes the element
	// before it, since that is the rule of the system.
	Resolve(name string) (string, error)

	// Create makes a new file with mode 0600, open for reading and appending. It fails with
	// fs.ErrExist if the name exists.
	Create(name string) (File, error)

	// Open opens an existing file for reading. If the name leads to something other than a regular
	// file, or to a symbolic link, Open fails with ErrNotRegular and does not open it.
	Open(name string) (File, error)

	// Remove removes a file or an empty directory. An open file stays usable.
	Remove(name string) error

	// RemoveAll removes the name and everything below it. A missing name is not an error.
	RemoveAll(name string) error

	// Rename renames a file, and replaces a file with the new name. It fails if either name is a
	// directory.
	Rename(oldName, newName string) error

	// Link gives a file a second name. It fails with fs.ErrExist if that name exists, and with
	// ErrNotRegular if the old name is not a regular file.
	Link(oldName, newName string) error

	// MkdirAll makes a directory and its missing parents, with mode 0700. An existing directory
	// is not an error, a symbolic link to one is ErrNotRegular.
	MkdirAll(dir string) error

	// List returns the base names in a directory, sorted. A symbolic link to a directory is
	// ErrNotRegular.
	List(dir string) ([]string, error)

	// Stat describes a file or a directory. It follows symbolic links.
	Stat(name string) (fs.FileInfo, error)

	// Lstat is Stat without following a symbolic link: it describes the link.
	Lstat(name string) (fs.FileInfo, error)

	// SyncDir makes the entries of a directory durable; see ErrUnsynced. A symbolic link to a
	// directory is ErrNotRegular. On Windows, Real leaves this to the journal of NTFS.
	SyncDir(dir string) error

	// FreeBytes returns the free space for files in a directory, in bytes, without regard to
	// quotas. It fails with errors.ErrUnsupported if the system does not report it.
	FreeBytes(dir string) (int64, error)

	// Lock takes the exclusive lock of a directory. name is a file in the directory that
	// represents the lock; it is created if needed, and stays. Lock fails with ErrLocked if this
	// or another process holds the lock. A directory has one lock: Lock may refuse a second name
	// in it. Close of the result unlocks, and so does the end of the process, except with Real on
	// systems without flock(2) and LockFileEx. On Unix Real also locks the directory itself, if
	// the file system can, so that the lock holds even if the file is removed.
	Lock(name string) (Lock, error)
}

// Lock is a held lock.
//
// Thread safety: all methods may be called concurrently.
type Lock interface {
	// Close unlocks. A second Close does nothing and returns nil.
	io.Closer

	// Check returns ErrLockLost if the name no longer leads to the locked file: the file or its
	// directory was removed, moved or replaced. The holder checks before it publishes and before
	// it removes anything. Check returns nil if it cannot tell; the next operation will fail then.
	Check() error
}

// File is an open file. Its opener closes it. Every call after Close, also a second Close, fails
// with fs.ErrClosed.
//
// Write appends to the end of the file, and moves the position of Read to the end; to read back
// written data, use ReadAt.
//
// Thread safety: all methods may be called concurrently. Concurrent Reads share one position;
// concurrent Writes append in any order.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Closer

	// Sync makes everything written to the file so far durable.
	Sync() error

	// Size returns the length of the file in bytes.
	Size() (int64, error)
}
