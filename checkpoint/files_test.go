package checkpoint

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// treeOf returns all paths below dir; those of directories end with a slash.
func treeOf(t testing.TB, fsys vfs.FS, dir string) (names []string) {
	t.Helper()
	bases, err := fsys.List(dir)
	require.NoError(t, err)
	for _, base := range bases {
		name := filepath.ToSlash(filepath.Join(dir, base))
		info, err := fsys.Stat(name)
		require.NoError(t, err)
		if info.IsDir() {
			names = append(append(names, name+"/"), treeOf(t, fsys, name)...)
		} else {
			names = append(names, name)
		}
	}
	return names
}

func TestDirectoriesAreRemovedWithTheirLastFile(t *testing.T) {
	ctx := context.Background()
	mem := vfstest.NewMem(vfstest.MemOptions{})
	files := filesOn(t, mem)
	putObject(t, files, "job/chk-1/a", "1")
	putObject(t, files, "job/chk-1/b/c", "2")
	require.NoError(t, files.Remove(ctx, "job/chk-1/b/c"))
	require.Equal(t, []string{"root/", "root/job/", "root/job/chk-1/", "root/job/chk-1/a"}, treeOf(t, mem, ""))
	f, err := files.Create(ctx, "job/chk-2/a")
	require.NoError(t, err)
	require.NoError(t, f.Abort())
	require.NoError(t, files.Remove(ctx, "job/chk-1/a"))
	require.Equal(t, []string{"root/"}, treeOf(t, mem, ""))
	putObject(t, files, "job/chk-1/a", "again")
	require.Equal(t, "again", getObject(t, filesOn(t, mem.CrashClone(vfstest.CrashOptions{})), "job/chk-1/a"))
}

func TestUnfinishedFilesAreListedAndCanBeRemoved(t *testing.T) {
	ctx := context.Background()
	mem := vfstest.NewMem(vfstest.MemOptions{})
	files := filesOn(t, mem)
	putObject(t, files, "job/a", "1")
	f, err := files.Create(ctx, "job/chk-1/b")
	require.NoError(t, err)
	_, err = f.Write(make([]byte, 100_000))
	require.NoError(t, err)
	require.Equal(t, []string{"job/a", "job/chk-1/b?"}, namesOf(t, files, "job/"))
	require.Equal(t, []string{"job/chk-1/b?"}, namesOf(t, files, "job/chk-1/b"))

	left := filesOn(t, mem.CrashClone(vfstest.CrashOptions{Keep: 1}))
	listed, err := left.List(ctx, "job/chk-1/")
	require.NoError(t, err)
	require.Len(t, listed, 1)
	require.Positive(t, listed[0].Size)
	require.NoError(t, left.Remove(ctx, listed[0].Name))
	require.NoError(t, left.Remove(ctx, listed[0].Name))
	require.Equal(t, []string{"job/a"}, namesOf(t, left, ""))
	require.NoError(t, f.Commit(), "the writer is not affected")
}

func TestDirectoryThatExistsCostsNoFurtherSync(t *testing.T) {
	faulty := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{})
	files := filesOn(t, faulty)
	putObject(t, files, "job/chk-1/a", "1")
	before := faulty.Count(vfstest.OpSyncDir)
	putObject(t, files, "job/chk-1/b", "1")
	require.Equal(t, 1, faulty.Count(vfstest.OpSyncDir)-before)
}

// Two processes remove directories while the other one creates files in them.
func TestDirectoryRemovedByAnotherProcessIsMadeAgain(t *testing.T) {
	ctx := context.Background()
	mem := vfstest.NewMem(vfstest.MemOptions{})
	one, two := filesOn(t, mem), filesOn(t, mem)
	putObject(t, one, "job/chk-1/a", "1")
	require.NoError(t, two.Remove(ctx, "job/chk-1/a"))
	putObject(t, one, "job/chk-1/b", "2")
	require.Equal(t, "2", getObject(t, filesOn(t, mem.CrashClone(vfstest.CrashOptions{})), "job/chk-1/b"))

	var all sync.WaitGroup
	for i, files := range []*Files{one, two} {
		for j := range 2 {
			all.Go(func() {
				name := fmt.Sprintf("job/chk-2/%d-%d", i, j)
				for range 100 {
					if err := writeObject(ctx, files, name, nil); err != nil {
						t.Error(err)
					}
					if err := files.Remove(ctx, name); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
}

// A failed sync discards the changes of other operations in the directory; the next sync
// succeeds without them.
func TestFailedSyncOfAnotherOperationIsNoticed(t *testing.T) {
	ctx := context.Background()
	for _, operation := range []string{"create", "remove"} {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		entered, leave := make(chan struct{}), make(chan struct{})
		syncs := 0
		faulty := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
			if c.Op != vfstest.OpSyncDir || filepath.ToSlash(c.Name) != "/root/job" {
				return nil
			}
			switch syncs++; syncs {
			case 2: // the sync of the operation under test
				close(entered)
				<-leave
			case 3:
				return syscall.EIO
			}
			return nil
		}})
		files := filesOn(t, faulty)
		putObject(t, files, "job/there", "1")
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			if operation == "create" {
				err = writeObject(ctx, files, "job/a", []byte("2"))
			} else {
				err = files.Remove(ctx, "job/there")
			}
		}()
		<-entered
		require.ErrorIs(t, writeObject(ctx, files, "job/b", nil), syscall.EIO)
		close(leave)
		<-done
		require.ErrorIs(t, err, errSync, operation)
		if operation == "create" {
			require.Equal(t, []string{"job/there"}, namesOf(t, files, ""))
			putObject(t, files, "job/a", "3")
			require.Equal(t, "3", getObject(t, filesOn(t, mem.CrashClone(vfstest.CrashOptions{})), "job/a"))
		}
	}
}

// A file whose removal was not synced may come back. If Remove returned nil, the caller would
// remove objects that the file refers to.
func TestRemovalThatMayBeUndoneIsAnError(t *testing.T) {
	ctx := context.Background()
	mem := vfstest.NewMem(vfstest.MemOptions{})
	putObject(t, filesOn(t, mem), "job/a", "1")
	files := filesOn(t, vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: vfstest.FailNth(1, syscall.EIO, vfstest.OpSyncDir)}))
	require.ErrorIs(t, files.Remove(ctx, "job/a"), syscall.EIO)
	require.Empty(t, namesOf(t, files, ""))
	require.Contains(t, namesOf(t, filesOn(t, mem.CrashClone(vfstest.CrashOptions{})), ""), "job/a", "it comes back")
	require.ErrorIs(t, files.Remove(ctx, "job/a"), errSync)
	putObject(t, files, "job/a", "2")
	require.NoError(t, files.Remove(ctx, "job/a"))
	require.NoError(t, files.Remove(ctx, "job/a"))
	require.Empty(t, namesOf(t, filesOn(t, mem.CrashClone(vfstest.CrashOptions{})), ""))
}

// A directory that cannot be opened for its sync, for lack of descriptors, has discarded
// nothing. The removal becomes durable once it can be opened.
func TestDirectoryThatCannotBeOpenedIsSyncedTheNextTime(t *testing.T) {
	ctx := context.Background()
	for _, between := range []error{nil, syscall.EIO} {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		putObject(t, filesOn(t, mem), "job/a", "1")
		var next error // of SyncDir
		files := filesOn(t, vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
			if c.Op != vfstest.OpSyncDir {
				return nil
			}
			return next
		}}))
		next = vfstest.NotOpened(syscall.EMFILE)
		require.NoError(t, files.watch.watched(func() error { _ = files.watch.SyncDir("/root"); return nil }), "others")
		require.ErrorIs(t, files.Remove(ctx, "job/a"), syscall.EMFILE)
		if next = between; next != nil {
			_ = writeObject(ctx, files, "job/b", nil)
			next = nil
			require.ErrorIs(t, files.Remove(ctx, "job/a"), errSync, "the other sync has discarded it")
			continue
		}
		require.NoError(t, files.Remove(ctx, "job/a"))
		require.Empty(t, namesOf(t, filesOn(t, mem.CrashClone(vfstest.CrashOptions{})), ""))
	}
}

// Another process removes the directory before the removal in it is synced.
func TestRemovalIsDurableEvenIfItsDirectoryIsRemoved(t *testing.T) {
	ctx := context.Background()
	mem := vfstest.NewMem(vfstest.MemOptions{})
	setUp := filesOn(t, mem)
	putObject(t, setUp, "job/a", "1")
	putObject(t, setUp, "job/chk-1/b", "1")
	putObject(t, setUp, "job/chk-1/c", "1")
	hold := true
	faulty := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
		if c.Op == vfstest.OpSyncDir && filepath.Base(c.Name) == "chk-1" && hold {
			hold = false
			require.NoError(t, mem.Remove("root/job/chk-1/c"))
			require.NoError(t, mem.Remove("root/job/chk-1"))
		}
		return nil
	}})
	require.NoError(t, filesOn(t, faulty).Remove(ctx, "job/chk-1/b"))
	require.False(t, hold)
	require.Equal(t, []string{"job/a"}, namesOf(t, filesOn(t, mem.CrashClone(vfstest.CrashOptions{})), ""))
}

func TestLinksAreListedAsIrregularAndNeverFollowed(t *testing.T) {
	if _, err := os.Lstat("/dev/null"); err != nil {
		t.Skip("needs symbolic links")
	}
	ctx := context.Background()
	outside, root := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "precious"), []byte("x"), 0o600))
	files, err := NewFiles(root)
	require.NoError(t, err)
	putObject(t, files, "job/a", "1")
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "job", "chk-1")))
	require.NoError(t, os.Symlink("..", filepath.Join(root, "job", "loop")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "precious"), filepath.Join(root, "job", "b")))
	require.NoError(t, os.WriteFile(filepath.Join(root, "job", ".hidden"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(root, "job", "with space"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(root, "job", "draft.tmp"), nil, 0o600))
	require.Equal(t, []string{"job/a", "job/b!", "job/chk-1!", "job/draft.tmp", "job/loop!"}, namesOf(t, files, ""))

	require.ErrorIs(t, files.Remove(ctx, "job/chk-1/precious"), snapshot.ErrNotRegular)
	require.NoError(t, files.Remove(ctx, "job/b"), "the link itself")
	require.NoError(t, files.Remove(ctx, "job/a"))
	require.FileExists(t, filepath.Join(outside, "precious"))
	require.FileExists(t, filepath.Join(root, "job", ".hidden"))
}

func TestFilesNeedADirectory(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	f, err := mem.Create("root")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = FilesOn(mem, "root")
	require.ErrorIs(t, err, syscall.ENOTDIR)
}

// keeps returns six ways in which a crash may treat data that was not synced.
func keeps(seed uint64) []vfstest.CrashOptions {
	options := []vfstest.CrashOptions{{}, {Keep: 1}}
	for i := range uint64(4) {
		options = append(options, vfstest.CrashOptions{Keep: 0.5, Rand: rand.New(rand.NewPCG(seed, i))})
	}
	return options
}

func TestListFailsIfADirectoryCannotBeRead(t *testing.T) {
	ctx := context.Background()
	mem := vfstest.NewMem(vfstest.MemOptions{})
	putObject(t, filesOn(t, mem), "job/a", "1")
	for _, op := range []vfstest.Op{vfstest.OpList, vfstest.OpStat} {
		files := filesOn(t, mem)
		files.watch.FS = vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: vfstest.FailNth(0, syscall.EIO, op)})
		_, err := files.List(ctx, "job/")
		require.ErrorIs(t, err, syscall.EIO)
		require.Equal(t, []string{"job/a"}, namesOf(t, files, ""))
	}
}

// A coordinator that takes the lock of a job makes missing folders again, durably, even if an
// earlier owner in this process has made them.
func TestFoldersRemovedBetweenTwoOwnersAreMadeAgain(t *testing.T) {
	for _, gone := range []string{"/ck/job", "/ck"} {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		files, err := FilesOn(mem, "/ck")
		require.NoError(t, err)
		o := Options{Storage: storageWithout(t, files)}
		r := newRig(t, o)
		r.completeShared(r.begin(), 1)
		require.NoError(t, r.Close())
		for range 2 {
			require.NoError(t, mem.RemoveAll(gone))
			require.NoError(t, mem.SyncDir("/"))
			r = newRig(t, o)
			a := r.begin()
			require.Nil(t, a.Restored())
			r.completeShared(a, 1)
			require.NoError(t, r.Close())
			left, err := FilesOn(mem.CrashClone(vfstest.CrashOptions{}), "/ck") // keeps only durable data
			require.NoError(t, err)
			after := newRig(t, Options{Storage: storageWithout(t, left)})
			require.NotNil(t, after.begin().Restored())
			require.NoError(t, after.Close())
		}
	}
}
