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

// The contents have several blocks, and differ in every byte and in length.
var (
	oldContent = strings.Repeat("old", 400)
	newContent = strings.Repeat("new", 600)
)

// writes writes a text in so many writes of so many repetitions altogether.
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

// publishDisk returns a disk with the directory d and, if old is set, a durable file d/a.
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
		return fmt.Errorf("neither old nor new: %d bytes, %w", len(got), errors.Join(err))
	}
	return nil
}

func isNew(m *vfstest.Mem) error {
	if got, err := content(m, "d/a"); err != nil || got != newContent {
		return fmt.Errorf("not the new file: %d bytes, %w", len(got), errors.Join(err))
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

// publishThroughCrashes publishes on a file system over the disk, crashes after every operation, and
// returns the faults found.
func publishThroughCrashes(t *testing.T, withOld bool, over func(vfs.FS) vfs.FS) error {
	m := publishDisk(t, withOld)
	var wrong error
	faulty := vfstest.NewFaulty(m, vfstest.FaultyOptions{After: func(op vfstest.Op, name string) {
		err := crashes(m, func(left *vfstest.Mem) error {
			if err := isWhole(left, withOld); err != nil {
				return err
			}
			if err := publishNew(left); err != nil { // despite leftover temporary files
				return err
			}
			return isNew(left.CrashClone(keepNothing))
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

// lying skips syncs and reports success.
type lying struct {
	vfs.FS
	aboutSync, aboutSyncDir bool
}

type lyingFile struct{ vfs.File }

func (lyingFile) Sync() error { return nil }

func (l lying) Create(name string) (vfs.File, error) {
	f, err := l.FS.Create(name)
	if err == nil && l.aboutSync {
		f = lyingFile{f}
	}
	return f, err
}

func (l lying) SyncDir(dir string) error {
	if l.aboutSyncDir {
		return nil
	}
	return l.FS.SyncDir(dir)
}

// The crash test fails if either sync is missing.
func TestPublishNeedsBothSyncs(t *testing.T) {
	for _, withOld := range []bool{false, true} {
		require.Error(t, publishThroughCrashes(t, withOld, func(fsys vfs.FS) vfs.FS {
			return lying{FS: fsys, aboutSync: true}
		}))
		require.Error(t, publishThroughCrashes(t, withOld, func(fsys vfs.FS) vfs.FS {
			return lying{FS: fsys, aboutSyncDir: true}
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

// checkPublishUnder publishes under a plan that makes an operation fail.
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
	require.NoError(t, crashes(m, func(left *vfstest.Mem) error { return isWhole(left, withOld) }), where)
	names, err := m.List("d")
	require.NoError(t, err)
	require.Equal(t, slices.Contains(failed, vfstest.OpRemove), strings.Contains(fmt.Sprint(names), TempSuffix), where)
}

func TestPublishOnDisksOfEverySize(t *testing.T) {
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

func TestPublishStepsOverTemporaries(t *testing.T) {
	m := publishDisk(t, false)
	writeFile(t, m, "d/a.tmp", "of a crash")
	require.NoError(t, Publish(m, "d/a", func(w io.Writer) error {
		require.NoError(t, publishNew(m)) // another publisher at the same time
		_, err := io.WriteString(w, "mine")
		return err
	}))
	require.Equal(t, files{"d": "dir", "d/a": "mine", "d/a.tmp": "of a crash"}, tree(t, m))

	for i := 1; i <= maxTemps; i++ {
		writeFile(t, m, fmt.Sprintf("d/a.%d.tmp", i), "")
	}
	require.ErrorIs(t, publishNew(m), fs.ErrExist)
}

// movingRename fails after it has moved the file, as NFS may if a reply is lost.
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
		if n == 0 { // the parent of what was there
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
	require.NoError(t, m.MkdirAll("a")) // a process that died before it synced
	require.NoError(t, MkdirAll(m, "a/b"))
	require.Equal(t, files{"a": "dir", "a/b": "dir"}, tree(t, m.CrashClone(keepNothing)))
}

func TestCrashCloneWhileOthersOperate(t *testing.T) {
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
		for name, left := range tree(t, m.CrashClone(keepHalf(seed))) {
			if strings.HasSuffix(name, TempSuffix) || left == "dir" {
				continue
			}
			require.Equal(t, strings.Repeat("new", 300), left, name)
		}
	}
	workers.Wait()
}
