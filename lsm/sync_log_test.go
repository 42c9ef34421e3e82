package lsm

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/vfs/vfstest"
)

// A power cut after SyncLog loses no earlier write, in whichever log or table the write is.
func TestSyncLogMakesWritesDurable(t *testing.T) {
	for _, mode := range allLogModes[1:] {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		s := newStory(t, mem, mode, 1000)
		require.NoError(t, open(s))
		for i := range 40 {
			require.NoError(t, put(fmt.Sprintf("m:%02d", i%30), strings.Repeat(fmt.Sprint(i%10), 90))(s))
			if i%7 == 3 {
				require.NoError(t, syncLog(s))
				crashed := mem.CrashClone(vfstest.CrashOptions{})
				require.NoError(t, holds(withFS(s.o, crashed), storyDir, s.states[s.acked]), "mode %d, write %d", mode, i)
			}
		}
		require.NoError(t, s.db.Close())
	}
}

func TestSyncLogWithoutALogIsAnError(t *testing.T) {
	db, err := Open(context.Background(), "db", *goldenOptions(t, vfstest.NewMem(vfstest.MemOptions{}), LogOff))
	require.NoError(t, err)
	require.ErrorIs(t, db.SyncLog(), ErrNoLog)
	require.NoError(t, db.Close())
	require.ErrorIs(t, db.SyncLog(), ErrClosed)
}

// On a full disk SyncLog fails, or succeeds with all writes durable: records that were only in the
// buffer of a failed log are flushed to tables.
func TestSyncLogOnAFullDiskFailsOrMakesWritesDurable(t *testing.T) {
	for _, mode := range allLogModes[1:] {
		var full, tablesFit atomic.Bool
		mem := vfstest.NewMem(vfstest.MemOptions{})
		disk := failingDisk(mem, &full, syscall.ENOSPC, func(c vfstest.Call) bool {
			return c.Op == vfstest.OpWrite && !(tablesFit.Load() && !strings.Contains(c.Name, directory.LogSuffix))
		})
		db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t), Log: mode})
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("k"), []byte("v")))
		full.Store(true)
		if mode != LogBuffered { // their log files already have k; a failed write makes the log fail
			require.ErrorIs(t, db.Put([]byte("refused"), nil), ErrStalled)
		}
		for range 2 {
			err := db.SyncLog()
			require.ErrorIs(t, err, ErrStalled)
			require.ErrorIs(t, err, syscall.ENOSPC)
		}
		tablesFit.Store(true)
		require.NoError(t, db.SyncLog(), "the disk has space for tables")
		requireHolds(t, Options{FS: mem.CrashClone(vfstest.CrashOptions{})}, storyState{"k": "v"})
		full.Store(false)
		untilNil(t, func() error { return db.Put([]byte("k2"), []byte("v")) })
		require.NoError(t, db.SyncLog())
		requireHolds(t, Options{FS: mem.CrashClone(vfstest.CrashOptions{})}, storyState{"k": "v", "k2": "v"})
		require.NoError(t, db.Close())
	}
}

// After a failed fsync the durable content of the log is unknown, so the store accepts no more writes.
func TestFailedSyncOfTheLogFailsTheStore(t *testing.T) {
	var broken atomic.Bool
	disk := failingDisk(vfstest.NewMem(vfstest.MemOptions{}), &broken, syscall.EIO, opOnFile(vfstest.OpSync, directory.LogSuffix))
	db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t), Log: LogWritten})
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	broken.Store(true)
	require.ErrorIs(t, db.SyncLog(), ErrFailed)
	broken.Store(false)
	require.ErrorIs(t, db.SyncLog(), ErrFailed)
	require.ErrorIs(t, db.Put([]byte("k"), nil), ErrFailed)
	require.ErrorIs(t, db.Close(), ErrFailed)
}

// A power cut loses no write that a successful SyncLog followed, also while other goroutines write
// and logs rotate.
func TestSyncLogMakesWritesDurableWhileLogsRotate(t *testing.T) {
	const writers, keys = 3, 60
	for _, mode := range allLogModes[1:] {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		o := &Options{FS: mem, Budget: storyBudget(t), Log: mode, MemtableBytes: 1000}
		db, err := Open(context.Background(), "db", *o)
		require.NoError(t, err)
		var synced [writers]atomic.Int64
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for i := range int64(keys) {
					assert.NoError(t, db.Put(fmt.Appendf(nil, "w:%d:%03d", w, i), make([]byte, 90)))
					assert.NoError(t, db.SyncLog())
					synced[w].Store(i + 1)
				}
			})
		}
		done := make(chan struct{})
		go func() { writing.Wait(); close(done) }()
		for cuts, ended := 0, false; !ended || cuts < 1; cuts++ {
			select {
			case <-done:
				ended = true
			default:
			}
			var before [writers]int64
			for w := range writers {
				before[w] = synced[w].Load()
			}
			reopened := Options{FS: mem.CrashClone(vfstest.CrashOptions{}), Budget: storyBudget(t), Log: mode}
			again, err := Open(context.Background(), "db", reopened)
			require.NoError(t, err)
			for w := range writers {
				for i := range before[w] {
					_, found, err := again.Get(fmt.Appendf(nil, "w:%d:%03d", w, i), nil)
					require.NoError(t, err)
					require.True(t, found, "mode %d, writer %d, key %d of %d", mode, w, i, before[w])
				}
			}
			require.NoError(t, again.Close())
		}
		require.NoError(t, db.Close())
	}
}
