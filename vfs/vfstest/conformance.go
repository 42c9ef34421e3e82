package vfstest

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
)

// Run tests that a file system keeps the promises of vfs.FS, vfs.File and vfs.Lock, with a subtest
// for each property. For each, it calls open, which returns a file system and an empty directory in
// it, as an absolute path or the root of a Mem.
//
// Run cannot cut power, so it does not test that Sync and SyncDir make data durable. On Windows it
// skips some rules, because the system has others.
func Run(t *testing.T, open func(t *testing.T) (fsys vfs.FS, dir string)) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) {
			fsys, dir := open(t)
			c.test(t, fsys, func(name string) string { return filepath.Join(dir, name) })
		})
	}
}

// conformance has the properties of every FS. Each test gets an empty directory.
var conformance = []struct {
	name string
	test func(t testing.TB, fsys vfs.FS, at func(name string) string)
}{
	{"CreateIsExclusive", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		writeFile(t, fsys, at("a"), "first")
		_, err := fsys.Create(at("a"))
		requireError(t, err, fs.ErrExist)
		require.NoError(t, fsys.MkdirAll(at("d")))
		_, err = fsys.Create(at("d"))
		requireError(t, err, fs.ErrExist)
		_, err = fsys.Create(at("none/a"))
		requireError(t, err, fs.ErrNotExist)
		_, err = fsys.Create(at("a/b"))
		requireError(t, err, syscall.ENOTDIR)
		require.Equal(t, "first", readFile(t, fsys, at("a")))
	}},
	{"OpenReadsOnly", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		_, err := fsys.Open(at("a"))
		requireError(t, err, fs.ErrNotExist)
		writeFile(t, fsys, at("a"), "content")
		f, err := fsys.Open(at("a"))
		require.NoError(t, err)
		defer f.Close()
		_, err = f.Write([]byte("x"))
		require.Error(t, err)
		require.NoError(t, fsys.MkdirAll(at("d")))
		_, err = fsys.Open(at("d"))
		requireError(t, err, syscall.EISDIR)
		_, err = fsys.Open(at("a/b"))
		requireError(t, err, syscall.ENOTDIR)
	}},
	{"DirectoryIsNoFile", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		require.NoError(t, fsys.MkdirAll(at("d")))
		_, err := fsys.Open(at("d"))
		requireError(t, err, vfs.ErrNotRegular)
		requireError(t, fsys.Link(at("d"), at("e")), vfs.ErrNotRegular)
		_, err = fsys.Lock(at("d"))
		requireError(t, err, vfs.ErrNotRegular)
	}},
	{"ResolveGoesElementByElement", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		root, err := fsys.Resolve(at("."))
		require.NoError(t, err)
		require.NoError(t, fsys.MkdirAll(at("d/e")))
		writeFile(t, fsys, at("a"), "")
		for name, want := range map[string]string{
			"/d/e": "d/e", "/d//./e/": "d/e", "/d/e/../..": "", "/d/../d/e/..": "d", "/a": "a",
			"/x": "x", "/d/x/y/": "d/x/y", "/x/./y": "x/y", "/d/../x": "x",
		} {
			got, err := fsys.Resolve(root + filepath.FromSlash(name))
			require.NoError(t, err, name)
			require.Equal(t, filepath.Join(root, want), got, name)
			require.True(t, strings.HasPrefix(filepath.ToSlash(got), "/") || filepath.IsAbs(got))
		}
		_, err = fsys.Resolve("")
		requireError(t, err, fs.ErrInvalid)
		if runtime.GOOS == "windows" {
			return // Windows removes x/.. first
		}
		for name, want := range map[string]error{
			"/x/..": fs.ErrNotExist, "/x/../d": fs.ErrNotExist, "/d/x/../e": fs.ErrNotExist, "/d/x/y/..": fs.ErrNotExist,
			"/a/": syscall.ENOTDIR, "/a/.": syscall.ENOTDIR, "/a/..": syscall.ENOTDIR, "/a/b": syscall.ENOTDIR,
		} {
			_, err := fsys.Resolve(root + name)
			requireError(t, err, want)
		}
	}},
	{"WriteAppendsAndMovesRead", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		f, err := fsys.Create(at("a"))
		require.NoError(t, err)
		defer f.Close()
		for _, part := range []string{"abc", "", "def"} {
			n, err := f.Write([]byte(part))
			require.NoError(t, err)
			require.Equal(t, len(part), n)
		}
		n, err := f.Read(make([]byte, 1))
		require.Zero(t, n)
		require.Equal(t, io.EOF, err)
		b := make([]byte, 6)
		_, err = f.ReadAt(b, 0)
		require.NoError(t, err)
		require.Equal(t, "abcdef", string(b))
		size, err := f.Size()
		require.NoError(t, err)
		require.EqualValues(t, 6, size)

		g, err := fsys.Open(at("a"))
		require.NoError(t, err)
		defer g.Close()
		_, err = io.ReadFull(g, b[:4])
		require.NoError(t, err)
		_, err = f.Write([]byte("ghi"))
		require.NoError(t, err)
		_, err = io.Copy(f, io.NewSectionReader(f, 0, 3))
		require.NoError(t, err)
		rest, err := io.ReadAll(g)
		require.NoError(t, err)
		require.Equal(t, "efghiabc", string(rest))
	}},
	{"ReadsAtTheEnd", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		writeFile(t, fsys, at("a"), "abc")
		f, err := fsys.Open(at("a"))
		require.NoError(t, err)
		defer f.Close()
		b := make([]byte, 2)
		n, err := f.ReadAt(b, 2)
		require.Equal(t, 1, n)
		require.Equal(t, io.EOF, err)
		n, err = f.ReadAt(b, 1<<40)
		require.Zero(t, n)
		require.Equal(t, io.EOF, err)
		n, err = f.ReadAt(nil, 3)
		require.Zero(t, n)
		require.NoError(t, err)
		n, err = f.Read(nil)
		require.Zero(t, n)
		require.NoError(t, err)
		_, err = f.ReadAt(b, -1)
		require.Error(t, err)
	}},
	{"UseAfterCloseFails", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		f, err := fsys.Create(at("a"))
		require.NoError(t, err)
		require.NoError(t, f.Close())
		_, err = f.Read(make([]byte, 1))
		requireError(t, err, fs.ErrClosed)
		_, err = f.ReadAt(make([]byte, 1), 0)
		requireError(t, err, fs.ErrClosed)
		_, err = f.Write([]byte("x"))
		requireError(t, err, fs.ErrClosed)
		_, err = f.Size()
		require.ErrorIs(t, err, fs.ErrClosed)
		requireError(t, f.Sync(), fs.ErrClosed)
		requireError(t, f.Close(), fs.ErrClosed)
	}},
	{"RemoveLeavesOpenFiles", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		requireError(t, fsys.Remove(at("a")), fs.ErrNotExist)
		f, err := fsys.Create(at("a"))
		require.NoError(t, err)
		defer f.Close()
		_, err = f.Write([]byte("abc"))
		require.NoError(t, err)
		require.NoError(t, fsys.Remove(at("a")))
		_, err = fsys.Stat(at("a"))
		requireError(t, err, fs.ErrNotExist)

		writeFile(t, fsys, at("a"), "another")
		_, err = f.Write([]byte("def"))
		require.NoError(t, err)
		require.NoError(t, f.Sync())
		b := make([]byte, 6)
		_, err = f.ReadAt(b, 0)
		require.NoError(t, err)
		require.Equal(t, "abcdef", string(b))
		require.Equal(t, "another", readFile(t, fsys, at("a")))
	}},
	{"RemoveOfDirectories", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		require.NoError(t, fsys.MkdirAll(at("d/e")))
		requireError(t, fsys.Remove(at("d")), syscall.ENOTEMPTY)
		require.NoError(t, fsys.Remove(at("d/e")))
		require.NoError(t, fsys.Remove(at("d")))
		_, err := fsys.Stat(at("d"))
		requireError(t, err, fs.ErrNotExist)
	}},
	{"RemoveAll", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		require.NoError(t, fsys.MkdirAll(at("d/e")))
		writeFile(t, fsys, at("d/a"), "1")
		writeFile(t, fsys, at("d/e/b"), "2")
		writeFile(t, fsys, at("c"), "3")
		require.NoError(t, fsys.RemoveAll(at("d")))
		require.NoError(t, fsys.RemoveAll(at("d")))
		require.NoError(t, fsys.RemoveAll(at("d/e")))
		require.NoError(t, fsys.RemoveAll(at("c")))
		names, err := fsys.List(at("."))
		require.NoError(t, err)
		require.Empty(t, names)
	}},
	{"RenameReplacesAndLeavesOpenFiles", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		requireError(t, fsys.Rename(at("a"), at("b")), fs.ErrNotExist)
		writeFile(t, fsys, at("b"), "old")
		old, err := fsys.Open(at("b"))
		require.NoError(t, err)
		defer old.Close()
		f, err := fsys.Create(at("a"))
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, fsys.Rename(at("a"), at("b")))
		_, err = f.Write([]byte("new"))
		require.NoError(t, err)
		require.Equal(t, "new", readFile(t, fsys, at("b")))
		_, err = fsys.Open(at("a"))
		requireError(t, err, fs.ErrNotExist)
		b, err := io.ReadAll(old)
		require.NoError(t, err)
		require.Equal(t, "old", string(b))
		require.NoError(t, fsys.Rename(at("b"), at("b")))

		require.NoError(t, fsys.MkdirAll(at("d")))
		require.NoError(t, fsys.Rename(at("b"), at("d/c")))
		require.Equal(t, "new", readFile(t, fsys, at("d/c")))
		requireError(t, fsys.Rename(at("d/c"), at("none/c")), fs.ErrNotExist)
		require.Equal(t, "new", readFile(t, fsys, at("d/c")))
	}},
	{"RenameRefusesDirectories", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		require.NoError(t, fsys.MkdirAll(at("d")))
		writeFile(t, fsys, at("a"), "1")
		requireError(t, fsys.Rename(at("a"), at("d")), fs.ErrExist)
		requireError(t, fsys.Rename(at("d"), at("a")), syscall.EISDIR)
		requireError(t, fsys.Rename(at("d"), at("e")), syscall.EISDIR)
	}},
	{"LinkIsASecondName", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		requireError(t, fsys.Link(at("a"), at("b")), fs.ErrNotExist)
		f, err := fsys.Create(at("a"))
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, fsys.Link(at("a"), at("b")))
		_, err = f.Write([]byte("abc"))
		require.NoError(t, err)
		require.Equal(t, "abc", readFile(t, fsys, at("b")))
		requireError(t, fsys.Link(at("a"), at("b")), fs.ErrExist)
		require.NoError(t, fsys.Rename(at("a"), at("b"))) // POSIX: one file, nothing to do
		require.NoError(t, fsys.Remove(at("a")))
		require.Equal(t, "abc", readFile(t, fsys, at("b")))
		requireError(t, fsys.Link(at("b"), at("none/b")), fs.ErrNotExist)
		require.NoError(t, fsys.MkdirAll(at("d")))
		require.Error(t, fsys.Link(at("d"), at("e")))
	}},
	{"MkdirAll", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		require.NoError(t, fsys.MkdirAll(at("d/e/f")))
		require.NoError(t, fsys.MkdirAll(at("d/e/f")))
		info, err := fsys.Stat(at("d/e/f"))
		require.NoError(t, err)
		require.True(t, info.IsDir())
		writeFile(t, fsys, at("a"), "")
		requireError(t, fsys.MkdirAll(at("a")), syscall.ENOTDIR)
		requireError(t, fsys.MkdirAll(at("a/b")), syscall.ENOTDIR)
	}},
	{"ListIsSorted", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		for _, name := range []string{"b", "c", "B", "a"} {
			writeFile(t, fsys, at(name), "")
		}
		require.NoError(t, fsys.MkdirAll(at("aa/x")))
		names, err := fsys.List(at("."))
		require.NoError(t, err)
		require.Equal(t, []string{"B", "a", "aa", "b", "c"}, names)
		_, err = fsys.List(at("none"))
		requireError(t, err, fs.ErrNotExist)
		_, err = fsys.List(at("a"))
		requireError(t, err, syscall.ENOTDIR)
	}},
	{"StatAndModes", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		require.NoError(t, fsys.MkdirAll(at("d/e")))
		writeFile(t, fsys, at("d/a"), "abc")
		info, err := fsys.Stat(at("d/a"))
		require.NoError(t, err)
		require.Equal(t, "a", info.Name())
		require.EqualValues(t, 3, info.Size())
		require.False(t, info.IsDir())
		requireMode(t, 0o600, info)
		for _, dir := range []string{"d", "d/e"} {
			info, err = fsys.Stat(at(dir))
			require.NoError(t, err)
			require.Equal(t, filepath.Base(dir), info.Name())
			requireMode(t, fs.ModeDir|0o700, info)
		}
		_, err = fsys.Stat(at("d/b"))
		requireError(t, err, fs.ErrNotExist)
		link, err := fsys.Lstat(at("d/e"))
		require.NoError(t, err)
		require.Equal(t, info.Mode(), link.Mode())
		_, err = fsys.Lstat(at("d/b"))
		requireError(t, err, fs.ErrNotExist)
	}},
	{"SyncAndSyncDir", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		f, err := fsys.Create(at("a"))
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, f.Sync())
		require.NoError(t, fsys.SyncDir(at(".")))
		err = fsys.SyncDir(at("none"))
		requireError(t, err, fs.ErrNotExist)
		require.NotErrorIs(t, err, vfs.ErrUnsynced, "nothing was opened")
		requireError(t, fsys.SyncDir(at("a")), syscall.ENOTDIR)
	}},
	{"LockExcludes", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		lock, err := fsys.Lock(at("LOCK"))
		require.NoError(t, err)
		_, err = fsys.Lock(at("LOCK"))
		requireError(t, err, vfs.ErrLocked)
		require.NoError(t, fsys.MkdirAll(at("other")))
		other, err := fsys.Lock(at("other/LOCK"))
		require.NoError(t, err)
		require.NoError(t, other.Close())
		require.NoError(t, lock.Check())
		require.NoError(t, lock.Close())
		require.NoError(t, lock.Close(), "twice")

		closed := lock
		lock, err = fsys.Lock(at("LOCK"))
		require.NoError(t, err)
		require.NoError(t, closed.Close(), "beside another owner")
		_, err = fsys.Lock(at("LOCK"))
		requireError(t, err, vfs.ErrLocked)
		require.NoError(t, lock.Close())
		_, err = fsys.Lock(at("none/LOCK"))
		requireError(t, err, fs.ErrNotExist)
		require.NoError(t, fsys.MkdirAll(at("d")))
		_, err = fsys.Lock(at("d"))
		requireError(t, err, syscall.EISDIR)
	}},
	{"LockOutlivesItsFile", func(t testing.TB, fsys vfs.FS, at func(string) string) {
		if runtime.GOOS == "windows" {
			return // a file that is locked cannot be removed there
		}
		lock, err := fsys.Lock(at("LOCK"))
		require.NoError(t, err)
		require.NoError(t, fsys.Remove(at("LOCK")))
		requireError(t, lock.Check(), vfs.ErrLockLost)
		requireError(t, lock.Check(), vfs.ErrLocked)
		_, err = fsys.Lock(at("LOCK"))
		requireError(t, err, vfs.ErrLocked)
		writeFile(t, fsys, at("LOCK"), "another")
		requireError(t, lock.Check(), vfs.ErrLockLost)
		_, err = fsys.Lock(at("LOCK"))
		requireError(t, err, vfs.ErrLocked)
		require.NoError(t, lock.Close())
		lock, err = fsys.Lock(at("LOCK"))
		require.NoError(t, err)
		require.NoError(t, lock.Check())
		require.NoError(t, lock.Close())

		require.NoError(t, fsys.MkdirAll(at("d")))
		lock, err = fsys.Lock(at("d/LOCK"))
		require.NoError(t, err)
		require.NoError(t, fsys.RemoveAll(at("d")))
		requireError(t, lock.Check(), vfs.ErrLockLost)
		require.NoError(t, lock.Close())
	}},
}

// requireError checks that err is target, in an error with the name of the file.
func requireError(t testing.TB, err, target error) {
	t.Helper()
	require.ErrorIs(t, err, target)
	switch err.(type) {
	case *fs.PathError, *os.LinkError:
	default:
		require.Failf(t, "no names", "%T: %v", err, err)
	}
}

// requireMode checks type and permissions of a file. Windows has no permissions.
func requireMode(t testing.TB, want fs.FileMode, info fs.FileInfo) {
	t.Helper()
	got := info.Mode()
	if runtime.GOOS == "windows" {
		want, got = want.Type(), got.Type()
	}
	require.Equal(t, want, got)
}

// writeFile creates a file and closes it without a sync.
func writeFile(t testing.TB, fsys vfs.FS, name, content string) {
	t.Helper()
	f, err := fsys.Create(name)
	require.NoError(t, err)
	_, err = f.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func readFile(t testing.TB, fsys vfs.FS, name string) string {
	t.Helper()
	content, err := content(fsys, name)
	require.NoError(t, err)
	return content
}

func content(fsys vfs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}
