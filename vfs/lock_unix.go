//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lockFile locks with flock(2): the lock belongs to the open file, so it also
// excludes this process, and the kernel releases it when the process dies.
func lockFile(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			err = ErrLocked
		}
		return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
}

// unlockFile unlocks before it closes: a child that another goroutine is just starting
// has the open file as well, until it executes its program, and would keep the lock.
func unlockFile(f *os.File) error {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // not locked is as well
	return f.Close()
}

// lockDir returns nil where a directory cannot be locked: over NFS flock needs a
// file that is open for writing.
func lockDir(name string) (*os.File, error) {
	d, err := openDir("lock", name)
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err = lockFile(d); err == nil {
		return d, nil
	}
	d.Close()
	if errors.Is(err, syscall.EBADF) || errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.EOPNOTSUPP) {
		return nil, nil
	}
	return nil, err
}
