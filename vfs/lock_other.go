//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"sync"
)

// lockReal locks by the existence of the file, for systems without flock(2) and LockFileEx. Close
// removes the file. A process that dies leaves the file, which must then be removed by hand.
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
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(name))
	}
	return &existenceLock{f: f, info: info}, nil
}

// existenceLock is a lock that is held while its file exists.
type existenceLock struct {
	f       *os.File
	info    fs.FileInfo // of f
	closing sync.Once
}

// Check implements Lock.
func (l *existenceLock) Check() error {
	now, err := os.Lstat(l.f.Name())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, l.info) {
		return &fs.PathError{Op: "lock", Path: l.f.Name(), Err: ErrLockLost}
	}
	return nil
}

// Close implements Lock. It does not remove a file that has replaced the file of this lock, since
// that is the lock of another owner.
func (l *existenceLock) Close() (err error) {
	l.closing.Do(func() { err = l.unlock() })
	return err
}

// unlock removes the file that lockReal has created.
func (l *existenceLock) unlock() error {
	lost := l.Check() != nil
	if err := l.f.Close(); err != nil || lost {
		return err
	}
	if err := os.Remove(l.f.Name()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
