//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package vfs

import (
	"errors"
	"io/fs"
	"os"
)

// lockReal locks by the existence of the file, for systems that have neither
// flock(2) nor LockFileEx. Unlike there, Close removes the file, and a process
// that dies leaves it behind: it must then be removed by hand.
func lockReal(name string) (Lock, error) {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: &irregular{info.Mode(), "file"}}
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if errors.Is(err, fs.ErrExist) {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrLocked}
	}
	if err != nil {
		return nil, err
	}
	return &existenceLock{f}, nil
}

// existenceLock is held as long as its file exists.
type existenceLock struct{ f *os.File }

// Check implements Lock.
func (l *existenceLock) Check() error {
	if _, err := os.Lstat(l.f.Name()); errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "lock", Path: l.f.Name(), Err: ErrLockLost}
	}
	return nil
}

// Close implements Lock.
func (l *existenceLock) Close() error {
	if err := l.f.Close(); err != nil {
		return err
	}
	if err := os.Remove(l.f.Name()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
