//go:build darwin || freebsd || linux

package vfs

import (
	"errors"
	"syscall"
)

// freeBytes returns the free space that statfs(2) reports for users other than root.
func freeBytes(dir string) (int64, error) {
	var s syscall.Statfs_t
	for {
		err := syscall.Statfs(dir, &s)
		switch {
		case err == nil && s.Blocks == 0: // not reported, as by some FUSE file systems
			return 0, errors.ErrUnsupported
		case err == nil:
			return saturate(uint64(s.Bavail), uint64(s.Bsize)), nil
		case err != syscall.EINTR:
			return 0, err
		}
	}
}
