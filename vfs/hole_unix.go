//go:build darwin || freebsd || linux

package vfs

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// seekData implements NextData by lseek(2). Package syscall has no constant for SEEK_DATA.
func seekData(f *os.File, at, sizeBytes int64) int64 {
	whence := 3 // SEEK_DATA
	if runtime.GOOS == "darwin" {
		whence = 4
	}
	switch data, err := f.Seek(at, whence); {
	case errors.Is(err, syscall.ENXIO):
		return sizeBytes // a hole up to the end
	case err != nil || data < at:
		return at
	default:
		return min(data, sizeBytes)
	}
}
