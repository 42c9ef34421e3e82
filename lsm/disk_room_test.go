package lsm

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// A merge whose output does not fit on the disk waits for free space. Moves, drops and flushes continue.
func TestMergesWaitForFreeSpace(t *testing.T) {
	disk := smallDisk(t, 1<<20)
	var merged, moved, waited atomic.Int64
	o := &Options{FS: disk, Budget: storyBudget(t), Picker: idle{}, Compression: []Compression{NoCompression}, PartitionBytes: 1}
	o.Events.Compacted = func(i CompactionInfo) {
		if i.Moved || i.Dropped {
			moved.Add(1)
		} else {
			merged.Add(1)
		}
	}
	o.Events.CompactionFailed = func(err error) {
		require.ErrorIs(t, err, syscall.ENOSPC)
		waited.Add(1)
	}
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	value := make([]byte, 200<<10)
	for _, key := range []string{"a", "b", "a"} {
		require.NoError(t, db.Put([]byte(key), value))
		require.NoError(t, db.Flush(context.Background()))
	}
	writes := disk.Count(vfstest.OpWrite)
	err = db.Compact(context.Background()) // the output of 600 KiB does not fit
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NotErrorIs(t, err, ErrFailed)
	require.Equal(t, writes, disk.Count(vfstest.OpWrite), "Compact must check the free space before it writes")
	files := db.versions.Current().Tree.Levels[0]
	require.NoError(t, db.compact(db.versions.Current().Tree, Pick{Files: []uint64{files[len(files)-1].Number}, To: 6}))
	require.EqualValues(t, 1, moved.Load())
	require.NoError(t, db.DeleteRange([]byte("b"), []byte("c")))
	require.NoError(t, db.Flush(context.Background()))
	require.NoError(t, disk.mem.Remove(ballastName))
	require.NoError(t, db.Compact(context.Background()))
	require.EqualValues(t, 1, merged.Load())
	require.NoError(t, db.Close())
	requireHolds(t, Options{FS: disk, PartitionBytes: 1}, storyState{"a": string(value)})
}

// On a full disk, the compactor checks for free space repeatedly, and the store accepts writes and
// flushes.
func TestCompactorContinuesAfterAFullDisk(t *testing.T) {
	disk := smallDisk(t, 600<<10)
	waited, merged := make(chan error, 1000), make(chan CompactionInfo, 1000)
	o := &Options{FS: disk, Budget: storyBudget(t), Picker: NewTiered(2), Compression: []Compression{NoCompression}}
	o.Events.CompactionFailed = func(err error) { waited <- err }
	o.Events.Compacted = func(i CompactionInfo) { merged <- i }
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	value := make([]byte, 200<<10)
	for _, key := range []string{"a", "a"} {
		require.NoError(t, db.Put([]byte(key), value))
		require.NoError(t, db.Flush(context.Background()))
	}
	require.ErrorIs(t, <-waited, syscall.ENOSPC)
	require.NoError(t, db.Put([]byte("b"), []byte("fits")))
	require.NoError(t, db.Flush(context.Background()))
	require.NoError(t, disk.mem.Remove(ballastName))
	require.Positive(t, (<-merged).FilesRead)
	require.NoError(t, db.Close())
}

// unknownSpace is a disk that does not report its free space.
type unknownSpace struct{ vfs.FS }

func (unknownSpace) FreeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }

func TestMergesDoNotWaitIfFreeSpaceIsUnknown(t *testing.T) {
	db, err := Open(context.Background(), "db", Options{FS: unknownSpace{vfstest.NewMem(vfstest.MemOptions{})}, Budget: storyBudget(t)})
	require.NoError(t, err)
	for range 2 {
		putAll(t, db, "a")
		require.NoError(t, db.Flush(context.Background()))
	}
	require.NoError(t, db.Compact(context.Background()))
	require.NoError(t, db.Close())
}
