//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package durable

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
)

func TestMkdirAllRefusesPipesAndLinks(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, syscall.Mkfifo(at("pipe"), 0o600))
	require.NoError(t, os.Mkdir(at("dir"), 0o700))
	require.NoError(t, os.Symlink("dir", at("link")))
	require.NoError(t, os.Symlink("missing", at("dangling")))
	for name, want := range map[string]error{
		"pipe": syscall.ENOTDIR, "link": vfs.ErrNotRegular, "dangling": vfs.ErrNotRegular, "link/d": vfs.ErrNotRegular,
	} {
		requireError(t, MkdirAll(vfs.Real{}, at(name)), want)
	}
	names, err := vfs.Real{}.List(at("dir"))
	require.NoError(t, err)
	require.Empty(t, names)
}

func TestPublishReplacesALinkAndKeepsItsTarget(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	writeFile(t, vfs.Real{}, at("file"), "kept")
	require.NoError(t, os.Symlink("file", at("link")))
	require.NoError(t, Publish(vfs.Real{}, at("link"), writes("new", 1, 1)))
	require.Equal(t, "new", readFile(t, vfs.Real{}, at("link")))
	require.Equal(t, "kept", readFile(t, vfs.Real{}, at("file")))
}
