package lsm

import (
	"context"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// Errors of Open name the directory and the file or entry at fault.
func TestErrorsNameTheDirectoryAndTheFault(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := &Options{FS: mem}
	open := func(dir string) error {
		db, err := Open(context.Background(), dir, *o)
		if err == nil {
			require.NoError(t, db.Close())
		}
		return err
	}
	require.NoError(t, mem.MkdirAll("/some/dir"))
	create(t, mem, "/some/dir/notes")
	require.ErrorContains(t, open("/some/dir"), "/some/dir has an entry notes that no store creates")
	require.ErrorContains(t, open(""), "the name of the directory is empty")

	require.NoError(t, open("/store"))
	require.NoError(t, mem.Remove("/store/CURRENT"))
	create(t, mem, "/store/CURRENT")
	err := open("/store")
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "/store: CURRENT")
	require.NotContains(t, err.Error(), "table")
}

func create(t *testing.T, fsys vfs.FS, name string) {
	t.Helper()
	f, err := fsys.Create(name)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestErrorOfTooManyOpenFilesNamesTheOptions(t *testing.T) {
	err := version.TooManyFiles(syscall.EMFILE)
	require.ErrorIs(t, err, syscall.EMFILE)
	require.ErrorContains(t, err, "MaxOpenFiles")
	require.NoError(t, version.TooManyFiles(nil))
}

// On a full disk, the error of Close names the lost writes.
func TestCloseOnAFullDiskNamesTheLostWrites(t *testing.T) {
	for mode, want := range map[LogMode]string{
		LogOff: "unflushed writes are lost", LogBuffered: "writes in no table and not yet in the log are lost", LogWritten: "", LogSynced: "",
	} {
		var full atomic.Bool
		fsys := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{Plan: func(vfstest.Call) error {
			if full.Load() {
				return syscall.ENOSPC
			}
			return nil
		}})
		db, err := Open(context.Background(), "store", Options{FS: fsys, Log: mode})
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("key"), []byte("value")))
		full.Store(true)
		require.ErrorContains(t, db.Close(), want)
	}
}
