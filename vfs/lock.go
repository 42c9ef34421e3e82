//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// lockTries is how often the file of a lock may be replaced between opening and
// locking it. Each time is another owner that came and went, or a cleaner.
const lockTries = 100

// lockReal locks the directory first, where the system can: that lock does not
// depend on a file that a cleaner of old files may remove.
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

// fileLock is a lock of a file, and of its directory where the system can.
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
