package lsm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

var errEnough = errors.New("enough")

// endingDisk is a disk over mem, and a context that ends at the n-th operation of it from 0
// on that reads or makes a file. It counts those that follow.
func endingDisk(t *testing.T, mem vfs.FS, n int64) (disk *vfstest.Faulty, ctx context.Context, after func() int64) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var count atomic.Int64
	disk = vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
		switch c.Op {
		case vfstest.OpOpen, vfstest.OpCreate, vfstest.OpRead, vfstest.OpReadAt, vfstest.OpLink:
			if count.Add(1)-1 == n {
				cancel(errEnough)
			}
		}
		return nil
	}})
	return disk, ctx, func() int64 { return count.Load() - n - 1 }
}

// contextOptions are those of a store of many tables that has a log to replay.
func contextOptions(t *testing.T, fsys vfs.FS) *Options {
	return &Options{FS: fsys, Log: LogSynced, Picker: idle{}, Budget: storyBudget(t)}
}

// storeToReplay makes a store that was not closed: of tables, and of a log with runs.
func storeToReplay(t *testing.T) *vfstest.Mem {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db, err := Open(context.Background(), "db", *contextOptions(t, mem))
	require.NoError(t, err)
	put := func(i int) {
		require.NoError(t, db.Put([]byte(fmt.Sprintf("%03d", i)), []byte(strings.Repeat("v", 10_000))))
	}
	for i := range 40 {
		put(i)
		require.NoError(t, db.Flush(context.Background()))
	}
	require.NoError(t, db.Seal())
	for i := range 200 {
		put(100 + i)
	}
	require.NoError(t, db.Discard())
	return mem
}

// An opening that its context ends reads on for some operations at most, wherever it is, and
// leaves a store that can be opened.
func TestOpeningEndsWithItsContext(t *testing.T) {
	left := storeToReplay(t)
	const most = 12 // to end a file that is being written, and to say that there is no more
	opened := false
	for n := int64(0); !opened; n += 7 {
		mem := left.CrashClone(vfstest.CrashOptions{})
		disk, ctx, after := endingDisk(t, mem, n)
		db, err := Open(ctx, "db", *contextOptions(t, disk))
		if opened = after() < 0; opened {
			require.NoError(t, err)
			require.NoError(t, db.Close())
			require.Greater(t, n, int64(60))
			break
		}
		if err == nil { // the operation was one of a worker, or the last one
			require.NoError(t, db.Close())
			continue
		}
		require.ErrorIs(t, err, errEnough, "operation %d", n)
		require.LessOrEqual(t, after(), int64(most), "operation %d", n)
		db, err = Open(context.Background(), "db", *contextOptions(t, mem))
		require.NoError(t, err)
		for _, key := range []string{"000", "039", "100", "299"} {
			_, found, err := db.Get([]byte(key), nil)
			require.NoError(t, err)
			require.True(t, found, key)
		}
		require.NoError(t, db.Close())
	}
}

func TestCheckingAndRestoringEndWithTheirContext(t *testing.T) {
	mem := storeToReplay(t)
	db, err := Open(context.Background(), "db", *contextOptions(t, mem))
	require.NoError(t, err)
	require.NoError(t, db.Checkpoint(t.Context(), "copy"))
	require.NoError(t, db.Discard())
	for name, call := range map[string]func(ctx context.Context, fsys vfs.FS) error{
		"check": func(ctx context.Context, fsys vfs.FS) error {
			_, err := Check(ctx, "copy", *contextOptions(t, fsys))
			return err
		},
		"restore": func(ctx context.Context, fsys vfs.FS) error {
			return Restore(ctx, "made", []Part{{Dir: "copy"}}, *contextOptions(t, fsys))
		},
	} {
		t.Run(name, func(t *testing.T) {
			for n := int64(0); ; n += 5 {
				clone := mem.CrashClone(vfstest.CrashOptions{})
				disk, ctx, after := endingDisk(t, clone, n)
				err := call(ctx, disk)
				if after() < 0 {
					require.NoError(t, err)
					require.Greater(t, n, int64(30))
					return
				}
				if err != nil {
					require.ErrorIs(t, err, errEnough, "operation %d", n)
				}
				require.LessOrEqual(t, after(), int64(12), "operation %d", n)
				require.NoError(t, errors.Join(clone.RemoveAll("made")))
			}
		})
	}
}

// A waiting Flush ends with its context; the flush that it started continues.
func TestFlushEndsWithItsContext(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db, err := Open(context.Background(), "db", *contextOptions(t, mem))
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	db.manifest.Lock() // the flusher gets no further
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() { ended <- db.Flush(ctx) }()
	cancel(errEnough)
	err = <-ended
	db.manifest.Unlock()
	require.ErrorIs(t, err, errEnough)
	require.NoError(t, db.Flush(t.Context()))
	require.NoError(t, db.Close())
	requireHolds(t, Options{FS: mem}, storyState{"k": "v"})
}

// A Compact that is merging ends with its context, and does not change the tables.
func TestCompactEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var merging atomic.Bool
	mem := vfstest.NewMem(vfstest.MemOptions{})
	disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
		if merging.Load() && c.Op == vfstest.OpCreate {
			cancel(errEnough)
		}
		return nil
	}})
	o := contextOptions(t, disk)
	o.Log = LogOff
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	for range 2 {
		for i := range 10_000 {
			require.NoError(t, db.Put(fmt.Appendf(nil, "%05d", i), []byte("v")))
		}
		require.NoError(t, db.Flush(t.Context()))
	}
	tables := tablesOf(db)
	merging.Store(true)
	require.ErrorIs(t, db.Compact(ctx), errEnough)
	require.Equal(t, tables, tablesOf(db))
	require.NoError(t, db.Compact(t.Context()))
	require.Equal(t, 1, db.Metrics().Levels[1].Files)
	require.NoError(t, db.Close())
	report, err := Check(t.Context(), "db", *contextOptions(t, mem))
	require.NoError(t, err)
	require.Empty(t, report.Leftovers)
}

// A Compact that waits ends with its context: for another compaction, for those of other
// stores, and for a flush.
func TestCompactThatWaitsEndsWithItsContext(t *testing.T) {
	o := contextOptions(t, vfstest.NewMem(vfstest.MemOptions{}))
	o.Log = LogOff
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	require.NoError(t, db.Flush(t.Context()))
	ends := func(what string, wait func(ctx context.Context) error) {
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error)
		go func() { ended <- wait(ctx) }()
		cancel(errEnough)
		require.ErrorIs(t, <-ended, errEnough, what)
	}

	db.compactor.running.Lock()
	ends("another compaction", db.Compact)
	db.compactor.running.Unlock()

	slots := db.o.Budget.compactions
	for range jobsAtATime {
		require.NoError(t, slots.acquire(t.Context()))
	}
	ends("other stores", db.Compact)
	for range jobsAtATime {
		slots.release()
	}

	db.manifest.Lock() // the flusher gets no further
	require.NoError(t, db.Put([]byte("k"), []byte("newer")))
	ends("to begin a flush", db.Flush)
	db.lock.Lock()
	require.True(t, db.flushesGoFirst())
	db.lock.Unlock()
	ends("a flush", db.yieldToFlush)
	db.manifest.Unlock()

	require.NoError(t, db.Compact(t.Context()))
	require.NoError(t, db.Close())
}
