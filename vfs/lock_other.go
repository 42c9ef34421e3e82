//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"sync"
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
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(name))
	}
	return &existenceLock{f: f, info: info}, nil
}

// existenceLock is held as long as its file exists.
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

// Close implements Lock. A file that has taken the place of the lock's is another
// owner's lock, and stays.
func (l *existenceLock) Close() (err error) {
	l.closing.Do(func() { err = l.unlock() })
	return err
}

// unlock removes the file that the lock made.
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
