//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// lockReal locks by the existence of the file, for systems without flock(2).
// Unlike there, Close removes the file, and a process that dies leaves it
// behind: it must then be removed by hand.
func lockReal(name string) (io.Closer, error) {
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

// Close releases the lock.
func (l *existenceLock) Close() error {
	if err := l.f.Close(); err != nil {
		return err
	}
	return os.Remove(l.f.Name())
}
