package lsm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs/vfstest"
)

// sourceContents are the contents of a store after each run of sourceProgram.
var sourceContents = []string{
	"",
	"aa1=of aa1 bb1=of bb1 ",
	"aa1=of aa1source aa2=source ",
	"aa1=of aa1sourcelater aa2=of aa2 bb2=of bb2 ",
}

// sourceProgram writes three runs, and calls do after each step that may fail.
func sourceProgram(db *DB, do func(func() error)) {
	put := func(key string) { do(func() error { return db.Put([]byte(key), []byte("of "+key)) }) }
	put("aa1")
	put("bb1")
	do(func() error {
		_, err := db.SealWith(sourceOf(
			entry(run.Append, "aa1", "source"), entry(run.Set, "aa2", "source"), entry(run.DeletePrefix, "bb", "")))
		return err
	})
	do(func() error { return db.Append([]byte("aa1"), []byte("later")) })
	put("aa2")
	put("bb2")
	do(func() error { return db.Flush(context.Background()) })
}

// After a crash at any operation, the store is at one of its seals: a source is there with all of its entries and
// all older runs, or with nothing.
func TestCrashLeavesAllOfASourceOrNothing(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := sourceOptions()
	var mu sync.Mutex
	var crashed []*vfstest.Mem
	o.FS = vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: func(vfstest.Op, string) {
		mu.Lock()
		defer mu.Unlock()
		for _, keep := range []float64{0, 0.5, 1} {
			crashed = append(crashed, mem.CrashClone(vfstest.CrashOptions{Keep: keep, Rand: rand.New(rand.NewPCG(1, uint64(len(crashed))))}))
		}
	}})
	db, err := Open(t.Context(), "db", o)
	require.NoError(t, err)
	sourceProgram(db, func(step func() error) { require.NoError(t, step()) })
	require.Equal(t, 3, tablesOf(db)[0])
	require.NoError(t, db.Close())

	seen := make([]int, len(sourceContents))
	for _, disk := range crashed {
		o.FS = disk
		db, err := Open(t.Context(), "db", o)
		require.NoError(t, err)
		at := slices.Index(sourceContents, entriesOf(t, db))
		require.GreaterOrEqual(t, at, 0, entriesOf(t, db))
		seen[at]++
		require.NoError(t, db.Close())
	}
	t.Logf("%d crashes, by content %v", len(crashed), seen)
	require.NotContains(t, seen, 0)
}

// An error of any operation on the disk, once or several times, loses no entry of a source, unless the store fails.
// Then a reopened store is at one of its seals.
func TestSourceSurvivesAFaultAtAnyOperation(t *testing.T) {
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for _, times := range []int{1, 3} {
			for at, operations := 0, 1; at < operations; at++ {
				operations = requireSourceAfterFaults(t, cause, at, times)
			}
		}
	}
}

// requireSourceAfterFaults runs sourceProgram; operations from `at` on fail with cause, `times` in total. It
// returns the number of operations.
func requireSourceAfterFaults(t *testing.T, cause error, at, times int) int {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	var mu sync.Mutex
	begun, n := false, 0
	o := sourceOptions()
	var leftBehind atomic.Int64
	o.Events.LeftBehind = func(error) { leftBehind.Add(1) }
	o.FS = newFaultyDisk(mem, func(c vfstest.Call) error {
		mu.Lock()
		defer mu.Unlock()
		if !begun || !c.Op.Mutates() || c.Op == vfstest.OpRemove { // the next Open removes such a file
			return nil
		}
		if n++; at < n && n <= at+times {
			return cause
		}
		return nil
	})
	db, err := Open(t.Context(), "db", o)
	require.NoError(t, err)
	mu.Lock()
	begun = true
	mu.Unlock()
	failed := false
	sourceProgram(db, func(step func() error) {
		for err := step(); err != nil && !failed; err = step() {
			require.ErrorIs(t, err, cause)
			failed = errors.Is(err, ErrFailed)
		}
	})
	want := sourceContents[3:]
	if failed {
		want = sourceContents
	} else {
		require.Contains(t, want, entriesOf(t, db))
	}
	err = db.Close()
	o.FS = mem // without faults
	if err != nil {
		require.ErrorIs(t, err, cause)
	} else if leftBehind.Load() == 0 {
		report, err := Check(t.Context(), "db", o)
		require.NoError(t, err)
		require.Empty(t, report.Leftovers)
	}
	db, err = Open(t.Context(), "db", o)
	require.NoError(t, err)
	require.Contains(t, want, entriesOf(t, db))
	require.NoError(t, db.Close())
	return n
}

// Views are read while the flusher writes their sources, and while the owner writes and seals.
func TestViewsAreReadWhileSourcesAreFlushed(t *testing.T) {
	db := sourceStore(t)
	var readers sync.WaitGroup
	for i := range 50 {
		putAll(t, db, fmt.Sprintf("aa%02d", i))
		value := fmt.Sprint("source ", i)
		sealWith(t, db, sourceOf(entry(run.DeletePrefix, "aa", ""), entry(run.Set, "aa99", value), entry(run.Append, "bb1", ".")))
		v, err := db.View()
		require.NoError(t, err)
		readers.Go(func() {
			defer v.Close()
			got, found, err := v.Get([]byte("aa99"), nil)
			if err != nil || !found || string(got) != value {
				t.Errorf("view %d has %q, %v, %v", i, got, found, err)
			}
			it, err := v.Iterator([]byte("aa"), []byte("ab"))
			if err != nil {
				t.Error(err)
				return
			}
			for n := 0; it.Next(); n++ {
				if string(it.Key()) != "aa99" || n > 0 {
					t.Errorf("view %d has key %s", i, it.Key())
				}
			}
			if err := it.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
	flushed(t, db)
	got, _, err := db.Get([]byte("bb1"), nil)
	require.NoError(t, err)
	require.Len(t, got, 50)
}
