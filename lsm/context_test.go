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

var errCancelled = errors.New("cancelled by the test")

// cancellingDisk returns a disk over mem, and a context that is cancelled by operation n (from 0) of the
// disk that opens, creates, reads or links a file. after returns the number of such operations since
// then; it is negative if the context is not cancelled.
func cancellingDisk(t *testing.T, mem vfs.FS, n int64) (disk *vfstest.Faulty, ctx context.Context, after func() int64) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var count atomic.Int64
	disk = vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
		switch c.Op {
		case vfstest.OpOpen, vfstest.OpCreate, vfstest.OpRead, vfstest.OpReadAt, vfstest.OpLink:
			if count.Add(1)-1 == n {
				cancel(errCancelled)
			}
		}
		return nil
	}})
	return disk, ctx, func() int64 { return count.Load() - n - 1 }
}

// contextOptions returns options for stores with a log and without compactions.
func contextOptions(t *testing.T, fsys vfs.FS) *Options {
	return &Options{FS: fsys, Log: LogSynced, Picker: idle{}, Budget: storyBudget(t)}
}

// storeToReplay returns the disk of a store that was not closed. It has many tables and a log to replay.
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

// After its context is cancelled, Open does at most 12 more operations that read or create files. The
// store can still be opened.
func TestOpenStopsWhenItsContextIsCancelled(t *testing.T) {
	original := storeToReplay(t)
	const maxAfter = 12 // to finish or remove the current file, and to reach the next check of ctx
	opened := false
	for n := int64(0); !opened; n += 7 {
		mem := original.CrashClone(vfstest.CrashOptions{})
		disk, ctx, after := cancellingDisk(t, mem, n)
		db, err := Open(ctx, "db", *contextOptions(t, disk))
		if opened = after() < 0; opened {
			require.NoError(t, err)
			require.NoError(t, db.Close())
			require.Greater(t, n, int64(60))
			break
		}
		if err == nil { // a worker did the operation, or it was the last operation of Open
			require.NoError(t, db.Close())
			continue
		}
		require.ErrorIs(t, err, errCancelled, "operation %d", n)
		require.LessOrEqual(t, after(), int64(maxAfter), "operation %d", n)
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

func TestCheckAndRestoreStopWhenTheirContextIsCancelled(t *testing.T) {
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
				disk, ctx, after := cancellingDisk(t, clone, n)
				err := call(ctx, disk)
				if after() < 0 {
					require.NoError(t, err)
					require.Greater(t, n, int64(30))
					return
				}
				if err != nil {
					require.ErrorIs(t, err, errCancelled, "operation %d", n)
				}
				require.LessOrEqual(t, after(), int64(12), "operation %d", n)
				require.NoError(t, errors.Join(clone.RemoveAll("made")))
			}
		})
	}
}

// Flush stops waiting when its context is cancelled. The flush continues in the background.
func TestFlushStopsWaitingWhenItsContextIsCancelled(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db, err := Open(context.Background(), "db", *contextOptions(t, mem))
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	db.manifest.Lock() // blocks the flusher
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error)
	go func() { result <- db.Flush(ctx) }()
	cancel(errCancelled)
	err = <-result
	db.manifest.Unlock()
	require.ErrorIs(t, err, errCancelled)
	require.NoError(t, db.Flush(t.Context()))
	require.NoError(t, db.Close())
	requireHolds(t, Options{FS: mem}, storyState{"k": "v"})
}

// Compact stops merging when its context is cancelled, and does not change the tables.
func TestCompactStopsMergingWhenItsContextIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var merging atomic.Bool
	mem := vfstest.NewMem(vfstest.MemOptions{})
	disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
		if merging.Load() && c.Op == vfstest.OpCreate {
			cancel(errCancelled)
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
	require.ErrorIs(t, db.Compact(ctx), errCancelled)
	require.Equal(t, tables, tablesOf(db))
	require.NoError(t, db.Compact(t.Context()))
	require.Equal(t, 1, db.Metrics().Levels[1].Files)
	require.NoError(t, db.Close())
	report, err := Check(t.Context(), "db", *contextOptions(t, mem))
	require.NoError(t, err)
	require.Empty(t, report.Leftovers)
}

// Compact stops waiting when its context is cancelled. It may wait for another compaction of the store,
// for compactions of other stores, or for a flush.
func TestCompactStopsWaitingWhenItsContextIsCancelled(t *testing.T) {
	o := contextOptions(t, vfstest.NewMem(vfstest.MemOptions{}))
	o.Log = LogOff
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	require.NoError(t, db.Flush(t.Context()))
	requireCancelled := func(waitsFor string, wait func(ctx context.Context) error) {
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error)
		go func() { result <- wait(ctx) }()
		cancel(errCancelled)
		require.ErrorIs(t, <-result, errCancelled, waitsFor)
	}

	db.compactor.running.Lock()
	requireCancelled("another compaction", db.Compact)
	db.compactor.running.Unlock()

	slots := db.o.Budget.jobs
	slots.mu.Lock()
	slots.limit = func() int { return 1 }
	slots.mu.Unlock()
	held, err := slots.begin(t.Context(), flushJob)
	require.NoError(t, err)
	requireCancelled("jobs of other stores", func(ctx context.Context) error {
		db.lock.Lock()
		tree := db.versions.Current().Tree
		db.lock.Unlock()
		return db.compactUntil(ctx, tree, Pick{Files: []uint64{tree.Levels[0][0].Number}, To: 0})
	})
	require.NoError(t, db.Put([]byte("k"), []byte("newer")))
	requireCancelled("a flush that waits", db.Flush)
	held.end()

	require.NoError(t, db.Compact(t.Context()))
	require.NoError(t, db.Close())
}
