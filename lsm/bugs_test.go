package lsm

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/vfs"
)

// The tests of this file stand for bugs, of other systems or of this one before
// it was released. Each names the protection that it guards, and was seen to
// fail without it.

// A large write, of which only the log spoke, was removed while the log was
// replayed. Protection: replayer.file counts the run's reference to its file.
func TestLargeWritesSurviveAReplay(t *testing.T) {
	for _, mode := range []LogMode{LogBuffered, LogSynced} {
		mem := vfs.NewMem(vfs.MemOptions{})
		o := &Options{FS: mem, Log: mode, Budget: storyBudget}
		db, err := Open("db", o)
		require.NoError(t, err)
		db.manifest.mu.Lock() // the flusher gets no further
		value := bytes.Repeat([]byte("large"), storyLarge/4)
		require.NoError(t, db.Put([]byte("k"), value))
		require.NoError(t, db.log.Flush())
		left := mem.CrashClone(vfs.CrashOptions{Keep: 1})
		db.manifest.mu.Unlock()
		require.NoError(t, db.Close())
		for range 2 {
			db, err = Open("db", &Options{FS: left, Log: mode, Budget: storyBudget})
			require.NoError(t, err)
			got, found, err := db.Get([]byte("k"), nil)
			require.NoError(t, err)
			require.True(t, found && bytes.Equal(value, got))
			require.NoError(t, db.Close())
		}
	}
}

// A write that waited for its sync failed the store if the log was followed by
// another one meanwhile. Protection: logEnd.sync knows that a log that was
// followed is on the disk.
func TestWritesMayWaitForALogThatHasEnded(t *testing.T) {
	db, err := Open("db", &Options{FS: vfs.NewMem(vfs.MemOptions{}), Log: LogSynced, MemtableBytes: 90, Budget: storyBudget})
	require.NoError(t, err)
	large := make([]byte, storyLarge)
	for range 5 {
		for range 5 {
			require.NoError(t, db.Put([]byte("k"), make([]byte, 100)))
		}
		require.NoError(t, db.Put([]byte("large"), large)) // it ends the log itself
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

// A manifest that could not be written anew made the change before it fail, which
// then closed tables that were in use. Protection: commit does not return what
// renewManifest comes to; reads go on.
func TestReadsGoOnWhenTheManifestCannotBeWrittenAnew(t *testing.T) {
	mem := vfs.NewMem(vfs.MemOptions{})
	failing := false
	disk := vfs.NewFaulty(mem, vfs.FaultyOptions{Plan: func(c vfs.Call) error {
		if failing && c.Op == vfs.OpCreate && strings.Contains(c.Name, manifestPrefix) {
			return syscall.EIO
		}
		return nil
	}})
	db, err := Open("db", &Options{FS: disk, Budget: storyBudget})
	require.NoError(t, err)
	for i := range 3 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "%d", i), []byte("value")))
		require.NoError(t, db.Flush())
	}
	db.manifest.mu.Lock()
	for db.manifest.w.Size() < maxManifestBytes { // edits that say nothing
		db.owner.Lock()
		e := &edit{split: string(make([]byte, maxSplitName))}
		db.fillIn(e, nil)
		db.owner.Unlock()
		_, err := db.manifest.w.Append(e.encode())
		require.NoError(t, err)
	}
	failing = true
	db.manifest.mu.Unlock()
	_ = db.Compact()
	require.ErrorIs(t, db.Put([]byte("k"), nil), ErrFailed)
	for i := range 3 {
		got, found, err := db.Get(fmt.Appendf(nil, "%d", i), nil)
		require.NoError(t, err)
		require.True(t, found && string(got) == "value")
	}
	require.ErrorIs(t, db.Close(), ErrFailed)
	db, err = Open("db", &Options{FS: mem, Budget: storyBudget})
	require.NoError(t, err)
	got, err := contentOf(db)
	require.NoError(t, err)
	require.Empty(t, got)
	require.NoError(t, db.Close())
}

// A log that was gone was taken for one that had never been. Protection: the
// manifest names the first log that must be there, runs come without gaps, and a
// log that ended before it was followed by another tells of it.
func TestMissingLogsAreFound(t *testing.T) {
	mem := vfs.NewMem(vfs.MemOptions{})
	db, err := Open("db", &Options{FS: mem, Log: LogSynced, MemtableBytes: 300, BudgetBytes: 256 << 20})
	require.NoError(t, err)
	db.manifest.mu.Lock() // the flusher gets no further
	for i := range 20 {
		require.NoError(t, db.Put([]byte(fmt.Sprint(i)), make([]byte, 100)))
	}
	left := mem.CrashClone(vfs.CrashOptions{Keep: 0})
	db.manifest.mu.Unlock()
	require.NoError(t, db.Close())

	names, err := left.List("db")
	require.NoError(t, err)
	logs := logNumbers(names, 1)
	require.Greater(t, len(logs), 2)
	for _, number := range logs[:len(logs)-1] {
		damaged := left.CrashClone(vfs.CrashOptions{Keep: 1})
		require.NoError(t, damaged.Remove("db/"+logName(number)))
		_, err := Open("db", &Options{FS: damaged, Log: LogSynced, Budget: storyBudget})
		require.ErrorIs(t, err, ErrCorrupt, "log %d of %v", number, logs)
	}
	damaged := left.CrashClone(vfs.CrashOptions{Keep: 1})
	require.NoError(t, damaged.Remove("db/"+logName(logs[len(logs)-1])))
	_, err = Open("db", &Options{FS: damaged, Log: LogSynced, Budget: storyBudget})
	require.ErrorIs(t, err, ErrCorrupt, "the last of %v", logs)
}

// A checkpoint that had failed was a store after a power cut. Protection:
// target.clear makes the removal of CURRENT durable.
func TestFailedCheckpointIsNoStoreAfterAPowerCut(t *testing.T) {
	failed := 0
	for n := range 400 {
		mem := vfs.NewMem(vfs.MemOptions{})
		var plan vfs.Plan = func(vfs.Call) error { return nil }
		db, err := Open("db", &Options{FS: vfs.NewFaulty(mem, vfs.FaultyOptions{Plan: func(c vfs.Call) error { return plan(c) }}), Budget: storyBudget})
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("k"), []byte("v")))
		require.NoError(t, db.Flush())
		nth, hit := vfs.FailNth(n, syscall.EIO), false
		plan = func(c vfs.Call) error {
			err := nth(c)
			hit = hit || err != nil
			return err
		}
		err = db.Checkpoint(t.Context(), "copy")
		plan = func(vfs.Call) error { return nil }
		if err == nil {
			require.NoError(t, db.Close())
			if hit {
				continue
			}
			break
		}
		failed++
		for _, keep := range []float64{0, 1} {
			left := mem.CrashClone(vfs.CrashOptions{Keep: keep})
			number, err := currentManifest(left, "copy")
			require.NoError(t, err)
			require.Zero(t, number, "operation %d failed, %v kept", n, keep)
		}
		_ = db.Close()
	}
	require.Greater(t, failed, 5)
}

// A key whose prefix has fewer bytes than name a partition was taken. The tombstone
// of such a prefix reaches over partitions, at whose borders tables end, so that
// their bounds overlapped and no compaction could become part of the tree any more.
// Protection: Options.checkKey, on every path and in logs.
func TestKeysThatNameNoPartitionAreRefused(t *testing.T) {
	for _, mode := range allLogModes {
		mem := vfs.NewMem(vfs.MemOptions{})
		o := &Options{FS: mem, Log: mode, Budget: goldenBudget, PartitionBytes: 3, Split: modelSplits[2], FileBytes: 1}
		db, err := Open("db", o)
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("ab/"), nil)) // just long enough
		require.NoError(t, db.DeletePrefix([]byte("abc")))
		for name, path := range writePaths {
			if !strings.HasPrefix(name, "Batch") {
				for _, key := range []string{"", "a", "ab", "a/", "a/long", "/"} {
					if name == "DeletePrefix" && key == "a/long" {
						continue // no prefix
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
	_, err := Open("db", goldenOptions(short, LogOff))
	require.ErrorIs(t, err, ErrCorrupt)
}

// A table that ended before a key of more than 1 KiB kept its range tombstone up
// to the whole key, while the next one begins at the first 1 KiB: their bounds
// overlapped, and compactions were refused for good. Protection: endFile cuts the
// border as bounds are cut.
func TestRangeTombstonesEndAtBordersAsBoundsDo(t *testing.T) {
	long := func(partition string) string { return partition + strings.Repeat("long", 500) }
	for _, size := range []int{1, maxBorderBytes - 1, maxBorderBytes, maxBorderBytes + 1, 2000} {
		db := memoryStore(t, Options{Picker: idle{}, PartitionBytes: 1, FileBytes: 1, Budget: goldenBudget})
		putAll(t, db, "a", long("b"), long("c"), "d")
		flushed(t, db)
		compactLevels(t, db, 2, 0)
		flushed(t, db, db.DeleteRange([]byte("a"), []byte("d")))
		putAll(t, db, long("b")[:size], long("c")[:size])
		flushed(t, db)
		compactLevels(t, db, 1, 0)
		require.Equal(t, 2, tablesOf(db)[1])
		at := long("c")[:min(size, maxBorderBytes)]
		require.Equal(t, fmt.Sprintf("[a,%s) [%s,d) ", at, at), boundsOf(db, 1))
		it, err := db.Iterator(nil, nil)
		require.NoError(t, err)
		require.Equal(t, long("b")[:size]+" "+long("c")[:size]+" d ", keysOf(t, it))
		require.NoError(t, it.Close())
	}
}

// failWhen is a disk of which the operations fail that a test chooses, once on.
func failWhen(mem *vfs.Mem, on *atomic.Bool, which func(vfs.Call) bool) *faultyDisk {
	return newFaultyDisk(mem, func(c vfs.Call) error {
		if on.Load() && which(c) {
			return syscall.EIO
		}
		return nil
	})
}

// A checkpoint of a store that had failed waited for ever for a flush that nobody
// would do. Protection: waitForRun asks whether the store has failed before it
// waits, and wakes the flusher, which tells.
func TestCheckpointOfAFailedStoreEnds(t *testing.T) {
	var on atomic.Bool
	disk := failWhen(vfs.NewMem(vfs.MemOptions{}), &on, func(c vfs.Call) bool {
		return c.Op == vfs.OpSync && strings.Contains(c.Name, manifestPrefix)
	})
	db, err := Open("db", &Options{FS: disk, Budget: storyBudget})
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	on.Store(true)
	require.ErrorIs(t, db.Flush(), ErrFailed)
	require.NoError(t, bounded(func() { err = db.Checkpoint(t.Context(), "copy") }))
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorIs(t, db.Close(), ErrFailed)
}

// A checkpoint that was tried again gave the error of the last flush, without a
// new one. Protection: waitForRun forgets the error.
func TestCheckpointFlushesAgain(t *testing.T) {
	db := memoryStore(t, Options{Budget: storyBudget})
	db.manifest.mu.Lock() // the flusher gets no further
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	require.NoError(t, db.Seal())
	db.owner.Lock()
	db.stuck = ErrStalled
	db.owner.Unlock()
	done := make(chan error)
	go func() { done <- db.Checkpoint(t.Context(), "copy") }()
	for isStuck := true; isStuck; runtime.Gosched() {
		select {
		case err := <-done:
			db.manifest.mu.Unlock()
			require.NoError(t, err)
		default:
		}
		db.owner.Lock()
		isStuck = db.stuck != nil
		db.owner.Unlock()
	}
	db.manifest.mu.Unlock()
	require.NoError(t, <-done)
}

// Files stayed open after large writes that the log could not note, logs that
// could not be followed by another one, and compactions whose end could not be
// written. Protection: applyLarge, openLog and merge close what they give up.
func TestWhatFailsLeavesNothingOpen(t *testing.T) {
	large := strings.Repeat("large", storyLarge/5+1)
	logged := []storyStep{
		open, put("m:01", strings.Repeat("1", 400)), put("m:02", large), put("m:03", strings.Repeat("3", 400)),
		put("m:04", strings.Repeat("4", 400)), flush, put("m:05", "5"), closeStore,
	}
	merged := []storyStep{open}
	for i := range 5 { // tables are written in pieces of 256 KiB: the second one when a merge ends
		merged = append(merged, put(fmt.Sprintf("m:%02d", i), strings.Repeat("x", 100<<10)))
	}
	merged = append(merged, flush, put("m:05", "5"), compact, closeStore)
	stride := 1
	if modelUnderRace {
		stride = 5
	}
	for name, s := range map[string]struct {
		steps []storyStep
		mode  LogMode
		bytes int64 // of a memtable
	}{"buffered": {logged, LogBuffered, 600}, "synced": {logged, LogSynced, 600}, "merged": {merged, LogOff, 1 << 20}} {
		for n := 0; ; n += stride {
			o := newOrdeal(fault{cause: syscall.EIO}, n, s.mode, s.bytes)
			o.blind = true
			o.o.Filter = sameFilter{} // it holds entries back until the end
			require.NoError(t, bounded(func() {
				o.endure(s.steps)
				o.close()
			}), "%s, operation %d", name, n)
			require.NoError(t, o.wrong, "%s, operation %d", name, n)
			if o.disk.hits.Load() == 0 {
				require.Greater(t, n, 50)
				break
			}
		}
	}
}

// A manifest that could not become the current one, and one that had been it when
// opening failed later, stayed: a store that was opened again and again on a full
// disk made it ever fuller. Protection: removeUnnamed, removeManifests.
func TestFailedOpensLeaveNothing(t *testing.T) {
	for _, last := range []struct {
		op   vfs.Op
		name string
	}{{vfs.OpSync, manifestPrefix}, {vfs.OpCreate, currentName}, {vfs.OpRename, currentName}, {vfs.OpCreate, logSuffix}} {
		var on atomic.Bool
		mem := vfs.NewMem(vfs.MemOptions{})
		disk := failWhen(mem, &on, func(c vfs.Call) bool { return c.Op == last.op && strings.Contains(c.Name, last.name) })
		o := &Options{FS: disk, Budget: storyBudget, Log: LogSynced}
		db, err := Open("db", o)
		require.NoError(t, err)
		require.NoError(t, db.Close())
		before, err := mem.List("db")
		require.NoError(t, err)
		on.Store(true)
		for range 3 {
			_, err = Open("db", o)
			require.ErrorIs(t, err, syscall.EIO, "%v of %s", last.op, last.name)
		}
		after, err := mem.List("db")
		require.NoError(t, err)
		require.Len(t, after, len(before), "%v of %s: %v", last.op, last.name, after)
		on.Store(false)
		db, err = Open("db", o)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
}

// A file with the highest number that a name can have made the store write a
// manifest that no one could read. Protection: maxNextNumber.
func TestNumbersNeverRunOut(t *testing.T) {
	for _, number := range []uint64{maxFileNumber, maxFileNumber - 1, maxNextNumber + 1} {
		for _, name := range []string{tableName(number), logName(number), manifestName(number)} {
			mem := vfs.NewMem(vfs.MemOptions{})
			o := &Options{FS: mem, Budget: storyBudget}
			db, err := Open("db", o)
			require.NoError(t, err)
			require.NoError(t, db.Close())
			f, err := mem.Create("db/" + name)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			for range 2 {
				_, err = Open("db", o)
				require.ErrorIs(t, err, ErrCorrupt, name)
			}
			require.NoError(t, mem.Remove("db/"+name))
			db, err = Open("db", o)
			require.NoError(t, err)
			require.NoError(t, db.Close())
		}
	}
	for _, e := range []edit{{nextFile: maxFileNumber}, {nextRun: maxFileNumber}, {flushed: maxFileNumber}} {
		mem := vfs.NewMem(vfs.MemOptions{})
		require.NoError(t, mem.MkdirAll("db"))
		e.first, e.split = true, WholeKey.Name
		w, err := writeManifest(mem, "db", 1, &e)
		require.NoError(t, err)
		require.NoError(t, w.Close(true))
		_, err = Open("db", &Options{FS: mem, Budget: storyBudget})
		require.ErrorIs(t, err, ErrCorrupt)
	}
}

// A change that is none made the run that it should have flushed count as flushed.
// Protection: commit looks at the tree before it changes anything.
func TestChangesThatAreNoneChangeNothing(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}, Budget: storyBudget})
	putAll(t, db, "a")
	flushed(t, db)
	before := db.flushedRun
	c := change{flushed: &sealedRun{number: 99}}
	c.added[0] = treeOf(db).levels[0]
	require.ErrorIs(t, db.commit(&c), ErrCorrupt)
	require.Equal(t, before, db.flushedRun)
}

// A check that was ended left tables open. Protection: checkTables closes them.
func TestChecksThatAreEndedLeaveNothingOpen(t *testing.T) {
	disk := newFaultyDisk(vfs.NewMem(vfs.MemOptions{}), func(vfs.Call) error { return nil })
	o := &Options{FS: disk, Budget: storyBudget, Picker: idle{}}
	db, err := Open("db", o)
	require.NoError(t, err)
	for range 3 {
		putAll(t, db, "a")
		flushed(t, db)
	}
	require.NoError(t, db.Close())
	for n := range 3 {
		_, err = Check(&endsAfter{t.Context(), n}, "db", o)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, ErrCorrupt)
		require.NoError(t, nothingOpen(disk))
	}
}

// endsAfter is a context that has ended when it is asked for the n-th time.
type endsAfter struct {
	context.Context
	n int
}

func (c *endsAfter) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

// panics is a Filter and a Picker.
type panics struct{ with any }

func (p panics) Decide([]FilterEntry) { panic(p.with) }
func (p panics) Pick(Shape) *Pick     { panic(p.with) }

// A panic of a Filter or a Picker in a goroutine of the store was the end of the
// program. Protection: failOnPanic.
func TestPanicsOfFiltersAndPickersFailTheStore(t *testing.T) {
	for name, o := range map[string]Options{"filter lsm.panics": {Filter: panics{"user bytes"}}, "picker lsm.panics": {Picker: panics{"user bytes"}}} {
		mem := vfs.NewMem(vfs.MemOptions{})
		failed := make(chan error, 1)
		o.FS, o.Budget = mem, storyBudget
		o.Events.Failed = func(err error) { failed <- err }
		db, err := Open("db", &o)
		require.NoError(t, err)
		if o.Filter != nil {
			putAll(t, db, "a")
			flushed(t, db)
			putAll(t, db, "b")
			require.ErrorIs(t, db.Compact(), ErrFailed)
		}
		for _, err := range []error{<-failed, db.Put([]byte("a"), nil), db.Flush(), db.Compact(), db.Close()} {
			require.ErrorIs(t, err, ErrFailed)
			var of *PanicError
			require.ErrorAs(t, err, &of)
			require.Equal(t, "user bytes", of.Value)
			require.Contains(t, string(of.Stack), "panics")
			require.Contains(t, err.Error(), name+" has panicked with a string")
			require.NotContains(t, err.Error(), "user bytes")
		}
		db, err = Open("db", &Options{FS: mem, Budget: storyBudget})
		require.NoError(t, err)
		if o.Filter != nil {
			requireContent(t, db, map[string]string{"a": "of a", "b": "of b"})
		}
		require.NoError(t, db.Close())
	}
	var empty []int
	defer func() {
		err := &PanicError{What: "filter", Value: recover()}
		require.Equal(t, "filter has panicked: runtime error: index out of range [3] with length 0", err.Error())
	}()
	_ = empty[len("abc")]
}
