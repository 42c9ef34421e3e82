package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// draftNew writes newContent to a new file by a Draft.
func draftNew(fsys vfs.FS, name string) error {
	d, err := NewDraft(fsys, name)
	if err != nil {
		return err
	}
	if err = writes("new", 3, 600)(d); err == nil {
		err = d.Commit()
	}
	if err != nil {
		return errors.Join(err, d.Abort())
	}
	return nil
}

func TestDraftIsWholeOrAbsentAfterACrash(t *testing.T) {
	m := publishDisk(t, false)
	check := func(afterCrash *vfstest.Mem) error { return isWhole(afterCrash, false) }
	faulty := vfstest.NewFaulty(m, vfstest.FaultyOptions{After: func(op vfstest.Op, name string) {
		require.NoError(t, crashes(m, check), "after %v %s", op, name)
	}})
	require.NoError(t, draftNew(faulty, "d/a"))
	require.NoError(t, crashes(m, isNew))
}

func TestDraftThatFailsLeavesNothing(t *testing.T) {
	counted := vfstest.NewFaulty(publishDisk(t, false), vfstest.FaultyOptions{})
	require.NoError(t, draftNew(counted, "d/a"))
	for n := range counted.Count() {
		m := publishDisk(t, false)
		var failed vfstest.Op
		plan := vfstest.FailNth(n, errDisk)
		err := draftNew(vfstest.NewFaulty(m, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
			err := plan(c)
			if err != nil {
				failed = c.Op
			}
			return err
		}}), "d/a")
		if err != nil {
			require.ErrorIs(t, err, errDisk)
			require.Equal(t, files{"d": "dir"}, tree(t, m), "operation %d, %v", n, failed)
		} else {
			require.Contains(t, []vfstest.Op{vfstest.OpStat, vfstest.OpClose, vfstest.OpRemove}, failed)
			require.NoError(t, crashes(m, isNew))
		}
	}
}

// On Linux a second fsync succeeds although the data that the first one could not write is lost.
func TestCommitAfterAFailedSyncFails(t *testing.T) {
	m := publishDisk(t, false)
	d, err := NewDraft(vfstest.NewFaulty(m, vfstest.FaultyOptions{Plan: vfstest.FailNth(0, errDisk, vfstest.OpSync)}), "d/a")
	require.NoError(t, err)
	_, err = io.WriteString(d, "text")
	require.NoError(t, err)
	require.ErrorIs(t, d.Commit(), errDisk)
	require.ErrorIs(t, d.Commit(), fs.ErrClosed)
	require.NoError(t, d.Abort())
	require.NoError(t, d.Abort())
	require.Equal(t, files{"d": "dir"}, tree(t, m))
}

func TestFirstOfTwoDraftsGetsTheName(t *testing.T) {
	m := publishDisk(t, false)
	first, err := NewDraft(m, "d/a")
	require.NoError(t, err)
	second, err := NewDraft(m, "d/a")
	require.NoError(t, err)
	_, err = io.WriteString(second, "second")
	require.NoError(t, err)
	require.NoError(t, second.Commit())
	require.ErrorIs(t, first.Commit(), fs.ErrExist)
	require.NoError(t, first.Abort())
	require.NoError(t, second.Abort())
	_, err = NewDraft(m, "d/a")
	require.ErrorIs(t, err, fs.ErrExist)
	require.Equal(t, files{"d": "dir", "d/a": "second"}, tree(t, m))
}

// A collector may remove the files of a checkpoint that was cancelled while a subtask aborts its upload.
func TestAbortAcceptsThatTheTemporaryFileIsGone(t *testing.T) {
	m := publishDisk(t, false)
	d, err := NewDraft(m, "d/a")
	require.NoError(t, err)
	require.NoError(t, m.Remove(d.temp))
	require.NoError(t, d.Abort())
	require.Equal(t, files{"d": "dir"}, tree(t, m))
}

func TestDraftOfReturnsTheNameOfALeftover(t *testing.T) {
	m := publishDisk(t, false)
	for _, name := range []string{"a", "a.b", ".a", "a.01234567"} {
		d, err := NewDraft(m, "d/"+name)
		require.NoError(t, err)
		left, err := m.List("d")
		require.NoError(t, err)
		require.Len(t, left, 1)
		of, ok := DraftOf(left[0])
		require.True(t, ok)
		require.Equal(t, name, of)
		require.NoError(t, d.Abort())
	}
	for _, name := range []string{"", "a", ".tmp", "a.01234567.tmp", ".a.tmp", ".a.0123456x.tmp", ".a-01234567.tmp", ".01234567.tmp", ".a.01234567"} {
		_, ok := DraftOf(name)
		require.False(t, ok, name)
	}
}

// existingNames reports the first names that Create gets as existing.
type existingNames struct {
	vfs.FS
	refusals int
}

func (f *existingNames) Create(name string) (vfs.File, error) {
	if f.refusals > 0 {
		f.refusals--
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	return f.FS.Create(name)
}

func TestDraftSkipsExistingTemporaryNames(t *testing.T) {
	m := publishDisk(t, false)
	require.NoError(t, draftNew(&existingNames{m, 3}, "d/a"))
	require.NoError(t, isNew(m))
	require.ErrorIs(t, draftNew(&existingNames{m, 1 << 20}, "d/b"), fs.ErrExist)
}

// A failed sync may lose the entry of a new directory, and later syncs succeed without restoring it.
// So MkdirAll must remove the directory, and the next call must make it again.
func TestMkdirAllAfterAFailedSyncIsDurable(t *testing.T) {
	for n := range 3 {
		m := vfstest.NewMem(vfstest.MemOptions{})
		faulty := vfstest.NewFaulty(m, vfstest.FaultyOptions{Plan: vfstest.FailNth(n+1, errDisk, vfstest.OpSyncDir)})
		err := MkdirAll(faulty, "a/b/c")
		require.ErrorIs(t, err, errDisk, fmt.Sprint(n))
		require.NoError(t, MkdirAll(faulty, "a/b/c"))
		_, err = m.CrashClone(keepNothing).Stat("a/b/c")
		require.NoError(t, err, fmt.Sprint(n))
	}
}

func TestDraftNeedsItsDirectory(t *testing.T) {
	_, err := NewDraft(vfstest.NewMem(vfstest.MemOptions{}), "d/a")
	require.ErrorIs(t, err, fs.ErrNotExist)
	m := publishDisk(t, true)
	_, err = NewDraft(m, "d/a/b")
	require.ErrorIs(t, err, syscall.ENOTDIR)
}
