//go:build unix

package vfs

import (
	"os"
	"syscall"
)

// Flags of open(2): do not follow a link in the last element, do not wait for a named pipe, and
// open only a directory.
const (
	noFollow = syscall.O_NOFOLLOW
	noBlock  = syscall.O_NONBLOCK
	onlyDir  = syscall.O_DIRECTORY
)

// setBlocking clears noBlock, which some network file systems apply to regular files.
func setBlocking(f *os.File) error {
	return os.NewSyscallError("fcntl", syscall.SetNonblock(int(f.Fd()), false))
}
