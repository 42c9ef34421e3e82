package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
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

func TestObjectIsVisibleOnceCommittedAndNeverChanges(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		ctx := context.Background()
		kept, err := objects.Create(ctx, "job/chk-1/a")
		require.NoError(t, err)
		rival, err := objects.Create(ctx, "job/chk-1/a")
		require.NoError(t, err)
		for _, text := range []string{"te", "", "xt"} {
			_, err = kept.Write([]byte(text))
			require.NoError(t, err)
		}
		_, err = rival.Write([]byte("other"))
		require.NoError(t, err)
		_, err = objects.Open(ctx, "job/chk-1/a")
		require.ErrorIs(t, err, fs.ErrNotExist)

		require.NoError(t, kept.Commit())
		require.ErrorIs(t, rival.Commit(), fs.ErrExist)
		require.NoError(t, rival.Abort())
		_, err = objects.Create(ctx, "job/chk-1/a")
		require.ErrorIs(t, err, fs.ErrExist)

		require.ErrorIs(t, kept.Commit(), fs.ErrClosed)
		require.NoError(t, kept.Abort())
		require.Equal(t, "text", getObject(t, objects, "job/chk-1/a"))
		require.Equal(t, []string{"job/chk-1/a"}, namesOf(t, objects, ""))
	})
}

func TestAbortedObjectLeavesNothing(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		f, err := objects.Create(context.Background(), "job/a")
		require.NoError(t, err)
		_, err = f.Write([]byte("text"))
		require.NoError(t, err)
		require.NoError(t, f.Abort())
		require.NoError(t, f.Abort())
		require.ErrorIs(t, f.Commit(), fs.ErrClosed)
		require.Empty(t, namesOf(t, objects, ""))
		putObject(t, objects, "job/a", "another")
	})
}

func TestListIsOrderedAndByPrefix(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		ordered := []string{"job-a/x", "job.b", "jobs/a-", "jobs/a/b/c", "jobs/a/b/d", "jobs/a0", "k"}
		for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(len(ordered)) {
			putObject(t, objects, ordered[i], ordered[i])
		}
		require.Equal(t, ordered, namesOf(t, objects, ""))
		for _, prefix := range []string{"j", "job", "job-", "job-a/", "jobs/", "jobs/a", "jobs/a/", "jobs/a/b", "jobs/a/b/c", "jobs/a/b/c/", "x/", "k/", "kk"} {
			var want []string
			for _, name := range ordered {
				if strings.HasPrefix(name, prefix) {
					want = append(want, name)
				}
			}
			require.Equal(t, want, namesOf(t, objects, prefix), prefix)
		}
		listed, err := objects.List(context.Background(), "jobs/a/b/c")
		require.NoError(t, err)
		require.Equal(t, []ObjectInfo{{Name: "jobs/a/b/c", Size: 10}}, listed)
	})
}

func TestRemoveRemovesOneObject(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		ctx := context.Background()
		putObject(t, objects, "job/a/x", "1")
		putObject(t, objects, "job/a/xy", "2")
		require.NoError(t, objects.Remove(ctx, "job/a/x"))
		require.NoError(t, objects.Remove(ctx, "job/a/x"))
		require.NoError(t, objects.Remove(ctx, "job/none/x"))
		require.NoError(t, objects.Remove(ctx, "job/a/xy/z"))
		require.Equal(t, []string{"job/a/xy"}, namesOf(t, objects, ""))
		putObject(t, objects, "job/a/x", "again")
		require.Equal(t, "again", getObject(t, objects, "job/a/x"))
	})
}

func TestNamesThatLeaveTheStoreAreRefused(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		ctx := context.Background()
		for _, name := range []string{
			"", "/", "/a", "a/", "a//b", "..", "../a", "a/..", "a/../../b", "a/./b", ".a", "a/.b", `a\b`, "a b", "a\x00",
			"a/.b.tmp", strings.Repeat("a", 201),
		} {
			_, err := objects.Create(ctx, name)
			require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
			_, err = objects.Open(ctx, name)
			require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
			require.ErrorIs(t, objects.Remove(ctx, name), snapshot.ErrName, "%q", name)
			_, err = objects.Lock(ctx, name)
			require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
			if name != "" && name != "a/" {
				_, err = objects.List(ctx, name)
				require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
			}
		}
	})
}

func TestOperationsFailIfTheirContextHasEnded(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		putObject(t, objects, "job/a", "text")
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(ErrTimeout)
		_, err := objects.Create(ctx, "job/b")
		require.ErrorIs(t, err, ErrTimeout)
		_, err = objects.Open(ctx, "job/a")
		require.ErrorIs(t, err, ErrTimeout)
		_, err = objects.List(ctx, "")
		require.ErrorIs(t, err, ErrTimeout)
		require.ErrorIs(t, objects.Remove(ctx, "job/a"), ErrTimeout)
		_, err = objects.Lock(ctx, "job/lock")
		require.ErrorIs(t, err, ErrTimeout)
		require.Equal(t, []string{"job/a"}, namesOf(t, objects, ""))
	})
}

func TestLockKeepsTheSecondOut(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		ctx := context.Background()
		lock, err := objects.Lock(ctx, "job/lock")
		require.NoError(t, err)
		_, err = objects.Lock(ctx, "job/lock")
		require.ErrorIs(t, err, ErrLocked)
		other, err := objects.Lock(ctx, "job2/lock")
		require.NoError(t, err)
		require.NoError(t, other.Close())
		require.Empty(t, namesOf(t, objects, ""))
		require.NoError(t, lock.Close())
		require.NoError(t, lock.Close(), "a second Close")
		next, err := objects.Lock(ctx, "job/lock")
		require.NoError(t, err)
		require.NoError(t, lock.Close(), "another owner has the lock now")
		_, err = objects.Lock(ctx, "job/lock")
		require.ErrorIs(t, err, ErrLocked)
		require.NoError(t, next.Close())
	})
}

func TestOneOfManyCreatorsGetsTheName(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		for range 20 {
			var won atomic.Int32
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if err := writeObject(context.Background(), objects, "job/chk/a", []byte("text")); err == nil {
						won.Add(1)
					} else if !errors.Is(err, fs.ErrExist) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			require.EqualValues(t, 1, won.Load())
			require.NoError(t, objects.Remove(context.Background(), "job/chk/a"))
		}
	})
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
