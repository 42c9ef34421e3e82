package lsm

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// failingDisk returns a disk on which the operations selected by which fail with cause while on is set.
func failingDisk(mem *vfstest.Mem, on *atomic.Bool, cause error, which func(vfstest.Call) bool) *faultyDisk {
	return newFaultyDisk(mem, func(c vfstest.Call) error {
		if on.Load() && which(c) {
			return cause
		}
		return nil
	})
}

// requireHolds opens a store and compares its whole content.
func requireHolds(t *testing.T, o Options, want map[string]string) {
	t.Helper()
	o.Budget = storyBudget(t)
	db, err := Open(context.Background(), "db", o)
	require.NoError(t, err)
	requireContent(t, db, want)
	require.NoError(t, db.Close())
}

// opOnFile selects operations op on files whose name contains part.
func opOnFile(op vfstest.Op, part string) func(vfstest.Call) bool {
	return func(c vfstest.Call) bool { return c.Op == op && strings.Contains(c.Name, part) }
}

// Regression test: when the disk became full, records in the log's buffer were in no file. The store
// accepted no writes until the next Open, and that Open lost these records. Protection: abandonLog
// flushes the runs of these records.
func TestRunsOfUnwrittenLogRecordsAreFlushed(t *testing.T) {
	var full atomic.Bool
	mem := vfstest.NewMem(vfstest.MemOptions{})
	disk := failingDisk(mem, &full, vfstest.ShortWrite(syscall.ENOSPC), opOnFile(vfstest.OpWrite, ""))
	lost := 0
	o := &Options{FS: disk, Budget: storyBudget(t), Log: LogBuffered}
	o.Events.LogFailed = func(err error) {
		require.ErrorIs(t, err, syscall.ENOSPC)
		lost++
	}
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	full.Store(true)
	want := map[string]string{}
	for i := 0; ; i++ {
		key, value := fmt.Sprintf("%06d", i), strings.Repeat("v", 100)
		err := db.Put([]byte(key), []byte(value))
		if err != nil {
			require.ErrorIs(t, err, ErrStalled)
			require.ErrorIs(t, err, syscall.ENOSPC)
			break
		}
		want[key] = value
	}
	require.Greater(t, len(want), 400, "more writes than the log's buffer of 64 KiB holds")
	require.ErrorIs(t, db.Put([]byte("refused"), nil), ErrStalled)
	require.ErrorIs(t, db.Delete([]byte("000000")), ErrStalled)
	requireContent(t, db, want) // reads and scans continue
	require.ErrorIs(t, db.Flush(context.Background()), ErrStalled)
	full.Store(false)
	require.NoError(t, db.Flush(context.Background()), "after space was freed")
	require.NoError(t, db.Put([]byte("after"), nil))
	require.Equal(t, 1, lost)
	crashed := mem.CrashClone(vfstest.CrashOptions{})
	require.NoError(t, db.Close())
	for _, disk := range []vfs.FS{mem, crashed} {
		db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t), Log: LogBuffered})
		require.NoError(t, err)
		delete(want, "after")
		if disk == vfs.FS(mem) {
			want["after"] = ""
		}
		requireContent(t, db, want)
		require.NoError(t, db.Close())
	}
}

// After a log has failed, nothing is appended to it. No new log is made until an edit that retires the
// failed log is durable.
func TestNothingIsAppendedToAFailedLog(t *testing.T) {
	for _, mode := range allLogModes[1:] {
		var full atomic.Bool
		mem := vfstest.NewMem(vfstest.MemOptions{})
		disk := failingDisk(mem, &full, syscall.ENOSPC, func(c vfstest.Call) bool {
			return c.Op == vfstest.OpWrite && !strings.Contains(c.Name, directory.TableSuffix) // including writes to the manifest
		})
		db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t), Log: mode})
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("a"), []byte("1")))
		log, number := db.logs.w, db.logs.number
		full.Store(true)
		value := bytes.Repeat([]byte("v"), 70<<10) // more than the buffer
		require.ErrorIs(t, db.Put([]byte("b"), value), ErrStalled)
		size := log.Size()
		for range 20 {
			require.ErrorIs(t, db.Put([]byte("b"), value), ErrStalled)
			require.ErrorIs(t, db.Flush(context.Background()), ErrStalled)
			names, err := mem.List("db")
			require.NoError(t, err)
			require.Equal(t, []uint64{number}, directory.LogNumbers(names, 1))
			require.Equal(t, size, log.Size())
			if mode != LogBuffered { // the log has all acknowledged writes
				keep := map[LogMode]float64{LogWritten: 1, LogSynced: 0}[mode]
				requireHolds(t, Options{FS: mem.CrashClone(vfstest.CrashOptions{Keep: keep})}, storyState{"a": "1"})
			}
		}
		full.Store(false)
		untilNil(t, func() error { return db.Put([]byte("b"), value) })
		names, err := mem.List("db")
		require.NoError(t, err)
		require.Equal(t, []uint64{db.logs.number}, directory.LogNumbers(names, 1))
		require.Greater(t, db.logs.number, number)
		require.NoError(t, db.Close())
		requireHolds(t, Options{FS: mem}, storyState{"a": "1", "b": string(value)})
	}
}

// Regression test: a log that was created but not written, and could not be removed, stayed between two
// other logs. After a crash, Open took it for a log that has lost its end, and returned ErrCorrupt.
func TestNoLogFollowsAnIncompleteLog(t *testing.T) {
	var full, breakNextLog atomic.Bool
	var incomplete atomic.Value // the name of the incomplete log
	mem := vfstest.NewMem(vfstest.MemOptions{})
	disk := failingDisk(mem, &full, syscall.ENOSPC, func(c vfstest.Call) bool {
		switch {
		case strings.Contains(c.Name, directory.TableSuffix):
			return c.Op == vfstest.OpWrite // no flush succeeds
		case breakNextLog.Load() && c.Op == vfstest.OpCreate && strings.Contains(c.Name, directory.LogSuffix):
			incomplete.CompareAndSwap(nil, c.Name)
		}
		return incomplete.Load() == c.Name && (c.Op == vfstest.OpWrite || c.Op == vfstest.OpRemove)
	})
	o := Options{FS: disk, Budget: storyBudget(t), Log: LogSynced, MemtableBytes: 100}
	db, err := Open(context.Background(), "db", o)
	require.NoError(t, err)
	want := map[string]string{}
	put := func(i int) error {
		key, value := fmt.Sprintf("%06d", i), strings.Repeat("v", 70)
		err := db.Put([]byte(key), []byte(value))
		if err == nil {
			want[key] = value
		}
		return err
	}
	require.NoError(t, put(0))
	full.Store(true)
	breakNextLog.Store(true)
	for i := range 20 {
		if err := put(1 + i); err != nil {
			require.ErrorIs(t, err, ErrStalled)
		}
		requireHolds(t, Options{FS: mem.CrashClone(vfstest.CrashOptions{})}, want)
	}
	require.NotNil(t, incomplete.Load())
	full.Store(false)
	untilNil(t, func() error { return put(21) })
	requireHolds(t, Options{FS: mem.CrashClone(vfstest.CrashOptions{})}, want)
	require.NoError(t, db.Close())
	requireHolds(t, Options{FS: mem}, want)
}

// A write that waits for a sync succeeds although a later write fails during the sync.
func TestWriteIsSyncedAlthoughALaterWriteFails(t *testing.T) {
	var full, slow atomic.Bool
	reached, resume := make(chan struct{}), make(chan struct{})
	mem := vfstest.NewMem(vfstest.MemOptions{})
	disk := newFaultyDisk(mem, func(c vfstest.Call) error {
		isLog := strings.Contains(c.Name, directory.LogSuffix)
		switch {
		case isLog && c.Op == vfstest.OpSync && slow.CompareAndSwap(true, false):
			close(reached)
			<-resume
		case c.Op == vfstest.OpWrite && full.Load():
			return syscall.ENOSPC
		}
		return nil
	})
	db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t), Log: LogSynced})
	require.NoError(t, err)
	slow.Store(true)
	first := make(chan error)
	go func() { first <- db.Put([]byte("first"), nil) }()
	<-reached
	full.Store(true)
	require.ErrorIs(t, db.Put([]byte("second"), nil), ErrStalled)
	close(resume)
	require.NoError(t, <-first)
	crashed := mem.CrashClone(vfstest.CrashOptions{})
	requireHolds(t, Options{FS: crashed}, storyState{"first": ""})
	full.Store(false)
	untilNil(t, func() error { return db.Put([]byte("second"), nil) })
	require.NoError(t, db.Close())
}

// After a failed sync of the log, the manifest or the directory, the store accepts no more writes. This
// also holds on a full disk.
func TestFailedSyncsOfLogManifestAndDirectoryAreFinal(t *testing.T) {
	for name, which := range map[string]func(vfstest.Call) bool{
		"log": opOnFile(vfstest.OpSync, directory.LogSuffix), "manifest": opOnFile(vfstest.OpSync, directory.ManifestPrefix), "directory": opOnFile(vfstest.OpSyncDir, ""),
	} {
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
			var on atomic.Bool
			disk := failingDisk(vfstest.NewMem(vfstest.MemOptions{}), &on, cause, which)
			db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t), Log: LogSynced})
			require.NoError(t, err)
			on.Store(true)
			err = db.Put([]byte("k"), nil)
			if err == nil {
				err = db.Flush(context.Background())
			}
			require.ErrorIs(t, err, ErrFailed, name)
			require.ErrorIs(t, err, cause)
			on.Store(false)
			require.ErrorIs(t, db.Put([]byte("k"), nil), ErrFailed)
			_, _, err = db.Get([]byte("k"), nil)
			require.NoError(t, err)
			require.ErrorIs(t, db.Close(), ErrFailed)
		}
	}
}

// If the directory cannot be opened for a sync, for example because the process has too many open files,
// nothing was synced, and the store retries.
func TestSyncOfADirectoryThatCannotBeOpenedIsRetried(t *testing.T) {
	large := make([]byte, storyLarge)
	for _, mode := range allLogModes {
		var on atomic.Bool
		mem := vfstest.NewMem(vfstest.MemOptions{})
		disk := failingDisk(mem, &on, vfstest.NotOpened(syscall.EMFILE), opOnFile(vfstest.OpSyncDir, ""))
		db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t), Log: mode})
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("k"), []byte("v")))
		on.Store(true)
		err = db.Flush(context.Background())
		require.ErrorIs(t, err, ErrStalled)
		require.ErrorIs(t, err, syscall.EMFILE)
		if mode != LogOff {
			err := db.Put([]byte("large"), large)
			require.ErrorIs(t, err, ErrStalled)
			require.ErrorIs(t, err, syscall.EMFILE)
		}
		on.Store(false)
		require.NoError(t, db.Flush(context.Background()))
		require.NoError(t, db.Put([]byte("large"), large))
		require.NoError(t, db.Close())
		requireHolds(t, Options{FS: mem}, storyState{"k": "v", "large": string(large)})
		report, err := Check(t.Context(), "db", Options{FS: mem, Budget: storyBudget(t)})
		require.NoError(t, err)
		require.Empty(t, report.Leftovers)
	}
}

// After a failed sync of a table, the store removes the file and writes the table again under another
// number.
func TestTableIsWrittenAgainAfterAFailedSync(t *testing.T) {
	for _, mode := range allLogModes {
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
			var failed atomic.Pointer[string]
			var next atomic.Bool
			mem := vfstest.NewMem(vfstest.MemOptions{})
			disk := newFaultyDisk(mem, func(c vfstest.Call) error {
				if opOnFile(vfstest.OpSync, directory.TableSuffix)(c) && next.CompareAndSwap(true, false) {
					failed.Store(&c.Name)
					return cause
				}
				return nil
			})
			db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t), Log: mode, Picker: idle{}})
			require.NoError(t, err)
			want := storyState{}
			large := strings.Repeat("large", storyLarge/5+1)
			for key, write := range map[string]func() error{
				"flush":   func() error { return db.Flush(context.Background()) },
				"compact": func() error { return db.Compact(context.Background()) },
				"large":   func() error { return db.Put([]byte("large"), []byte(large)) },
			} {
				require.NoError(t, db.Put([]byte(key), []byte(key)))
				if key == "compact" {
					require.NoError(t, db.Flush(context.Background()))
				}
				next.Store(true)
				if err := write(); err != nil {
					require.ErrorIs(t, err, cause)
					require.NotErrorIs(t, err, ErrFailed)
				}
				untilNil(t, write)
				want[key] = key
				require.False(t, next.Load(), "the sync must have failed")
				_, err := mem.Stat(*failed.Load())
				require.Error(t, err, "%s was not removed", *failed.Load())
			}
			want["large"] = large
			require.NoError(t, db.Flush(context.Background()))
			after := mem.CrashClone(vfstest.CrashOptions{})
			require.NoError(t, db.Close())
			for _, disk := range []vfs.FS{mem, after} {
				requireHolds(t, Options{FS: disk}, want)
			}
		}
	}
}

// Without a log and with LogBuffered, a small write makes no system call. With LogWritten it makes one
// write. With LogSynced it makes a write, a sync, and a write of the sync mark. Except with LogSynced it
// allocates nothing.
func TestSmallWritesMakeFewSystemCalls(t *testing.T) {
	for mode, perWrite := range map[LogMode]int{LogOff: 0, LogBuffered: 0, LogWritten: 1, LogSynced: 3} {
		disk := newFaultyDisk(vfstest.NewMem(vfstest.MemOptions{}), func(vfstest.Call) error { return nil })
		db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t), Log: mode, Picker: idle{}})
		require.NoError(t, err)
		key, value := []byte("key"), []byte("value")
		require.NoError(t, db.Put(key, value))
		before := disk.Count()
		allocs := testing.AllocsPerRun(100, func() { require.NoError(t, db.Put(key, value)) })
		require.Equal(t, 101*perWrite, disk.Count()-before, "%d", mode)
		if mode != LogSynced && !modelUnderRace {
			require.Zero(t, allocs, "%d", mode)
		}
		require.NoError(t, db.Close())
	}
}

// Regression test: a Flush called after space was freed returned the error of a flush that had started
// before.
func TestFlushIgnoresTheFailureOfAnEarlierFlush(t *testing.T) {
	var slow atomic.Bool
	tries, begun, mustFail := 0, make(chan bool, 2), make(chan bool) // mustFail receives the result of the blocked write
	disk := failingDisk(vfstest.NewMem(vfstest.MemOptions{}), &slow, syscall.ENOSPC, func(c vfstest.Call) bool {
		if c.Op != vfstest.OpWrite || !strings.HasSuffix(c.Name, directory.TableSuffix) || tries == 2 {
			return false
		}
		tries++
		begun <- true
		return <-mustFail
	})
	db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t)})
	require.NoError(t, err)
	setRunAge(db, 0)
	putAll(t, db, "a")
	slow.Store(true)
	require.NoError(t, db.Seal())
	<-begun
	flushed := make(chan error, 1)
	go func() { flushed <- db.Flush(context.Background()) }()
	waitFor(t, "Flush waits", func() bool {
		db.lock.Lock()
		defer db.lock.Unlock()
		return db.flushes.dueUpTo > 0
	})
	mustFail <- true
	select {
	case err := <-flushed:
		require.NoError(t, err, "Flush returned the error of the earlier flush")
	case <-time.After(20 * time.Millisecond): // long enough for a Flush that wrongly returns the earlier error
	}
	mustFail <- false
	require.NoError(t, <-flushed)
	require.NoError(t, db.Close())
}
