package hdfsstore

import (
	"io"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/colinmarc/hdfs/v2"
	"github.com/stretchr/testify/require"
)

// assumptions are what Store assumes of a NameNode and the library. They run against the fake here
// and against a real NameNode in namenode_real_test.go, so that the fake cannot differ unnoticed.
// Each gets an existing empty directory.
var assumptions = []struct {
	name  string
	check func(t *testing.T, c client, dir string)
}{
	{"a missing path is fs.ErrNotExist", func(t *testing.T, c client, dir string) {
		for _, p := range []string{dir + "/a", dir + "/a/b"} {
			_, err := c.stat(p)
			require.ErrorIs(t, err, fs.ErrNotExist)
			_, err = c.list(p)
			require.ErrorIs(t, err, fs.ErrNotExist)
			_, err = c.open(p)
			require.ErrorIs(t, err, fs.ErrNotExist)
			_, err = c.create(dir + "/a/b/c")
			require.ErrorIs(t, err, fs.ErrNotExist)
			require.ErrorIs(t, c.remove(p), fs.ErrNotExist)
			require.ErrorIs(t, c.rename(p, dir+"/x"), fs.ErrNotExist)
			require.NoError(t, c.removeTree(p))
		}
	}},
	{"makeDirs makes all parents, for the owner only", func(t *testing.T, c client, dir string) {
		require.NoError(t, c.makeDirs(dir+"/a/b/c"))
		require.NoError(t, c.makeDirs(dir+"/a/b/c"))
		for _, p := range []string{"/a", "/a/b", "/a/b/c"} {
			s, err := c.stat(dir + p)
			require.NoError(t, err)
			require.True(t, s.IsDir())
			require.Equal(t, dirMode|fs.ModeDir, s.Mode(), p)
			require.Equal(t, strings.Count("/a/b/c", "/")-strings.Count(p, "/") > 0, s.children == 1, p)
		}
	}},
	{"a file is no directory", func(t *testing.T, c client, dir string) {
		writeFile(t, c, dir+"/file", "text")
		require.ErrorIs(t, c.makeDirs(dir+"/file"), fs.ErrExist)
		err := c.makeDirs(dir + "/file/a/b")
		require.Contains(t, answer(err).Exception(), "ParentNotDirectory")
		require.False(t, isTransient(err))
		_, err = c.stat(dir + "/file/a")
		require.ErrorIs(t, err, fs.ErrNotExist)
		_, err = c.list(dir + "/file")
		require.ErrorIs(t, err, syscall.ENOTDIR)
	}},
	{"create does not replace a file, and makes it for the owner only", func(t *testing.T, c client, dir string) {
		writeFile(t, c, dir+"/file", "text")
		_, err := c.create(dir + "/file")
		require.ErrorIs(t, err, fs.ErrExist)
		s, err := c.stat(dir + "/file")
		require.NoError(t, err)
		require.Equal(t, fileMode, s.Mode())
		require.EqualValues(t, 4, s.size)
		require.Equal(t, "text", readFile(t, c, dir+"/file"))
	}},
	{"list returns the children with their sizes in order", func(t *testing.T, c client, dir string) {
		writeFile(t, c, dir+"/b", "text")
		require.NoError(t, c.makeDirs(dir+"/a/x"))
		require.NoError(t, c.makeDirs(dir+"/c"))
		require.NoError(t, c.makeDirs(dir+"/.d"))
		children, err := c.list(dir)
		require.NoError(t, err)
		var names []string
		for _, child := range children {
			names = append(names, child.name)
			s, err := c.stat(dir + "/" + child.name)
			require.NoError(t, err)
			s.name = child.name
			require.Equal(t, s, child)
		}
		require.Equal(t, []string{".d", "a", "b", "c"}, names)
		require.Equal(t, 1, children[1].children)
		require.EqualValues(t, 4, children[2].size)
	}},
	{"a directory is renamed with its content, and inodes stay", func(t *testing.T, c client, dir string) {
		before := makeObject(t, c, dir+"/.x.tmp", "text")
		require.NoError(t, c.rename(dir+"/.x.tmp", dir+"/x"))
		after, err := c.stat(dir + "/x/" + objectFile)
		require.NoError(t, err)
		require.Equal(t, before.id, after.id)
		require.NotZero(t, after.id)
		require.Equal(t, "text", readFile(t, c, dir+"/x/"+objectFile))
		require.ErrorIs(t, c.rename(dir+"/.x.tmp", dir+"/x"), fs.ErrNotExist)
		require.NotEqual(t, before.id, makeObject(t, c, dir+"/.x.tmp", "text").id)
	}},
	{"a directory does not replace one that is not empty", func(t *testing.T, c client, dir string) {
		first, second := makeObject(t, c, dir+"/x", "first"), makeObject(t, c, dir+"/.x.tmp", "second")
		err := c.rename(dir+"/.x.tmp", dir+"/x")
		require.Equal(t, classRefused, answer(err).Exception())
		require.False(t, isTransient(err))
		requireInode(t, c, dir+"/x/"+objectFile, first)
		requireInode(t, c, dir+"/.x.tmp/"+objectFile, second)
		children, err := c.list(dir + "/x")
		require.NoError(t, err)
		require.Len(t, children, 1, "the directory was not moved below the other")
	}},
	{"a directory does not replace a file", func(t *testing.T, c client, dir string) {
		writeFile(t, c, dir+"/x", "first")
		makeObject(t, c, dir+"/.x.tmp", "second")
		err := c.rename(dir+"/.x.tmp", dir+"/x")
		require.Equal(t, classRefused, answer(err).Exception())
		require.False(t, isTransient(err))
		require.Equal(t, "first", readFile(t, c, dir+"/x"))
	}},
	{"a directory replaces an empty one", func(t *testing.T, c client, dir string) {
		require.NoError(t, c.makeDirs(dir+"/x"))
		object := makeObject(t, c, dir+"/.x.tmp", "text")
		require.NoError(t, c.rename(dir+"/.x.tmp", dir+"/x"))
		requireInode(t, c, dir+"/x/"+objectFile, object)
	}},
	{"a rename does not make the parent", func(t *testing.T, c client, dir string) {
		makeObject(t, c, dir+"/.x.tmp", "text")
		require.ErrorIs(t, c.rename(dir+"/.x.tmp", dir+"/a/x"), fs.ErrNotExist)
	}},
	{"remove removes files and empty directories", func(t *testing.T, c client, dir string) {
		makeObject(t, c, dir+"/x", "text")
		require.ErrorIs(t, c.remove(dir+"/x"), syscall.ENOTEMPTY)
		require.NoError(t, c.remove(dir+"/x/"+objectFile))
		s, err := c.stat(dir + "/x")
		require.NoError(t, err)
		require.Zero(t, s.children)
		require.NoError(t, c.remove(dir+"/x"))
	}},
	{"a file has no size before it is complete", func(t *testing.T, c client, dir string) {
		w, err := c.create(dir + "/x")
		require.NoError(t, err)
		_, err = w.Write([]byte("text"))
		require.NoError(t, err)
		s, err := c.stat(dir + "/x")
		require.NoError(t, err)
		require.Zero(t, s.size)
		complete(t, w)
		s, err = c.stat(dir + "/x")
		require.NoError(t, err)
		require.EqualValues(t, 4, s.size)
	}},
	{"a file that is being written can be removed, and cannot be completed then", func(t *testing.T, c client, dir string) {
		require.NoError(t, c.makeDirs(dir+"/a"))
		w, err := c.create(dir + "/a/x")
		require.NoError(t, err)
		_, err = w.Write([]byte("text"))
		require.NoError(t, err)
		require.NoError(t, c.removeTree(dir+"/a"))
		err = w.Close()
		require.NotNil(t, answer(err), "%v", err)
		require.False(t, isTransient(err))
		_, err = c.stat(dir + "/a")
		require.ErrorIs(t, err, fs.ErrNotExist)
	}},
	{"a reader stands at the offset of Seek", func(t *testing.T, c client, dir string) {
		writeFile(t, c, dir+"/x", strings.Repeat("a", 1000)+"text")
		r, err := c.open(dir + "/x")
		require.NoError(t, err)
		require.EqualValues(t, 1004, r.status().size)
		for _, offset := range []int64{1000, 3, 1001, 1001} {
			_, err = r.Seek(offset, io.SeekStart)
			require.NoError(t, err)
			rest, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, strings.Repeat("a", max(0, 1000-int(offset)))+"text"[max(0, int(offset)-1000):], string(rest))
		}
		require.NoError(t, r.Close())
	}},
}

func TestFakeNameNodeMeetsTheAssumptions(t *testing.T) {
	for _, a := range assumptions {
		t.Run(a.name, func(t *testing.T) {
			s, err := newFakeNode().dial(t.Context())
			require.NoError(t, err)
			require.NoError(t, s.client.makeDirs("/dir"))
			a.check(t, s.client, "/dir")
		})
	}
}

func TestFakeNameNodeLetsOneOfTwoRenamesWin(t *testing.T) {
	n := newFakeNode()
	requireOneRenameWins(t, func() client {
		s, err := n.dial(t.Context())
		require.NoError(t, err)
		return s.client
	}, "/dir")
}

// requireOneRenameWins renames two directories to one name at the same moment.
func requireOneRenameWins(t *testing.T, connect func() client, dir string) {
	one, two := connect(), connect()
	require.NoError(t, one.makeDirs(dir))
	for range 20 {
		makeObject(t, one, dir+"/.1.tmp", "1")
		makeObject(t, one, dir+"/.2.tmp", "2")
		var errs [2]error
		var both sync.WaitGroup
		both.Go(func() { errs[0] = one.rename(dir+"/.1.tmp", dir+"/x") })
		both.Go(func() { errs[1] = two.rename(dir+"/.2.tmp", dir+"/x") })
		both.Wait()
		want := "1"
		if errs[0] != nil {
			want, errs[0], errs[1] = "2", errs[1], errs[0]
		}
		require.NoError(t, errs[0])
		require.Equal(t, classRefused, answer(errs[1]).Exception())
		require.Equal(t, want, readFile(t, one, dir+"/x/"+objectFile))
		require.NoError(t, one.removeTree(dir+"/x"))
		require.NoError(t, one.removeTree(dir+"/.1.tmp"))
		require.NoError(t, one.removeTree(dir+"/.2.tmp"))
	}
}

// makeObject makes a directory with the file of an object.
func makeObject(t *testing.T, c client, dir, content string) status {
	t.Helper()
	require.NoError(t, c.makeDirs(dir))
	writeFile(t, c, dir+"/"+objectFile, content)
	s, err := c.stat(dir + "/" + objectFile)
	require.NoError(t, err)
	return s
}

func requireInode(t *testing.T, c client, path string, want status) {
	t.Helper()
	got, err := c.stat(path)
	require.NoError(t, err)
	require.Equal(t, want.id, got.id)
}

func writeFile(t *testing.T, c client, path, content string) {
	t.Helper()
	w, err := c.create(path)
	require.NoError(t, err)
	_, err = w.Write([]byte(content))
	require.NoError(t, err)
	complete(t, w)
}

// complete calls Close until the file is complete.
func complete(t *testing.T, w fileWriter) {
	t.Helper()
	require.Eventually(t, func() bool {
		err := w.Close()
		if err != nil {
			require.ErrorIs(t, err, hdfs.ErrReplicating)
		}
		return err == nil
	}, maxWait, 1)
}

func readFile(t *testing.T, c client, path string) string {
	t.Helper()
	r, err := c.open(path)
	require.NoError(t, err)
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	return string(b)
}
