package checkpoint

import (
	"bytes"
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// lockingObjects are Objects that are a Locker as well, as Files and objects in memory are.
type lockingObjects interface {
	Objects
	Locker
}

// forEachObjects runs a test on each implementation of Objects.
func forEachObjects(t *testing.T, test func(t *testing.T, objects lockingObjects)) {
	t.Run("memory", func(t *testing.T) {
		test(t, newMemoryObjects(&memoryBudget{limitBytes: math.MaxInt64}))
	})
	t.Run("files", func(t *testing.T) {
		files, err := NewFiles(t.TempDir() + "/a/b")
		require.NoError(t, err)
		test(t, files)
	})
	t.Run("files in memory", func(t *testing.T) { test(t, filesOn(t, vfstest.NewMem(vfstest.MemOptions{}))) })
}

func filesOn(t testing.TB, fsys vfs.FS) *Files {
	files, err := FilesOn(fsys, "root")
	require.NoError(t, err)
	return files
}

func putObject(t testing.TB, objects Objects, name, content string) {
	t.Helper()
	require.NoError(t, writeObject(context.Background(), objects, name, []byte(content)))
}

func getObject(t testing.TB, objects Objects, name string) string {
	t.Helper()
	o, err := objects.Open(context.Background(), name)
	require.NoError(t, err)
	size, err := o.Size()
	require.NoError(t, err)
	require.NoError(t, o.Close())
	content, err := readObject(context.Background(), objects, name, size)
	require.NoError(t, err)
	return string(content)
}

// namesOf returns the names of objects, without directories. It appends a question mark to
// those of unfinished objects, and an exclamation mark to irregular ones.
func namesOf(t testing.TB, objects Objects, prefix string) (names []string) {
	t.Helper()
	listed, err := objects.List(context.Background(), prefix)
	require.NoError(t, err)
	for _, o := range listed {
		switch {
		case o.isDirectory():
		case o.Irregular != nil:
			names = append(names, o.Name+"!")
		case o.Unfinished:
			names = append(names, o.Of+"?")
		default:
			names = append(names, o.Name)
		}
	}
	return names
}

func TestObjectOfAnotherSizeIsCorrupt(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		content := bytes.Repeat([]byte("x"), 100)
		putObject(t, objects, "a", string(content))
		for _, size := range []int64{0, 99, 101, math.MaxInt64, -1} {
			_, err := readObject(context.Background(), objects, "a", size)
			require.ErrorIs(t, err, ErrCorrupt)
		}
	})
}
