//go:build unix

package vfs

import (
	"os"
	"syscall"
)

// Flags of open(2): the last element is not followed, a named pipe is not waited
// for, and nothing but a directory is opened.
const (
	noFollow = syscall.O_NOFOLLOW
	noBlock  = syscall.O_NONBLOCK
	onlyDir  = syscall.O_DIRECTORY
)

// setBlocking undoes noBlock, which some network file systems heed for files.
func setBlocking(f *os.File) error {
	return os.NewSyscallError("fcntl", syscall.SetNonblock(int(f.Fd()), false))
}
