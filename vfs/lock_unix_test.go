//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package vfs

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Between fork and exec, a child process has the descriptors of its parent.
func TestRealLockEndsThoughAChildHasItsDescriptors(t *testing.T) {
	name := filepath.Join(t.TempDir(), "LOCK")
	lock, err := Real{}.Lock(name)
	require.NoError(t, err)
	l := lock.(*fileLock)
	for _, fd := range []uintptr{l.file.Fd(), l.dir.Fd()} {
		inherited, err := syscall.Dup(int(fd))
		require.NoError(t, err)
		defer syscall.Close(inherited)
	}
	require.NoError(t, lock.Close())
	again, err := Real{}.Lock(name)
	require.NoError(t, err)
	require.NoError(t, again.Close())
}
