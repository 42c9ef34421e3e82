package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

var errDisk = syscall.EIO

// The contents take several blocks of a Mem and differ in every byte and in length.
var (
	oldContent = strings.Repeat("old", 400)
	newContent = strings.Repeat("new", 600)
)

// writes returns a function that writes text times times, in parts calls of Write.
func writes(text string, parts, times int) func(io.Writer) error {
	return func(w io.Writer) error {
		for range parts {
			if _, err := w.Write(bytes.Repeat([]byte(text), times/parts)); err != nil {
				return err
			}
		}
		return nil
	}
}

func publishNew(fsys vfs.FS) error { return Publish(fsys, "d/a", writes("new", 3, 600)) }

// publishDisk returns a disk with the directory d and, if withOld is set, a durable file d/a.
func publishDisk(t *testing.T, withOld bool) *vfstest.Mem {
	m := vfstest.NewMem(vfstest.MemOptions{})
	require.NoError(t, MkdirAll(m, "d"))
	if withOld {
		require.NoError(t, Publish(m, "d/a", writes("old", 1, 400)))
	}
	return m
}

// isWhole checks that d/a is the old file (or missing, without an old file) or the new file.
func isWhole(m *vfstest.Mem, withOld bool) error {
	got, err := content(m, "d/a")
	switch {
	case err == nil && got == newContent:
	case err == nil && withOld && got == oldContent:
	case errors.Is(err, fs.ErrNotExist) && !withOld:
	default:
		return fmt.Errorf("d/a is neither the old nor the new file: %d bytes, %w", len(got), errors.Join(err))
	}
	return nil
}

func isNew(m *vfstest.Mem) error {
	if got, err := content(m, "d/a"); err != nil || got != newContent {
		return fmt.Errorf("d/a is not the new file: %d bytes, %w", len(got), errors.Join(err))
	}
	return nil
}

// crashes calls check on crash clones that keep nothing, random parts, and everything.
func crashes(m *vfstest.Mem, check func(*vfstest.Mem) error) error {
	if err := check(m.CrashClone(keepNothing)); err != nil {
		return fmt.Errorf("keep nothing: %w", err)
	}
	for seed := range uint64(20) {
		if err := check(m.CrashClone(keepHalf(seed))); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	if err := check(m.CrashClone(keepAll)); err != nil {
		return fmt.Errorf("keep all: %w", err)
	}
	return nil
}

// publishThroughCrashes publishes d/a on the file system that over returns, and checks clones of the
// disk that crash after each operation. It returns the first fault.
func publishThroughCrashes(t *testing.T, withOld bool, over func(vfs.FS) vfs.FS) error {
	m := publishDisk(t, withOld)
	var wrong error
	faulty := vfstest.NewFaulty(m, vfstest.FaultyOptions{After: func(op vfstest.Op, name string) {
		err := crashes(m, func(afterCrash *vfstest.Mem) error {
			if err := isWhole(afterCrash, withOld); err != nil {
				return err
			}
			if err := publishNew(afterCrash); err != nil { // leftover temporary files must not disturb it
				return err
			}
			return isNew(afterCrash.CrashClone(keepNothing))
		})
		if err != nil && wrong == nil {
			wrong = fmt.Errorf("after %v %s: %w", op, name, err)
		}
	}})
	require.NoError(t, publishNew(over(faulty)))
	if err := crashes(m, isNew); err != nil && wrong == nil {
		wrong = fmt.Errorf("after Publish: %w", err)
	}
	return wrong
}

func TestPublishIsAtomicAndDurableInCrashes(t *testing.T) {
	for _, withOld := range []bool{false, true} {
		require.NoError(t, publishThroughCrashes(t, withOld, func(fsys vfs.FS) vfs.FS { return fsys }))
	}
}

// withoutSync reports success for the chosen kinds of syncs, but does not sync.
type withoutSync struct {
	vfs.FS
	skipSync, skipSyncDir bool
}

type unsyncedFile struct{ vfs.File }

func (unsyncedFile) Sync() error { return nil }

func (w withoutSync) Create(name string) (vfs.File, error) {
	f, err := w.FS.Create(name)
	if err == nil && w.skipSync {
		f = unsyncedFile{f}
	}
	return f, err
}

func (w withoutSync) SyncDir(dir string) error {
	if w.skipSyncDir {
		return nil
	}
	return w.FS.SyncDir(dir)
}

// The crash test detects a missing sync of the file or of the directory.
func TestPublishNeedsBothSyncs(t *testing.T) {
	for _, withOld := range []bool{false, true} {
		require.Error(t, publishThroughCrashes(t, withOld, func(fsys vfs.FS) vfs.FS {
			return withoutSync{FS: fsys, skipSync: true}
		}))
		require.Error(t, publishThroughCrashes(t, withOld, func(fsys vfs.FS) vfs.FS {
			return withoutSync{FS: fsys, skipSyncDir: true}
		}))
	}
}

func TestPublishUnderEveryFault(t *testing.T) {
	counted := vfstest.NewFaulty(publishDisk(t, true), vfstest.FaultyOptions{})
	require.NoError(t, publishNew(counted))
	for _, withOld := range []bool{false, true} {
		for _, fault := range []error{syscall.EIO, syscall.ENOSPC, vfstest.ShortWrite(syscall.ENOSPC), vfstest.ShortWrite(syscall.EIO)} {
			for n := range counted.Count() {
				checkPublishUnder(t, withOld, fault, vfstest.FailNth(n, fault), fmt.Sprint(fault, " once at ", n))
				checkPublishUnder(t, withOld, fault, vfstest.FailFrom(n, fault), fmt.Sprint(fault, " from ", n))
			}
		}
	}
}

// checkPublishUnder publishes d/a while plan makes operations fail, and checks that the file is whole,
// that the error wraps fault, and that the temporary file is removed unless Remove failed too.
func checkPublishUnder(t *testing.T, withOld bool, fault error, plan vfstest.Plan, where string) {
	var failed []vfstest.Op
	m := publishDisk(t, withOld)
	err := publishNew(vfstest.NewFaulty(m, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
		err := plan(c)
		if err != nil {
			failed = append(failed, c.Op)
		}
		return err
	}}))
	require.ErrorIs(t, err, fault, where)
	require.NoError(t, isWhole(m, withOld), where)
	require.Equal(t, failed[0] == vfstest.OpSyncDir, isNew(m) == nil, where)
	require.NoError(t, crashes(m, func(afterCrash *vfstest.Mem) error { return isWhole(afterCrash, withOld) }), where)
	names, err := m.List("d")
	require.NoError(t, err)
	require.Equal(t, slices.Contains(failed, vfstest.OpRemove), strings.Contains(fmt.Sprint(names), TempSuffix), where)
}

func TestPublishKeepsTheOldFileWhenTheDiskIsFull(t *testing.T) {
	for size := int64(len(oldContent)); size <= int64(len(oldContent)+len(newContent)); size += 7 {
		m := vfstest.NewMem(vfstest.MemOptions{MaxBytes: size})
		require.NoError(t, MkdirAll(m, "d"))
		require.NoError(t, Publish(m, "d/a", writes("old", 1, 400)))
		err := publishNew(m)
		require.Equal(t, size < int64(len(oldContent)+len(newContent)), err != nil)
		if err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			require.Equal(t, files{"d": "dir", "d/a": oldContent}, tree(t, m))
		}
	}
}

func TestPublishReturnsTheWritersError(t *testing.T) {
	m := publishDisk(t, true)
	stop := errors.New("stop")
	err := Publish(m, "d/a", func(w io.Writer) error {
		_, err := w.Write([]byte("half"))
		require.NoError(t, err)
		return stop
	})
	require.Equal(t, stop, err)
	require.Equal(t, files{"d": "dir", "d/a": oldContent}, tree(t, m))
}

func TestPublishSkipsExistingTemporaryNames(t *testing.T) {
	m := publishDisk(t, false)
	writeFile(t, m, "d/a.tmp", "left by a crash")
	require.NoError(t, Publish(m, "d/a", func(w io.Writer) error {
		require.NoError(t, publishNew(m)) // another publisher at the same time
		_, err := io.WriteString(w, "mine")
		return err
	}))
	require.Equal(t, files{"d": "dir", "d/a": "mine", "d/a.tmp": "left by a crash"}, tree(t, m))

	for i := 1; i <= maxTemps; i++ {
		writeFile(t, m, fmt.Sprintf("d/a.%d.tmp", i), "")
	}
	require.ErrorIs(t, publishNew(m), fs.ErrExist)
}

// movingRename renames the file and then returns an error, as NFS does when a reply is lost.
type movingRename struct{ vfs.FS }

func (f movingRename) Rename(oldName, newName string) error {
	if err := f.FS.Rename(oldName, newName); err != nil {
		return err
	}
	return errDisk
}

func TestPublishWhenAFailedRenameMovedTheFile(t *testing.T) {
	m := publishDisk(t, true)
	require.Equal(t, errDisk, publishNew(movingRename{m}))
	require.Equal(t, files{"d": "dir", "d/a": newContent}, tree(t, m))
}

func TestMkdirAllUnderEveryFault(t *testing.T) {
	disk := func(plan vfstest.Plan) *vfstest.Faulty {
		m := vfstest.NewMem(vfstest.MemOptions{})
		require.NoError(t, m.MkdirAll("a"))
		return vfstest.NewFaulty(m, vfstest.FaultyOptions{Plan: plan})
	}
	counted := disk(nil)
	require.NoError(t, MkdirAll(counted, "a/b/c"))
	require.Equal(t, 3, counted.Count(vfstest.OpSyncDir))
	for n := range counted.Count() {
		require.ErrorIs(t, MkdirAll(disk(vfstest.FailNth(n, errDisk)), "a/b/c"), errDisk)
	}
	for n := range counted.Count(vfstest.OpSyncDir) {
		err := MkdirAll(disk(vfstest.FailNth(n, fs.ErrPermission, vfstest.OpSyncDir)), "a/b/c")
		if n == 0 { // the parent of the existing directory
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, fs.ErrPermission)
		}
	}
}

func TestCrashKeepsDirectoriesOfMkdirAll(t *testing.T) {
	m := vfstest.NewMem(vfstest.MemOptions{})
	require.NoError(t, MkdirAll(m, "a/b/c"))
	require.Equal(t, files{"a": "dir", "a/b": "dir", "a/b/c": "dir"}, tree(t, m.CrashClone(keepNothing)))

	m = vfstest.NewMem(vfstest.MemOptions{})
	require.NoError(t, m.MkdirAll("a")) // by a process that died before it synced
	require.NoError(t, MkdirAll(m, "a/b"))
	require.Equal(t, files{"a": "dir", "a/b": "dir"}, tree(t, m.CrashClone(keepNothing)))
}

func TestCrashCloneDuringConcurrentPublishes(t *testing.T) {
	m := vfstest.NewMem(vfstest.MemOptions{})
	require.NoError(t, MkdirAll(m, "d"))
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for i := range 50 {
				name := fmt.Sprintf("d/%d", (w+i)%6)
				err := Publish(m, name, writes("new", 3, 300))
				if err != nil {
					t.Error(err)
				}
				if f, err := m.Open(name); err == nil {
					f.ReadAt(make([]byte, 10), 5)
					f.Close()
				}
				m.List("d")
				if i%10 == 9 {
					m.Remove(name)
				}
			}
		})
	}
	for seed := range uint64(100) {
		for name, content := range tree(t, m.CrashClone(keepHalf(seed))) {
			if strings.HasSuffix(name, TempSuffix) || content == "dir" {
				continue
			}
			require.Equal(t, strings.Repeat("new", 300), content, name)
		}
	}
	workers.Wait()
}
