//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package vfs

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// lockFile locks with flock(2). The lock belongs to the open file, so it also excludes other
// handles of this process, and the kernel releases it when the process ends.
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

// unlockFile unlocks before it closes. A child process that another goroutine is starting shares
// the open file until it executes its program, and would otherwise keep the lock.
func unlockFile(f *os.File) error {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) // fails if it is not locked
	return f.Close()
}

// lockDir locks a directory. It returns nil if the file system cannot lock directories: over NFS,
// flock needs a file that is open for writing.
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
