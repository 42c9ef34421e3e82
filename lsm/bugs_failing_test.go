package lsm

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/vfs/vfstest"
)

// The tests of this file are regression tests for bugs after an error or a panic. See bugs_test.go.

// If a new manifest could not be written, the change before it failed and closed tables that were
// in use. Protection: commit does not return the error of renewManifest; the old manifest stays
// in use, and the next change tries again.
func TestStoreKeepsItsManifestIfANewOneCannotBeWritten(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	failing := false
	disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
		if failing && c.Op == vfstest.OpCreate && strings.Contains(c.Name, directory.ManifestPrefix) {
			return syscall.EIO
		}
		return nil
	}})
	db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t)})
	require.NoError(t, err)
	for i := range 3 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "%d", i), []byte("value")))
		require.NoError(t, db.Flush(context.Background()))
	}
	db.manifest.Lock()
	db.manifest.MaxBytes = db.manifest.Size() // the next commit writes a new manifest
	failing = true
	db.manifest.Unlock()
	number := db.manifest.Number()
	require.NoError(t, db.Compact(context.Background()))
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	require.NoError(t, db.Flush(context.Background()))
	require.Equal(t, number, db.manifest.Number())
	want := map[string]string{"0": "value", "1": "value", "2": "value", "k": "v"}
	requireContent(t, db, want)
	failing = false
	require.NoError(t, db.Compact(context.Background()))
	require.Greater(t, db.manifest.Number(), number)
	require.NoError(t, db.Close())
	db, err = Open(context.Background(), "db", Options{FS: mem, Budget: storyBudget(t)})
	require.NoError(t, err)
	requireContent(t, db, want)
	require.NoError(t, db.Close())
}

// The directory of a failed checkpoint was a store after a power cut. Protection:
// storeBuilder.removeAll makes the removal of CURRENT durable before it removes other files.
func TestFailedCheckpointIsNoStoreAfterAPowerCut(t *testing.T) {
	failed := 0
	for n := range 400 {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		var plan vfstest.Plan = func(vfstest.Call) error { return nil }
		db, err := Open(context.Background(), "db", Options{FS: vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error { return plan(c) }}), Budget: storyBudget(t)})
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("k"), []byte("v")))
		require.NoError(t, db.Flush(context.Background()))
		nth, hit := vfstest.FailNth(n, syscall.EIO), false
		plan = func(c vfstest.Call) error {
			err := nth(c)
			hit = hit || err != nil
			return err
		}
		err = db.Checkpoint(t.Context(), "copy")
		plan = func(vfstest.Call) error { return nil }
		if err == nil {
			require.NoError(t, db.Close())
			if hit {
				continue
			}
			break
		}
		failed++
		for _, keep := range []float64{0, 1} {
			crashed := mem.CrashClone(vfstest.CrashOptions{Keep: keep})
			c, err := manifest.ReadCurrent(crashed, "copy")
			require.NoError(t, err)
			require.Zero(t, c.Number, "operation %d failed, %v kept", n, keep)
		}
		_ = db.Close()
	}
	require.Greater(t, failed, 5)
}

// A checkpoint of a failed store waited forever for a flush that would never run. Protection:
// waitForRun checks for a failure before it waits, and wakes the flusher, which reports the failure.
func TestCheckpointOfAFailedStoreReturns(t *testing.T) {
	var on atomic.Bool
	disk := failingDisk(vfstest.NewMem(vfstest.MemOptions{}), &on, syscall.EIO, func(c vfstest.Call) bool {
		return c.Op == vfstest.OpSync && strings.Contains(c.Name, directory.ManifestPrefix)
	})
	db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t)})
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	on.Store(true)
	require.ErrorIs(t, db.Flush(context.Background()), ErrFailed)
	err = db.Checkpoint(t.Context(), "copy")
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorIs(t, db.Close(), ErrFailed)
}

// A repeated checkpoint returned the error of the previous flush without another flush. Protection:
// waitForRun clears the error.
func TestCheckpointAfterAFailedFlushFlushesAgain(t *testing.T) {
	db := memoryStore(t, Options{Budget: storyBudget(t)})
	db.manifest.Lock() // blocks the flusher
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	require.NoError(t, db.Seal())
	db.lock.Lock()
	db.status.flushErr = ErrStalled
	db.lock.Unlock()
	done := make(chan error)
	go func() { done <- db.Checkpoint(t.Context(), "copy") }()
	for isStuck := true; isStuck; runtime.Gosched() {
		select {
		case err := <-done:
			db.manifest.Unlock()
			require.NoError(t, err)
		default:
		}
		db.lock.Lock()
		isStuck = db.status.flushErr != nil
		db.lock.Unlock()
	}
	db.manifest.Unlock()
	require.NoError(t, <-done)
}

// Files stayed open if the log could not record a large write, if the next log could not be opened, or
// if a compaction could not finish its last table. Protection: applyLarge, openLog and merge close
// their files after an error.
func TestFailedCallsLeaveNoFileOpen(t *testing.T) {
	large := strings.Repeat("large", storyLarge/5+1)
	logged := []storyStep{
		open, put("m:01", strings.Repeat("1", 400)), put("m:02", large), put("m:03", strings.Repeat("3", 400)),
		put("m:04", strings.Repeat("4", 400)), flush, put("m:05", "5"), closeStore,
	}
	merged := []storyStep{open}
	for i := range 5 { // the writer's buffer has 256 KiB, so the end of the merge writes the rest
		merged = append(merged, put(fmt.Sprintf("m:%02d", i), strings.Repeat("x", 100<<10)))
	}
	merged = append(merged, flush, put("m:05", "5"), compact, closeStore)
	stride := density.Of(t, 5, 1, 1)
	for name, s := range map[string]struct {
		steps []storyStep
		mode  LogMode
		bytes int64 // of a memtable
	}{"buffered": {logged, LogBuffered, 600}, "synced": {logged, LogSynced, 600}, "merged": {merged, LogOff, 1 << 20}} {
		for n := 0; ; n += stride {
			o := newFaultStory(t, fault{cause: syscall.EIO}, n, s.mode, s.bytes)
			o.skipReads = true
			o.o.Filter = rewritingFilter{} // it keeps entries in its batch until the end of the merge
			o.takeSteps(s.steps)
			o.close()
			require.NoError(t, o.wrong, "%s, operation %d", name, n)
			if o.disk.hits.Load() == 0 {
				require.Greater(t, n, 50)
				break
			}
		}
	}
}

// A failed Open left its new manifest, whether or not the manifest had become the current one. Repeated
// calls of Open on a full disk used more and more space. Protection: manifest.Begin
// (removeNotCurrent) and DB.recover remove the manifest.
func TestFailedOpensLeaveNoFiles(t *testing.T) {
	for _, last := range []struct {
		op   vfstest.Op
		name string
	}{{vfstest.OpSync, directory.ManifestPrefix}, {vfstest.OpCreate, directory.CurrentName}, {vfstest.OpRename, directory.CurrentName}, {vfstest.OpCreate, directory.LogSuffix}} {
		var on atomic.Bool
		mem := vfstest.NewMem(vfstest.MemOptions{})
		disk := failingDisk(mem, &on, syscall.EIO, func(c vfstest.Call) bool { return c.Op == last.op && strings.Contains(c.Name, last.name) })
		o := &Options{FS: disk, Budget: storyBudget(t), Log: LogSynced}
		db, err := Open(context.Background(), "db", *o)
		require.NoError(t, err)
		require.NoError(t, db.Close())
		before, err := mem.List("db")
		require.NoError(t, err)
		on.Store(true)
		for range 3 {
			_, err = Open(context.Background(), "db", *o)
			require.ErrorIs(t, err, syscall.EIO, "%v of %s", last.op, last.name)
		}
		after, err := mem.List("db")
		require.NoError(t, err)
		require.Len(t, after, len(before), "%v of %s: %v", last.op, last.name, after)
		on.Store(false)
		db, err = Open(context.Background(), "db", *o)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
}

// A cancelled Check left tables open. Protection: checker.check closes them.
func TestCancelledCheckLeavesNoFileOpen(t *testing.T) {
	disk := newFaultyDisk(vfstest.NewMem(vfstest.MemOptions{}), func(vfstest.Call) error { return nil })
	o := &Options{FS: disk, Budget: storyBudget(t), Picker: idle{}}
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	for range 3 {
		putAll(t, db, "a")
		flushed(t, db)
	}
	require.NoError(t, db.Close())
	for n := range 3 {
		_, err = Check(&endsAfter{t.Context(), n}, "db", *o)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, ErrCorrupt)
		require.NoError(t, nothingOpen(disk))
	}
}

// endsAfter is a context that is cancelled after n calls of Err.
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

// panics is a Filter and a Picker that panics with a value.
type panics struct{ with any }

func (p panics) Decide([]FilterEntry) { panic(p.with) }
func (p panics) Pick(Shape) *Pick     { panic(p.with) }

// A panic of a Filter or a Picker in a goroutine of the store ended the process. Protection:
// failOnPanic.
func TestPanicsOfFiltersAndPickersFailTheStore(t *testing.T) {
	for name, o := range map[string]Options{"filter lsm.panics": {Filter: panics{"user bytes"}}, "picker lsm.panics": {Picker: panics{"user bytes"}}} {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		failed := make(chan error, 1)
		o.FS, o.Budget = mem, storyBudget(t)
		o.Events.Failed = func(err error) { failed <- err }
		db, err := Open(context.Background(), "db", o)
		require.NoError(t, err)
		if o.Filter != nil {
			putAll(t, db, "a")
			flushed(t, db)
			putAll(t, db, "b")
			require.ErrorIs(t, db.Compact(context.Background()), ErrFailed)
		}
		for _, err := range []error{<-failed, db.Put([]byte("a"), nil), db.Flush(context.Background()), db.Compact(context.Background()), db.Close()} {
			require.ErrorIs(t, err, ErrFailed)
			var panicErr *PanicError
			require.ErrorAs(t, err, &panicErr)
			require.Equal(t, "user bytes", panicErr.Value)
			require.Contains(t, string(panicErr.Stack), "panics")
			require.Contains(t, err.Error(), name+" has panicked with a string")
			require.NotContains(t, err.Error(), "user bytes")
		}
		db, err = Open(context.Background(), "db", Options{FS: mem, Budget: storyBudget(t)})
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
