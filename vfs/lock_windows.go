package vfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"unsafe"
)

var (
	kernel32     = syscall.NewLazyDLL("kernel32.dll")
	lockFileEx   = kernel32.NewProc("LockFileEx")
	unlockFileEx = kernel32.NewProc("UnlockFileEx")
)

// Arguments and errors of LockFileEx, from winbase.h and winerror.h.
const (
	lockfileFailImmediately = 1
	lockfileExclusiveLock   = 2

	errorLockViolation syscall.Errno = 33
	errorIOPending     syscall.Errno = 997
)

// lockedByte returns the byte to lock: far after the end of the file, because other processes
// cannot read locked bytes.
func lockedByte() *syscall.Overlapped { return &syscall.Overlapped{OffsetHigh: 1 << 30} }

// lockFile locks with LockFileEx. The lock belongs to the open file, so it also excludes other
// handles of this process, and Windows releases it when the process ends. An open file cannot be
// removed.
func lockFile(f *os.File) error {
	ok, _, err := lockFileEx.Call(f.Fd(), lockfileExclusiveLock|lockfileFailImmediately, 0, 1, 0,
		uintptr(unsafe.Pointer(lockedByte())))
	if ok != 0 {
		return nil
	}
	if errors.Is(err, errorLockViolation) || errors.Is(err, errorIOPending) {
		err = ErrLocked
	}
	return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
}

// unlockFile unlocks before it closes, because Windows may unlock a closed file late.
func unlockFile(f *os.File) error {
	_, _, _ = unlockFileEx.Call(f.Fd(), 0, 1, 0, uintptr(unsafe.Pointer(lockedByte()))) // fails if it is not locked
	return f.Close()
}

// lockDir returns nil, because Windows cannot lock a directory.
func lockDir(name string) (*os.File, error) {
	_, err := os.Lstat(name)
	return nil, err
}
