//go:build unix

package vfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The umask belongs to the process: this test must not run in parallel.
func TestRealModesUnderUmaskZero(t *testing.T) {
	dir := t.TempDir()
	defer syscall.Umask(syscall.Umask(0))
	require.NoError(t, Real{}.MkdirAll(filepath.Join(dir, "d/e")))
	writeFile(t, Real{}, filepath.Join(dir, "d/e/a"), "")
	lock, err := Real{}.Lock(filepath.Join(dir, "d/LOCK"))
	require.NoError(t, err)
	require.NoError(t, lock.Close())
	for name, want := range map[string]fs.FileMode{
		"d":      fs.ModeDir | 0o700,
		"d/e":    fs.ModeDir | 0o700,
		"d/e/a":  0o600,
		"d/LOCK": 0o600,
	} {
		info, err := Real{}.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, want, info.Mode(), name)
	}
}

func TestRealLstatDescribesTheLinkItself(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "link")))
	info, err := Real{}.Stat(filepath.Join(dir, "link"))
	require.NoError(t, err)
	require.True(t, info.IsDir())
	info, err = Real{}.Lstat(filepath.Join(dir, "link"))
	require.NoError(t, err)
	require.Equal(t, fs.ModeSymlink, info.Mode().Type())
}
