//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// lockTries bounds how often tryLock is repeated because the lock file was replaced between open
// and lock, by another owner or by a program that removes old files.
const lockTries = 100

// lockReal takes a lock, with a retry if the lock file was replaced.
func lockReal(name string) (Lock, error) {
	for range lockTries {
		l, err := tryLock(name)
		if err != nil {
			return nil, err
		}
		if l.Check() == nil {
			return l, nil
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrLocked}
}

// tryLock locks the directory, where the system can, and then the file. The lock of the directory
// does not depend on a file that another program may remove.
func tryLock(name string) (*fileLock, error) {
	dir, err := lockDir(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	l := &fileLock{name: name, dir: dir}
	if l.file, err = openRegular("lock", name, os.O_RDWR|os.O_CREATE); err == nil {
		err = lockFile(l.file)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// fileLock is a lock on a file and, where the system can, on its directory.
type fileLock struct {
	name      string
	file, dir *os.File // nil if not locked
	closing   sync.Once
}

// Check implements Lock.
func (l *fileLock) Check() error {
	now, err := os.Lstat(l.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if mine, statErr := l.file.Stat(); err == nil && statErr == nil && os.SameFile(now, mine) {
		return nil
	}
	return &fs.PathError{Op: "lock", Path: l.name, Err: ErrLockLost}
}

// Close implements Lock.
func (l *fileLock) Close() (err error) {
	l.closing.Do(func() {
		for _, f := range []*os.File{l.file, l.dir} {
			if f != nil {
				err = errors.Join(err, unlockFile(f))
			}
		}
	})
	return err
}
