//go:build !(darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd || windows)

package vfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The file of a lock is removed by hand, and another owner creates it again.
func TestLockThatWasLostIsNotTheNextOwners(t *testing.T) {
	name := filepath.Join(t.TempDir(), "LOCK")
	old, err := Real{}.Lock(name)
	require.NoError(t, err)
	require.NoError(t, os.Rename(name, name+".old"))
	lock, err := Real{}.Lock(name)
	require.NoError(t, err)
	require.ErrorIs(t, old.Check(), ErrLockLost)
	require.NoError(t, old.Close())
	require.NoError(t, lock.Check())
	require.FileExists(t, name)
	require.NoError(t, lock.Close())
	require.NoFileExists(t, name)
}
