//go:build darwin || freebsd || linux

package vfs

import (
	"errors"
	"syscall"
)

// freeBytes returns what statfs(2) says is free for those who are not root.
func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	for {
		err := syscall.Statfs(dir, &s)
		switch {
		case err == nil && s.Blocks == 0: // a file system that does not count, as some of FUSE
			return 0, errors.ErrUnsupported
		case err == nil:
			return saturate(uint64(s.Bavail), uint64(s.Bsize)), nil
		case err != syscall.EINTR:
			return 0, err
		}
	}
}
