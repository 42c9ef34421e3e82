package lsm

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// readOnly returns a disk that is read-only while on is set.
func readOnly(inner vfs.FS) (disk vfs.FS, on *atomic.Bool) {
	on = new(atomic.Bool)
	return vfstest.NewFaulty(inner, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
		if on.Load() && c.Op.Mutates() {
			return syscall.EROFS
		}
		return nil
	}}), on
}

func TestReadOnlyDisksAreReported(t *testing.T) {
	for store, g := range goldenStores {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		copyFiles(t, mem, "db", vfs.Real{}, filepath.Join("testdata", store))
		disk, on := readOnly(mem)
		on.Store(true)
		for _, mode := range []LogMode{LogOff, LogSynced} {
			_, err := Open(context.Background(), "db", *goldenOptions(t, disk, mode))
			require.ErrorIs(t, err, syscall.EROFS)
			_, err = Open(context.Background(), "new", *goldenOptions(t, disk, mode))
			require.ErrorIs(t, err, syscall.EROFS)
			require.ErrorIs(t, Restore(t.Context(), "new", nil, *goldenOptions(t, disk, mode)), syscall.EROFS)
		}
		on.Store(false)
		db, err := Open(context.Background(), "db", *goldenOptions(t, disk, LogOff))
		require.NoError(t, err)
		requireContent(t, db, g.want())
		require.NoError(t, db.Close())
	}
}

// When the disk becomes read-only under an open store, a write fails at the latest when it must
// reach the disk. Reads continue, acknowledged writes stay readable, and writes succeed again once
// the disk is writable.
func TestReadOnlyDiskStallsWritesAndKeepsReads(t *testing.T) {
	for _, mode := range allLogModes {
		disk, on := readOnly(vfstest.NewMem(vfstest.MemOptions{}))
		db, err := Open(context.Background(), "db", *goldenOptions(t, disk, mode))
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("aa:1"), []byte("flushed")))
		require.NoError(t, db.Flush(context.Background()))
		require.NoError(t, db.Put([]byte("aa:2"), []byte("not flushed")))
		on.Store(true)
		for range 2 {
			if mode >= LogWritten {
				require.ErrorIs(t, db.Put([]byte("aa:3"), nil), ErrStalled)
			}
			err = db.Flush(context.Background())
			require.ErrorIs(t, err, ErrStalled)
			require.ErrorIs(t, err, syscall.EROFS)
			require.Error(t, db.Checkpoint(t.Context(), "copy"))
			for key, value := range map[string]string{"aa:1": "flushed", "aa:2": "not flushed"} {
				got, found, err := db.Get([]byte(key), nil)
				require.NoError(t, err)
				require.True(t, found && string(got) == value)
			}
		}
		on.Store(false)
		require.NoError(t, db.Flush(context.Background())) // the flusher retries
		require.NoError(t, db.Put([]byte("aa:4"), nil))
		require.NoError(t, db.Close())
		db, err = Open(context.Background(), "db", *goldenOptions(t, disk, mode))
		require.NoError(t, err)
		got, found, err := db.Get([]byte("aa:1"), nil)
		require.NoError(t, err)
		require.True(t, found && string(got) == "flushed")
		_, found, err = db.Get([]byte("aa:2"), nil)
		require.NoError(t, err)
		require.True(t, found)
		require.NoError(t, db.Close())
	}
}
