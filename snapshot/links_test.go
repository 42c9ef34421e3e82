//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package snapshot_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/await"
	"github.com/weirstate/weir/snapshot"
)

func TestDirectoryIsResolvedOnceByTheKernelsRules(t *testing.T) {
	base := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(base, "app/releases/7"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(base, "other"), 0o700))
	require.NoError(t, os.Symlink("releases/7", filepath.Join(base, "app", "current")))
	for path, want := range map[string]string{
		"app/current/../data":                      "app/releases/data",
		filepath.Join(base, "app") + "/current/..": "app/releases",
		".": "",
	} {
		t.Chdir(base)
		d, err := snapshot.NewDirectory(path)
		require.NoError(t, err)
		t.Chdir(filepath.Join(base, "other"))
		h := newCourse(t)
		handle, err := h.take(d, "one")
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(base, want, "one"))
		_, err = snapshot.ReadHandle(context.Background(), d, "one")
		require.NoError(t, err)
		require.NotEmpty(t, handle.Files)
		require.NoError(t, d.RemoveLeftovers())
		require.NoError(t, d.Remove("one"))
		require.NoFileExists(t, filepath.Join(base, want, "one"))
	}
	t.Chdir(base)
	for path, want := range map[string]error{"": fs.ErrInvalid, "missing/../data": fs.ErrNotExist} {
		_, err := snapshot.NewDirectory(path)
		require.ErrorIs(t, err, want, "%q", path)
	}
	require.NoDirExists(t, "missing")
	require.NoDirExists(t, "data")
}

func TestIrregularFilesAreRefusedAndLinksNotFollowed(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	precious := filepath.Join(outside, "precious")
	require.NoError(t, os.WriteFile(precious, []byte("mine"), 0o600))
	d, err := snapshot.NewDirectory(root)
	require.NoError(t, err)
	leftover := ".x.01234567.tmp"
	for name, plant := range map[string]func(path string) error{
		"link":          func(path string) error { return os.Symlink(precious, path) },
		"dangling-link": func(path string) error { return os.Symlink(precious+"-gone", path) },
		"pipe":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory":     func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		path := filepath.Join(root, name)
		require.NoError(t, plant(path))
		require.NoError(t, plant(filepath.Join(root, leftover)))
		await.End(t, func() {
			_, err := snapshot.ReadHandle(context.Background(), d, name)
			require.ErrorIs(t, err, snapshot.ErrNotRegular, name)
		})
		f, err := d.Create(context.Background(), name)
		if err == nil {
			err = errors.Join(f.Commit(), f.Abort())
		}
		require.ErrorIs(t, err, fs.ErrExist, name)
		require.ErrorIs(t, d.RemoveLeftovers(), snapshot.ErrNotRegular, name)
		_, err = os.Lstat(filepath.Join(root, leftover))
		require.NoError(t, err, name)
		require.NoError(t, os.Remove(filepath.Join(root, leftover)))
		names, err := d.List()
		require.NoError(t, err)
		require.Equal(t, []string{name}, names)
		err = d.Remove(name)
		if strings.Contains(name, "link") {
			require.NoError(t, err, name) // removes the link itself
			continue
		}
		require.ErrorIs(t, err, snapshot.ErrNotRegular, name)
		_, err = os.Lstat(path)
		require.NoError(t, err, name)
		require.NoError(t, os.Remove(path))
	}
	content, err := os.ReadFile(precious)
	require.NoError(t, err)
	require.Equal(t, "mine", string(content))
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestDirectoryReturnsTheContextsCause(t *testing.T) {
	d, err := snapshot.NewDirectory(t.TempDir())
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(snapshot.ErrCanceled)
	_, err = d.Create(ctx, "a")
	require.ErrorIs(t, err, snapshot.ErrCanceled)
	_, err = d.Open(ctx, "a")
	require.ErrorIs(t, err, snapshot.ErrCanceled)
}
