package lsm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/compaction"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/vfs/vfstest"
)

// The tests of the files bugs_*_test.go are regression tests for bugs of this store before its release.
// Each comment describes the bug and names the protection against it. Each test was seen to fail
// without that protection.

// Recovery removed the table of a large write if only the log named the table. Protection:
// recovery.table counts the run's reference to its file.
func TestLargeWritesSurviveAReplay(t *testing.T) {
	for _, mode := range allLogModes[1:] {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		o := &Options{FS: mem, Log: mode, Budget: storyBudget(t)}
		db, err := Open(context.Background(), "db", *o)
		require.NoError(t, err)
		db.manifest.Lock() // blocks the flusher
		value := bytes.Repeat([]byte("large"), storyLarge/4)
		require.NoError(t, db.Put([]byte("k"), value))
		require.NoError(t, db.logs.w.Flush())
		crashed := mem.CrashClone(vfstest.CrashOptions{Keep: 1})
		db.manifest.Unlock()
		require.NoError(t, db.Close())
		for range 2 {
			db, err = Open(context.Background(), "db", Options{FS: crashed, Log: mode, Budget: storyBudget(t)})
			require.NoError(t, err)
			got, found, err := db.Get([]byte("k"), nil)
			require.NoError(t, err)
			require.True(t, found && bytes.Equal(value, got))
			require.NoError(t, db.Close())
		}
	}
}

// A write that waited for its sync failed the store if the next log was opened during the wait.
// Protection: waitForSync treats a log that has a successor as durable.
func TestWriteWaitingForSyncSurvivesTheNextLog(t *testing.T) {
	db, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{}), Log: LogSynced, MemtableBytes: 90, Budget: storyBudget(t)})
	require.NoError(t, err)
	large := make([]byte, storyLarge)
	for range 5 {
		for range 5 {
			require.NoError(t, db.Put([]byte("k"), make([]byte, 100)))
		}
		require.NoError(t, db.Put([]byte("large"), large)) // a large write starts a new log
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for i := range 100 {
				if err := db.Put(fmt.Appendf(nil, "%d/%d", w, i), large[:100]); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	writers.Wait()
	require.NoError(t, db.Close())
}

// Open did not notice a missing log. Protection: the manifest names the first log that must exist, run
// numbers must have no gaps, and the end of a log records that another log follows.
func TestMissingLogsAreCorruption(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db, err := Open(context.Background(), "db", Options{FS: mem, Log: LogSynced, MemtableBytes: 300, BudgetBytes: 256 << 20})
	require.NoError(t, err)
	db.manifest.Lock() // blocks the flusher
	for i := range 20 {
		require.NoError(t, db.Put([]byte(fmt.Sprint(i)), make([]byte, 100)))
	}
	crashed := mem.CrashClone(vfstest.CrashOptions{Keep: 0})
	db.manifest.Unlock()
	require.NoError(t, db.Close())

	names, err := crashed.List("db")
	require.NoError(t, err)
	logs := directory.LogNumbers(names, 1)
	require.Greater(t, len(logs), 2)
	for _, number := range logs[:len(logs)-1] {
		damaged := crashed.CrashClone(vfstest.CrashOptions{Keep: 1})
		require.NoError(t, damaged.Remove("db/"+directory.LogName(number)))
		_, err := Open(context.Background(), "db", Options{FS: damaged, Log: LogSynced, Budget: storyBudget(t)})
		require.ErrorIs(t, err, ErrCorrupt, "log %d of %v", number, logs)
	}
	damaged := crashed.CrashClone(vfstest.CrashOptions{Keep: 1})
	require.NoError(t, damaged.Remove("db/"+directory.LogName(logs[len(logs)-1])))
	_, err = Open(context.Background(), "db", Options{FS: damaged, Log: LogSynced, Budget: storyBudget(t)})
	require.ErrorIs(t, err, ErrCorrupt, "the last log of %v", logs)
}

// The store accepted keys whose prefix is shorter than PartitionBytes. The tombstone of such a prefix
// covers several partitions, while tables end at partition borders. So bounds of tables overlapped,
// and no compaction could be committed. Protection: all write paths and the replay of logs call
// Options.checkKey.
func TestKeysShorterThanAPartitionAreRefused(t *testing.T) {
	for _, mode := range allLogModes {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		o := &Options{FS: mem, Log: mode, Budget: goldenBudget(t), PartitionBytes: 3, Split: modelSplits[2], FileBytes: 1}
		db, err := Open(context.Background(), "db", *o)
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("ab/"), nil)) // the shortest valid prefix
		require.NoError(t, db.DeletePrefix([]byte("abc")))
		for name, path := range writePaths {
			if !strings.HasPrefix(name, "Batch") {
				for _, key := range []string{"", "a", "ab", "a/", "a/long", "/"} {
					if name == "DeletePrefix" && key == "a/long" {
						continue // not a prefix
					}
					require.ErrorIs(t, path.write(db, []byte(key), nil), ErrPartition, "%s of %q", name, key)
				}
			}
		}
		var b Batch
		b.Put([]byte("abc"), nil)
		b.DeletePrefix([]byte("a/"))
		require.ErrorIs(t, db.Apply(&b), ErrPartition)
		requireContent(t, db, map[string]string{"ab/": ""})
		require.NoError(t, db.Close())
	}
	short := goldenLog(t, readGolden(t, "v1-run.record"), pageRecord(2, func(p *page) { p.op(4, "a") }))
	_, err := Open(context.Background(), "db", *goldenOptions(t, short, LogOff))
	require.ErrorIs(t, err, ErrCorrupt)
}

// If a table ended before a key of more than 1 KiB, its range tombstone reached up to the whole key,
// but the next table starts at the first 1 KiB of the key. The bounds overlapped, and all further
// compactions failed. Protection: endFile shortens the end of the tombstone like the bounds.
func TestRangeTombstonesEndAtShortenedTableBounds(t *testing.T) {
	long := func(partition string) string { return partition + strings.Repeat("long", 500) }
	for _, size := range []int{1, compaction.MaxBorderBytes - 1, compaction.MaxBorderBytes, compaction.MaxBorderBytes + 1, 2000} {
		db := memoryStore(t, Options{Picker: idle{}, PartitionBytes: 1, FileBytes: 1, Budget: goldenBudget(t)})
		putAll(t, db, "a", long("b"), long("c"), "d")
		flushed(t, db)
		compactLevels(t, db, 2, 0)
		flushed(t, db, db.DeleteRange([]byte("a"), []byte("d")))
		putAll(t, db, long("b")[:size], long("c")[:size])
		flushed(t, db)
		compactLevels(t, db, 1, 0)
		require.Equal(t, 2, tablesOf(db)[1])
		at := long("c")[:min(size, compaction.MaxBorderBytes)]
		require.Equal(t, fmt.Sprintf("[a,%s) [%s,d) ", at, at), boundsOf(db, 1))
		it, err := db.Iterator(nil, nil)
		require.NoError(t, err)
		require.Equal(t, long("b")[:size]+" "+long("c")[:size]+" d ", keysOf(t, it))
		require.NoError(t, it.Close())
	}
}

// If a file had the highest possible number, the store wrote a manifest that could not be read.
// Protection: MaxNextNumber.
func TestFileNumbersNearTheMaximumAreCorruption(t *testing.T) {
	for _, number := range []uint64{manifest.MaxFileNumber, manifest.MaxFileNumber - 1, manifest.MaxNextNumber + 1} {
		for _, name := range []string{directory.TableName(number), directory.LogName(number), directory.ManifestName(number)} {
			mem := vfstest.NewMem(vfstest.MemOptions{})
			o := &Options{FS: mem, Budget: storyBudget(t)}
			db, err := Open(context.Background(), "db", *o)
			require.NoError(t, err)
			require.NoError(t, db.Close())
			f, err := mem.Create("db/" + name)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			for range 2 {
				_, err = Open(context.Background(), "db", *o)
				require.ErrorIs(t, err, ErrCorrupt, name)
			}
			require.NoError(t, mem.Remove("db/"+name))
			db, err = Open(context.Background(), "db", *o)
			require.NoError(t, err)
			require.NoError(t, db.Close())
		}
	}
	for _, e := range []manifest.Edit{{NextFile: manifest.MaxFileNumber}, {NextRun: manifest.MaxFileNumber}, {Flushed: manifest.MaxFileNumber}} {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		require.NoError(t, mem.MkdirAll("db"))
		e.First, e.Split = true, WholeKey.Name
		w, err := manifest.Create(mem, "db", 1, &e)
		require.NoError(t, err)
		require.NoError(t, w.Close(true))
		require.NoError(t, manifest.Current{Number: 1, File: w.Identity()}.Publish(mem, "db"))
		_, err = Open(context.Background(), "db", Options{FS: mem, Budget: storyBudget(t)})
		require.ErrorIs(t, err, ErrCorrupt)
	}
}

// A commit that failed because its change was invalid still marked the run of the change as flushed.
// Protection: commit checks the change against the tree before it modifies the store.
func TestInvalidChangesChangeNothing(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}, Budget: storyBudget(t)})
	putAll(t, db, "a")
	flushed(t, db)
	before := db.flushedRun
	c := version.Change{Flushed: []*version.SealedRun{{Number: 99}}}
	c.Added[0] = treeOf(db).Levels[0]
	require.ErrorIs(t, db.commit(&c), ErrCorrupt)
	require.Equal(t, before, db.flushedRun)
}

// The memory of a value from Peek was freed or reused when its memtable was flushed.
// Protection: Peek copies values of sealed memtables.
func TestPeekedValuesOutliveTheirMemtable(t *testing.T) {
	for name, write := range map[string]func(*DB, []byte, []byte) error{"put": (*DB).Put, "append": (*DB).Append} {
		db := memoryStore(t, Options{BudgetBytes: 4 << 20})
		setRunAge(db, 0)
		key, value := []byte("k"), bytes.Repeat([]byte("v"), 1000)
		require.NoError(t, write(db, key, value))
		db.manifest.Lock() // blocks the flusher
		require.NoError(t, db.Seal())
		peeked, found, err := db.Peek(key)
		require.NoError(t, err)
		require.True(t, found)
		db.manifest.Unlock()
		db.lock.Lock()
		for len(db.versions.Current().Memory) > 0 {
			db.progress.Wait()
		}
		db.lock.Unlock()
		slabs := db.o.Budget.slabs
		reused := [][]byte{slabs.Get(), slabs.Get(), slabs.Get()}
		for _, slab := range reused {
			clear(slab)
		}
		require.Equal(t, string(value), string(peeked), name)
		for _, slab := range reused {
			slabs.Put(slab)
		}
	}
}

// Runs of different parts of a Restore had the same number. A compaction of some of them produced a
// table that overlapped other tables with its run number. The store treated that as corruption and
// stopped compactions. Protection: addPart numbers the runs of all parts consecutively.
func TestRestoredRunsHaveUniqueNumbers(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := &Options{FS: mem, PartitionBytes: 1, Split: modelSplits[2], Picker: idle{}, Budget: storyBudget(t)}
	for _, part := range []string{"aa", "bb"} {
		db, err := Open(context.Background(), part, *o)
		require.NoError(t, err)
		for range 3 {
			flushed(t, db, db.Append([]byte(part+"1"), []byte("x")), db.Put([]byte(part+"2"), []byte("y")))
		}
		require.NoError(t, db.Close())
	}
	parts := []Part{{Dir: "aa", From: nil, To: []byte("b")}, {Dir: "bb", From: []byte("b"), To: nil}}
	require.NoError(t, Restore(t.Context(), "db", parts, *o))
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	runs := make(map[uint64]bool)
	level0 := treeOf(db).Levels[0]
	for _, f := range level0 {
		runs[f.Run] = true
	}
	require.Len(t, runs, 6)
	db.compactor.running.Lock()
	require.NoError(t, db.compact(treeOf(db), Pick{Files: []uint64{level0[1].Number, level0[2].Number, level0[3].Number}}))
	db.compactor.running.Unlock()
	for _, part := range []string{"aa", "bb"} {
		got, _, err := db.Get([]byte(part+"1"), nil)
		require.NoError(t, err)
		require.Equal(t, "xxx", string(got))
	}
	require.NoError(t, db.Close())
	_, err = Check(t.Context(), "db", *o)
	require.NoError(t, err)
}

func TestManifestRefusesTablesOfUnflushedRuns(t *testing.T) {
	for run := range uint64(5) {
		c := manifest.Catalog{Tables: make(map[uint64]manifest.LevelTable)}
		e := manifest.Edit{First: true, Flushed: 3, NextFile: 9, NextRun: 5}
		e.Added = []manifest.LevelTable{{Level: 0, Meta: version.FileMeta{Number: 1, Run: run}}}
		if err := c.Apply(&e); run <= 3 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, ErrCorrupt)
		}
	}
}

// Large writes, which become runs of their own, never waited for the flusher. More than a thousand of
// their files were open before the first flush, and level 0 grew without limit. Protection:
// makeRoomForRun.
func TestLargeWritesWaitForFlushesAndCompactions(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}, Budget: storyBudget(t)})
	key, large := []byte("k"), make([]byte, storyLarge)
	db.manifest.Lock() // blocks the flusher
	unblock := sync.OnceFunc(db.manifest.Unlock)
	defer unblock()
	for range maxSealedRuns {
		require.NoError(t, db.Put(key, large))
	}
	db.lock.Lock()
	db.status.flushErr = ErrStalled // waiting writes return this error
	db.lock.Unlock()
	require.ErrorIs(t, db.Put(key, large), ErrStalled)
	require.Zero(t, db.Metrics().Slowed)
	unblock()
	flushed(t, db)
	require.Len(t, treeOf(db).Levels[0], slowestRuns)
	require.NoError(t, db.Put(key, large))
	require.Greater(t, db.Metrics().Slowed, maxThrottle)
}

// A write between the last flush of Close and the end of Close returned nil but was lost. Protection:
// checkWritable refuses writes while the store is closing.
func TestCloseKeepsEverySuccessfulWrite(t *testing.T) {
	for range 30 {
		o := &Options{FS: vfstest.NewMem(vfstest.MemOptions{}), Budget: storyBudget(t)}
		db, err := Open(context.Background(), "db", *o)
		require.NoError(t, err)
		putAll(t, db, "a", "b", "c")
		written := make(chan int)
		go func() {
			n := 0
			for db.Put(binary.AppendUvarint(nil, uint64(n)), []byte("x")) == nil {
				n++
			}
			written <- n
		}()
		require.NoError(t, db.Close())
		n := <-written
		db, err = Open(context.Background(), "db", *o)
		require.NoError(t, err)
		for i := range n {
			_, found, err := db.Get(binary.AppendUvarint(nil, uint64(i)), nil)
			require.NoError(t, err)
			require.True(t, found, "%d of %d", i, n)
		}
		require.NoError(t, db.Close())
	}
}

// Close checked for open iterators without the lock. It then freed memory that the goroutine for
// obsolete files still used for an iterator that was just being closed. Protection: release checks for
// iterators before it waits for that goroutine. The race detector finds this bug.
func TestIteratorsCanCloseDuringCloseOfTheirStore(t *testing.T) {
	for range 10 {
		db := memoryStore(t, Options{BudgetBytes: 4 << 20})
		putAll(t, db, "a", "b")
		it, err := db.Iterator(nil, nil)
		require.NoError(t, err)
		closed := make(chan error)
		go func() { closed <- it.Close() }()
		if err := db.Close(); err != nil {
			require.ErrorIs(t, err, ErrOpen)
		}
		require.NoError(t, <-closed)
	}
}
