package lsm

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// Discard writes nothing. It loses entries that are in no table and no log. All other entries are
// readable after the next Open, as after a crash.
func TestDiscardWritesNothing(t *testing.T) {
	for _, mode := range allLogModes {
		t.Run(fmt.Sprint("log mode ", mode), func(t *testing.T) {
			disk := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{})
			o := &Options{FS: disk, Log: mode, Picker: idle{}}
			db, err := Open(context.Background(), "db", *o)
			require.NoError(t, err)
			require.NoError(t, db.Put([]byte("flushed"), []byte("v")))
			require.NoError(t, db.Flush(context.Background()))
			require.NoError(t, db.Put([]byte("later"), []byte("v")))
			mutations := func() [4]int {
				return [4]int{disk.Count(vfstest.OpCreate), disk.Count(vfstest.OpWrite), disk.Count(vfstest.OpSync), disk.Count(vfstest.OpRename)}
			}
			before := mutations()
			require.NoError(t, db.Discard())
			require.Equal(t, before, mutations(), "creates, writes, syncs and renames")
			require.NoError(t, db.Discard())
			require.NoError(t, db.Close())

			db, err = Open(context.Background(), "db", *o)
			require.NoError(t, err)
			_, found, err := db.Get([]byte("flushed"), nil)
			require.NoError(t, err)
			require.True(t, found)
			_, found, err = db.Get([]byte("later"), nil)
			require.NoError(t, err)
			require.Equal(t, mode >= LogWritten, found)
			require.NoError(t, db.Close())
		})
	}
}

func TestDiscardSucceedsOnAFullDiskAndAfterAFailure(t *testing.T) {
	for _, mode := range allLogModes {
		var full atomic.Bool
		disk := newFaultyDisk(vfstest.NewMem(vfstest.MemOptions{}), func(c vfstest.Call) error {
			if full.Load() && c.Op.Mutates() {
				return syscall.ENOSPC
			}
			return nil
		})
		db, err := Open(context.Background(), "db", Options{FS: disk, Log: mode})
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("k"), []byte("v")))
		full.Store(true)
		require.ErrorIs(t, db.Flush(context.Background()), syscall.ENOSPC)
		require.NoError(t, db.Discard())
		require.NoError(t, nothingOpen(disk))
	}
}

// Discard closes open views and iterators and reports them, like Close.
func TestDiscardReportsOpenViewsAndIterators(t *testing.T) {
	db, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{})})
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	v, err := db.View()
	require.NoError(t, err)
	require.ErrorIs(t, db.Discard(), ErrOpen)
	_, _, err = v.Get([]byte("k"), nil)
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, v.Close())
}
