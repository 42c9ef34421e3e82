package lsm

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/slab"
)

// storeWithWaitingRuns returns a store with small sealed runs. The flusher lets small runs wait for more
// runs, up to one hour.
func storeWithWaitingRuns(t *testing.T, runs int) *DB {
	db := memoryStore(t, Options{
		Picker: idle{}, MemtableBytes: 1 << 19, PartitionBytes: 1,
		Split: Split{Name: "two", Func: func(key []byte) int { return min(2, len(key)) }},
	})
	setRunAge(db, time.Hour)
	for i := range runs {
		putAll(t, db, fmt.Sprintf("k%d", i))
		require.NoError(t, db.Seal())
	}
	return db
}

// setRunAge sets how long small runs that are sealed from now on wait before a flush.
func setRunAge(db *DB, age time.Duration) {
	db.lock.Lock()
	defer db.lock.Unlock()
	db.flushes.runAge = age
}

func TestSmallRunsAreFlushedTogether(t *testing.T) {
	db := storeWithWaitingRuns(t, maxWaitingRuns-1)
	waitFor(t, "the flusher is idle", func() bool { return !db.flusher.isBusy() })
	m := db.Metrics()
	require.Equal(t, maxWaitingRuns-1, m.Sealed)
	require.True(t, m.Flushing)
	putAll(t, db, "last")
	db.manifest.Lock() // blocks the flusher
	err := db.Seal()
	db.lock.Lock()
	due := len(db.dueRuns())
	db.lock.Unlock()
	db.manifest.Unlock()
	require.NoError(t, err)
	require.Equal(t, maxWaitingRuns, due)
	waitFor(t, "no run is sealed", func() bool { return db.Metrics().Sealed == 0 })
	require.Equal(t, 1, tablesOf(db)[0])
	require.EqualValues(t, 1, db.Metrics().Flushes)
}

func TestSmallRunsAreFlushedAfterTheirAge(t *testing.T) {
	db := storeWithWaitingRuns(t, 0)
	setRunAge(db, time.Millisecond)
	putAll(t, db, "a")
	require.NoError(t, db.Seal())
	waitFor(t, "no run is sealed", func() bool { return db.Metrics().Sealed == 0 })
}

// A run is due when no later run can be flushed with it. A view after the run does not make it due,
// because the view may be closed.
func TestRunsThatCannotBeJoinedAreDue(t *testing.T) {
	due := func(db *DB) int {
		db.lock.Lock()
		defer db.lock.Unlock()
		return len(db.dueRuns())
	}
	for _, next := range []string{"a view", "a file", "a memtable"} {
		db := storeWithWaitingRuns(t, 1)
		require.Zero(t, due(db))
		db.manifest.Lock() // blocks the flusher
		want, err := 1, error(nil)
		switch next {
		case "a view":
			var v *View
			v, err = db.View()
			t.Cleanup(func() { require.NoError(t, v.Close()) })
			want = 0
		case "a file":
			err = db.Put([]byte("large"), make([]byte, 2<<20))
		case "a memtable":
			err = errors.Join(db.Put([]byte("full"), make([]byte, 400<<10)), db.Seal())
			db.lock.Lock()
			db.versions.Current().Memory[1].Bytes = 200 << 10
			db.lock.Unlock()
		}
		got := due(db)
		db.manifest.Unlock()
		require.NoError(t, err)
		require.Equal(t, want, got, next)
	}
}

// Stores that share a budget flush their waiting runs when the waiting runs of all stores together take
// too much of the budget.
func TestWaitingRunsOfManyStoresDoNotFillTheBudget(t *testing.T) {
	budget := NewBudget(64 << 20)
	t.Cleanup(func() { require.NoError(t, budget.Close()) })
	const stores, seals = 16, 6
	for n := range stores {
		db := memoryStore(t, Options{Picker: idle{}, Budget: budget})
		setRunAge(db, time.Hour)
		for i := range seals {
			putAll(t, db, fmt.Sprint(i))
			require.NoError(t, db.Seal())
		}
		if n == 0 {
			require.Equal(t, seals, db.Metrics().Sealed, "the budget has room for the runs of one store")
		}
	}
	most := budget.Limit()/waitingShare + stores<<20
	waitFor(t, "runs are flushed", func() bool { return budget.sealedBytes.Load() <= most })
}

// Runs in the tree do not count as waiting, even if an iterator was opened before their flush.
func TestFlushedRunsDoNotCountAsWaiting(t *testing.T) {
	db := storeWithWaitingRuns(t, 3)
	it, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	require.EqualValues(t, 3*(slab.FirstBytes+sortedEntryBytes), db.o.Budget.sealedBytes.Load())
	flushed(t, db)
	require.Zero(t, db.o.Budget.sealedBytes.Load())
	require.Equal(t, "k0 k1 k2 ", keysOf(t, it))
	require.NoError(t, it.Close())
	require.Zero(t, db.o.Budget.sealedBytes.Load())
}

// Before a write must wait for memory, the waiting runs are due, for every memtable size.
func TestRunsAreDueBeforeWritesMustWait(t *testing.T) {
	for _, memtableBytes := range []int64{1 << 20, 2 << 20, 3 << 20, 5 << 20, 7 << 20, 8 << 20, 1 << 30} {
		db := memoryStore(t, Options{Picker: idle{}, BudgetBytes: 16 << 20, MemtableBytes: memtableBytes})
		setRunAge(db, time.Hour)
		db.manifest.Lock() // blocks the flusher
		var err error
		wait, due := false, false
		for i := 0; i < maxWaitingRuns && err == nil && !wait && !due; i++ {
			err = errors.Join(db.Put([]byte("k"), []byte{byte(i)}), db.Seal())
			db.lock.Lock()
			wait, due = db.mustWait(), len(db.dueRuns()) > 0
			db.lock.Unlock()
		}
		db.manifest.Unlock()
		require.NoError(t, err)
		require.True(t, due && !wait, memtableBytes)
	}
}

// The flusher sorts waiting runs, so that a scan does not have to.
func TestSealedRunsAreSortedInTheBackground(t *testing.T) {
	db := storeWithWaitingRuns(t, 3)
	before := db.Metrics().MemtableBytes
	waitFor(t, "the flusher is idle", func() bool { return !db.flusher.isBusy() })
	sorted := db.Metrics().MemtableBytes
	it, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	require.Equal(t, "k0 k1 k2 ", keysOf(t, it))
	require.NoError(t, it.Close())
	require.Equal(t, sorted, db.Metrics().MemtableBytes)
	require.GreaterOrEqual(t, sorted, before)
}

// A flush of several runs into one table keeps the newest value of a key, joins appends, and applies
// tombstones to the older runs.
func TestFlushMergesSeveralRunsIntoOneTable(t *testing.T) {
	db := storeWithWaitingRuns(t, 0)
	appendTo := func(key, value string) error { return db.Append([]byte(key), []byte(value)) }
	steps := []func() error{
		func() error {
			putAll(t, db, "aaset", "aadelete", "bbdeleted", "ccdeleted", "dd")
			return appendTo("aajoin", "1")
		},
		func() error { putAll(t, db, "bbdeleted2", "ccdeleted2"); return appendTo("aajoin", "2") },
		func() error { return db.Put([]byte("aaset"), []byte("new")) },
		func() error { return db.Delete([]byte("aadelete")) },
		func() error { return db.DeletePrefix([]byte("bb")) },
		func() error { return db.DeleteRange([]byte("c"), []byte("d")) },
		func() error { putAll(t, db, "bbnew", "ccnew"); return appendTo("dd", " and more") },
	}
	putAll(t, db, "ccold", "bbold")
	flushed(t, db, appendTo("aajoin", "0")) // an older table
	for _, step := range steps {
		require.NoError(t, step())
		require.NoError(t, db.Seal())
	}
	want := "aajoin=012 aaset=new bbnew=of bbnew ccnew=of ccnew dd=of dd and more "
	for range 2 {
		require.Equal(t, want, entriesOf(t, db))
		flushed(t, db)
		require.Equal(t, 2, tablesOf(db)[0])
	}
}

// entriesOf returns all keys and values of a store.
func entriesOf(t *testing.T, db *DB) (entries string) {
	it, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	for it.Next() {
		value, err := it.Value()
		require.NoError(t, err)
		entries += fmt.Sprintf("%s=%s ", it.Key(), value)
	}
	require.NoError(t, it.Close())
	return entries
}

// A flush does not join runs from before and after a view. After the flush, the view reads a table and no
// memtables.
func TestFlushDoesNotJoinRunsAcrossAView(t *testing.T) {
	db := storeWithWaitingRuns(t, 3)
	v, err := db.View()
	require.NoError(t, err)
	putAll(t, db, "k0", "new")
	flushed(t, db)
	require.Equal(t, 2, tablesOf(db)[0])
	require.Empty(t, v.version.Memory)
	it, err := v.Iterator(nil, nil)
	require.NoError(t, err)
	require.Equal(t, "k0 k1 k2 ", keysOf(t, it))
	require.NoError(t, it.Close())
	require.NoError(t, v.Close())
}
