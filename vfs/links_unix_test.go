//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package vfs

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// linkedTree returns a directory with links as deployments have them.
func linkedTree(t *testing.T) (root string) {
	t.Helper()
	root, err := Real{}.Resolve(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(root, "app/releases/7"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o600))
	for link, to := range map[string]string{
		"app/current": "releases/7", // app/current/.. is app/releases
		"abs":         filepath.Join(root, "app"),
		"twice":       "abs/current",
		"dangling":    "none",
		"self":        "self",
		"ping":        "pong",
		"pong":        "ping",
		"tofile":      "file",
	} {
		require.NoError(t, os.Symlink(to, filepath.Join(root, link)))
	}
	return root
}

func TestResolveFollowsLinksAsTheKernelDoes(t *testing.T) {
	root := linkedTree(t)
	for name, want := range map[string]string{
		"app/current":               "app/releases/7",
		"app/current/":              "app/releases/7",
		"app/current/../data":       "app/releases/data",
		"app/current/../../data":    "app/data",
		"abs/current/x/y":           "app/releases/7/x/y",
		"twice/..":                  "app/releases",
		"twice/../../releases/new/": "app/releases/new",
		"tofile":                    "file",
	} {
		got, err := Real{}.Resolve(root + "/" + name)
		require.NoError(t, err, name)
		require.Equal(t, filepath.Join(root, want), got, name)
		if info, err := os.Stat(root + "/" + name); err == nil { // the kernel agrees
			same, err := os.Lstat(got)
			require.NoError(t, err)
			require.True(t, os.SameFile(info, same), name)
		}
	}
	for name, want := range map[string]error{
		"dangling": fs.ErrNotExist, "dangling/x": fs.ErrNotExist, "dangling/..": fs.ErrNotExist,
		"self": syscall.ELOOP, "ping": syscall.ELOOP, "ping/x": syscall.ELOOP,
		"tofile/": syscall.ENOTDIR, "tofile/x": syscall.ENOTDIR,
		"app/current/none/../x": fs.ErrNotExist,
	} {
		_, err := Real{}.Resolve(root + "/" + name)
		requireError(t, err, want)
	}
}

func TestResolveCountsLinks(t *testing.T) {
	root := linkedTree(t)
	name := root + strings.Repeat("/app/current/../../..", maxLinks)
	got, err := Real{}.Resolve(name)
	require.NoError(t, err)
	require.Equal(t, root, got)
	_, err = Real{}.Resolve(name + "/twice")
	requireError(t, err, syscall.ELOOP)
}

func TestResolvedNameOutlivesTheWorkingDirectory(t *testing.T) {
	root := linkedTree(t)
	t.Chdir(filepath.Join(root, "twice"))
	for name, want := range map[string]string{"store": "app/releases/7/store", ".": "app/releases/7", "../data": "app/releases/data"} {
		got, err := Real{}.Resolve(name)
		require.NoError(t, err)
		require.Equal(t, filepath.Join(root, want), got)
	}
	require.NoError(t, os.Remove(filepath.Join(root, "app/releases/7")))
	_, err := Real{}.Resolve("store")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// irregulars creates every type of file that is neither regular nor a directory, and returns the
// path of each.
func irregulars(t *testing.T) map[string]string {
	t.Helper()
	root, err := os.MkdirTemp("", "vfs") // socket paths must be short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(root) })
	at := func(name string) string { return filepath.Join(root, name) }
	require.NoError(t, syscall.Mkfifo(at("fifo"), 0o600))
	listener, err := net.Listen("unix", at("socket"))
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	require.NoError(t, os.WriteFile(at("file"), []byte("content"), 0o600))
	require.NoError(t, os.Mkdir(at("dir"), 0o700))
	all := map[string]string{
		"named pipe": at("fifo"), "socket": at("socket"), "device": "/dev/zero",
	}
	for link, to := range map[string]string{"link": "file", "link to a directory": "dir", "link to a pipe": "fifo", "dangling link": "none", "looping link": "looping link"} {
		require.NoError(t, os.Symlink(to, at(link)))
		all[link] = at(link)
	}
	return all
}

// If Open blocks, the time limit of the test binary ends the test.
func TestNothingButARegularFileIsOpened(t *testing.T) {
	for kind, name := range irregulars(t) {
		_, err := Real{}.Open(name)
		requireError(t, err, ErrNotRegular)
		require.Contains(t, err.Error(), strings.TrimPrefix(kind, "dangling "))
		requireError(t, Real{}.Link(name, filepath.Join(t.TempDir(), "second")), ErrNotRegular)
		_, err = Real{}.Lock(name)
		requireError(t, err, ErrNotRegular)
		_, err = Real{}.Create(name)
		requireError(t, err, fs.ErrExist)
	}
}

func TestNothingButADirectoryIsListedOrSynced(t *testing.T) {
	for kind, name := range irregulars(t) {
		want := error(syscall.ENOTDIR)
		if strings.Contains(kind, "link") {
			want = ErrNotRegular
			requireError(t, Real{}.MkdirAll(name), want)
		}
		_, err := Real{}.List(name)
		requireError(t, err, want)
		requireError(t, Real{}.SyncDir(name), want)
	}
}

func TestRemovalOfALinkRemovesTheLinkOnly(t *testing.T) {
	root := linkedTree(t)
	at := func(name string) string { return filepath.Join(root, name) }
	require.NoError(t, os.WriteFile(at("app/releases/7/kept"), nil, 0o600))
	require.NoError(t, os.Symlink(at("app"), at("app/releases/up")))
	require.NoError(t, os.Mkdir(at("dir"), 0o700))
	require.NoError(t, os.Symlink(at("app"), at("dir/link")))
	require.NoError(t, Real{}.RemoveAll(at("abs")))
	require.NoError(t, Real{}.RemoveAll(at("dir")))
	require.NoError(t, Real{}.Remove(at("app/current")))
	_, err := os.Stat(at("app/releases/7/kept"))
	require.NoError(t, err)

	writeFile(t, Real{}, at("new"), "new")
	require.NoError(t, Real{}.Rename(at("new"), at("tofile"))) // the link is replaced
	require.Equal(t, "new", readFile(t, Real{}, at("tofile")))
	require.Empty(t, readFile(t, Real{}, at("file")))
}
