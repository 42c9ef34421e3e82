package snapshot_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// course is a sequence of calls that the tests of this file run on faulty file systems: it opens a
// directory, takes the snapshot "one", changes the backend, and takes the snapshot "two". It
// records how far it got.
type course struct {
	j        *job
	one, two snapshot.Handle
	made     bool
	oneDone  bool // Wait of the first snapshot returned nil
	twoDone  bool
	one0     []string // content of the backend at each snapshot
	two0     []string
}

func newCourse(t testing.TB) *course {
	c := &course{j: newJob(t, eightGroups)}
	fillJob(t, c.j, 2)
	// Enough rows that each snapshot writes several times.
	for _, key := range []string{"a", "b", "c"} {
		require.NoError(t, c.j.keyed.SetKey(key))
		require.NoError(t, c.j.events.Add(strings.Repeat(key, 70_000)))
	}
	return c
}

func (c *course) run(t testing.TB, fsys vfs.FS) (err error) {
	d, err := snapshot.DirectoryOn(fsys, "snapshots")
	if err != nil {
		return err
	}
	c.made = true
	c.one0 = content(t, c.j.backend)
	if c.one, err = c.take(d, "one"); err != nil {
		return err
	}
	c.oneDone = true
	fillJob(t, c.j, 3)
	c.two0 = content(t, c.j.backend)
	if c.two, err = c.take(d, "two"); err != nil {
		return err
	}
	c.twoDone = true
	return nil
}

func (c *course) take(d *snapshot.Directory, name string) (snapshot.Handle, error) {
	r, err := snapshot.Start(context.Background(), c.j.backend, d, snapshot.Options{
		Name: name, Compression: snapshot.None, Synchronous: true,
	})
	if err != nil {
		return snapshot.Handle{}, err
	}
	return r.Wait()
}

// requireWhole checks that the file system has either nothing or all of each snapshot, and all of
// it if the snapshot was done.
func (c *course) requireWhole(t testing.TB, fsys vfs.FS) (visible []string) {
	d, err := snapshot.DirectoryOn(fsys, "snapshots")
	require.NoError(t, err)
	visible, err = d.List()
	require.NoError(t, err)
	for name, s := range map[string]struct {
		done    bool
		handle  snapshot.Handle
		content []string
	}{"one": {c.oneDone, c.one, c.one0}, "two": {c.twoDone, c.two, c.two0}} {
		if !slices.Contains(visible, name) {
			require.False(t, s.done, "%q was committed and is gone", name)
			continue
		}
		h, err := snapshot.ReadHandle(context.Background(), d, name)
		require.NoError(t, err, "%q is visible and not whole", name)
		if s.done {
			require.Equal(t, s.handle, h)
		}
		require.Equal(t, s.content, content(t, restore(t, eightGroups, d, h).backend))
	}
	return visible
}

func TestCrashLeavesEachSnapshotWholeOrAbsent(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	c := newCourse(t)
	crashes := 0
	linked := make(map[string]bool)
	crash := func(op vfstest.Op, name string) {
		if op == vfstest.OpLink {
			linked[filepath.Base(name)] = true
		}
		keeps := []vfstest.CrashOptions{{Keep: 0}, {Keep: 1}}
		for seed := range uint64(20) {
			keeps = append(keeps, vfstest.CrashOptions{Keep: 0.5, Rand: rand.New(rand.NewPCG(seed, uint64(crashes)))})
		}
		for _, keep := range keeps {
			for _, name := range c.requireWhole(t, mem.CrashClone(keep)) {
				require.True(t, linked[name], "%q is visible before it has its name", name)
			}
			crashes++
		}
	}
	fsys := vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: crash})
	require.NoError(t, c.run(t, fsys))
	crash(vfstest.OpSync, "the end")
	require.Equal(t, []string{"one", "two"}, list(t, mem))
	t.Log(crashes, "crashes after", fsys.Count(), "operations")
}

// Each operation, or one in three, fails once, with each kind of error. Either the snapshot fails
// with the error and leaves no file, or the error has no effect.
func TestEveryFailingOperationLeavesEachSnapshotWholeOrAbsent(t *testing.T) {
	ways := map[string]error{
		"EIO":                  syscall.EIO,
		"ENOSPC":               syscall.ENOSPC,
		"EACCES":               syscall.EACCES,
		"half a write, EIO":    vfstest.ShortWrite(syscall.EIO),
		"half a write, ENOSPC": vfstest.ShortWrite(syscall.ENOSPC),
	}
	faults, survived, step := 0, 0, density.Of(t, 3, 1, 1)
	for way, fault := range ways {
		t.Run(way, func(t *testing.T) {
			for n := len(way) % step; ; n += step {
				mem := vfstest.NewMem(vfstest.MemOptions{})
				var failed vfstest.Op
				fsys := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(call vfstest.Call) error {
					if call.N != n {
						return nil
					}
					failed = call.Op
					return fault
				}})
				c := newCourse(t)
				err := c.run(t, fsys)
				if fsys.Count() <= n {
					require.NoError(t, err)
					break
				}
				faults++
				if err == nil {
					survived++
				} else {
					require.ErrorIs(t, err, fault, "operation %d", n)
				}
				if !c.made {
					continue
				}
				visible := c.requireWhole(t, mem)
				require.Equal(t, c.oneDone, slices.Contains(visible, "one"), "operation %d", n)
				require.Equal(t, c.twoDone, slices.Contains(visible, "two"), "operation %d", n)
				left := len(list(t, mem)) - len(visible)
				require.Equal(t, failed == vfstest.OpRemove, left == 1, "operation %d, %v: %d dot-files", n, failed, left)
				for _, keep := range []float64{0, 1} {
					c.requireWhole(t, mem.CrashClone(vfstest.CrashOptions{Keep: keep}))
				}
				// The failed step succeeds when it is tried again.
				if !c.twoDone {
					require.NoError(t, newCourse(t).again(t, mem, c))
				}
			}
		})
	}
	t.Log(faults, "faults,", survived, "of them without consequence")
}

// again runs the first step that failed in a course, on a file system without faults.
func (c *course) again(t testing.TB, fsys vfs.FS, failed *course) error {
	d, err := snapshot.DirectoryOn(fsys, "snapshots")
	if err != nil {
		return err
	}
	name := "one"
	if failed.oneDone {
		name = "two"
	}
	h, err := c.take(d, name)
	if err != nil {
		return err
	}
	require.Equal(t, content(t, c.j.backend), content(t, restore(t, eightGroups, d, h).backend))
	return nil
}

// A disk that fails for ever may keep the file of a failed snapshot, since the file cannot be
// removed. Such a file must be complete.
func TestDiskThatFailsForGoodLeavesEachSnapshotWholeOrAbsent(t *testing.T) {
	faults := 0
	for n := 0; ; n++ {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		fsys := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: vfstest.FailFrom(n, syscall.EIO)})
		c := newCourse(t)
		err := c.run(t, fsys)
		if fsys.Count() <= n {
			require.NoError(t, err)
			break
		}
		faults++
		if err != nil {
			require.ErrorIs(t, err, syscall.EIO)
		}
		if c.made {
			c.requireWhole(t, mem)
			c.requireWhole(t, mem.CrashClone(vfstest.CrashOptions{}))
		}
	}
	t.Log(faults, "faults")
}

func TestFullDiskFailsTheSnapshotAndKeepsTheOthers(t *testing.T) {
	whole := newCourse(t)
	require.NoError(t, whole.run(t, vfstest.NewMem(vfstest.MemOptions{})))
	need := whole.one.Bytes() + whole.two.Bytes()
	for room := int64(1); room < need; room += need / 97 {
		mem := vfstest.NewMem(vfstest.MemOptions{MaxBytes: room})
		c := newCourse(t)
		require.ErrorIs(t, c.run(t, mem), syscall.ENOSPC, "%d of %d bytes", room, need)
		require.False(t, c.twoDone)
		require.Equal(t, room >= whole.one.Bytes(), c.oneDone)
		c.requireWhole(t, mem)
		for _, name := range list(t, mem) {
			require.Equal(t, "one", name, "no other file remains")
		}
	}
	require.NoError(t, newCourse(t).run(t, vfstest.NewMem(vfstest.MemOptions{MaxBytes: need})))
}

func TestSnapshotsAreReadFromAReadOnlyDirectory(t *testing.T) {
	for _, refusal := range []error{syscall.EROFS, syscall.EACCES} {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		c := newCourse(t)
		require.NoError(t, c.run(t, mem))
		readOnly := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(call vfstest.Call) error {
			if call.Op.Mutates() && call.Op != vfstest.OpSyncDir {
				return refusal
			}
			return nil
		}})
		d := directoryOn(t, readOnly)
		_, err := c.take(d, "three")
		require.ErrorIs(t, err, refusal)
		require.ErrorIs(t, d.Remove("one"), refusal)
		c.requireWhole(t, readOnly)
		require.Equal(t, []string{"one", "two"}, list(t, mem))
	}
}

func TestDirectoryCreatesOpensListsAndRemovesFiles(t *testing.T) {
	ctx := context.Background()
	d, err := snapshot.NewDirectory(t.TempDir() + "/a/b")
	require.NoError(t, err)
	names, err := d.List()
	require.NoError(t, err)
	require.Empty(t, names)

	write := func(name, text string) snapshot.File {
		f, err := d.Create(ctx, name)
		require.NoError(t, err)
		_, err = f.Write([]byte(text))
		require.NoError(t, err)
		return f
	}
	kept, dropped, rival := write("kept", "text"), write("dropped", ""), write("kept", "other text")
	_, err = d.Open(ctx, "kept")
	require.ErrorIs(t, err, fs.ErrNotExist, "not visible before Commit")
	require.NoError(t, dropped.Abort())
	require.NoError(t, kept.Commit())
	require.ErrorIs(t, rival.Commit(), fs.ErrExist)
	require.NoError(t, rival.Abort())
	_, err = d.Create(ctx, "kept")
	require.ErrorIs(t, err, fs.ErrExist)

	// Abort after Commit does nothing, and neither does a second Abort.
	require.NoError(t, kept.Abort())
	require.NoError(t, dropped.Abort())
	require.Error(t, kept.Commit())

	names, err = d.List()
	require.NoError(t, err)
	require.Equal(t, []string{"kept"}, names)
	o, err := d.Open(ctx, "kept")
	require.NoError(t, err)
	size, err := o.Size()
	require.NoError(t, err)
	text := make([]byte, size)
	_, err = o.ReadAt(text, 0)
	require.NoError(t, err)
	require.Equal(t, "text", string(text))
	require.NoError(t, o.Close())

	for _, name := range []string{"", "..", "../b", ".kept.tmp", "a/b"} {
		_, err := d.Create(ctx, name)
		require.ErrorIs(t, err, snapshot.ErrName)
		_, err = d.Open(ctx, name)
		require.ErrorIs(t, err, snapshot.ErrName)
		require.ErrorIs(t, d.Remove(name), snapshot.ErrName)
	}
	require.NoError(t, d.Remove("kept"))
	require.ErrorIs(t, d.Remove("kept"), fs.ErrNotExist)
}

func TestDirectoryNeedsADirectory(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	f, err := mem.Create("snapshots")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = snapshot.DirectoryOn(mem, "snapshots")
	require.Error(t, err)
	require.True(t, errors.Is(err, syscall.ENOTDIR), "%v", err)
}

func TestLeftoversOfACrashAreRemovedAndNothingElse(t *testing.T) {
	fsys := vfstest.NewMem(vfstest.MemOptions{})
	d := directoryOn(t, fsys)
	whole, err := d.Create(context.Background(), "whole")
	require.NoError(t, err)
	require.NoError(t, whole.Commit())
	_, err = d.Create(context.Background(), "unfinished") // then the power fails
	require.NoError(t, err)

	left := fsys.CrashClone(vfstest.CrashOptions{Keep: 1})
	again := directoryOn(t, left)
	require.Greater(t, len(list(t, left)), 1)
	require.NoError(t, again.RemoveLeftovers())
	require.Equal(t, []string{"whole"}, list(t, left))
}
