package lsm

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// waiting is a store whose small runs wait for each other, with some sealed ones.
func waiting(t *testing.T, runs int) *DB {
	db := memoryStore(t, Options{
		Picker: idle{}, MemtableBytes: 1 << 19, PartitionBytes: 1,
		Split: Split{Name: "two", Func: func(key []byte) int { return min(2, len(key)) }},
	})
	for i := range runs {
		putAll(t, db, fmt.Sprintf("k%d", i))
		require.NoError(t, db.Seal())
	}
	return db
}

func TestSmallRunsAreFlushedTogether(t *testing.T) {
	db := waiting(t, maxWaitingRuns-1)
	settled(t, db)
	require.Equal(t, maxWaitingRuns-1, db.Metrics().Sealed)
	putAll(t, db, "last")
	db.manifest.mu.Lock() // the flusher gets no further
	err := db.Seal()
	db.owner.Lock()
	due := len(db.dueRuns())
	db.owner.Unlock()
	db.manifest.mu.Unlock()
	require.NoError(t, err)
	require.Equal(t, maxWaitingRuns, due)
	require.Eventually(t, func() bool { return db.Metrics().Sealed == 0 }, time.Minute, time.Millisecond)
	require.Equal(t, 1, tablesOf(db)[0])
	require.EqualValues(t, 1, db.Metrics().Flushes)
}

func TestRunsDoNotWaitForEver(t *testing.T) {
	db := waiting(t, 1)
	require.Eventually(t, func() bool { return db.Metrics().Sealed == 0 }, time.Minute, time.Millisecond)
}

// The newer run wins, appends join, and what hides older runs hides them in the
// table as well.
func TestRunsOfOneTableAreOne(t *testing.T) {
	db := waiting(t, 0)
	appendTo := func(key, value string) error { return db.Append([]byte(key), []byte(value)) }
	steps := []func() error{
		func() error {
			putAll(t, db, "aaset", "aadelete", "bbgone", "ccgone", "dd")
			return appendTo("aajoin", "1")
		},
		func() error { putAll(t, db, "bbgone2", "ccgone2"); return appendTo("aajoin", "2") },
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

// entriesOf are all keys and values.
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

// A view that ends between two runs has a table of its own, and memory no longer.
func TestTablesEndWhereViewsDo(t *testing.T) {
	db := waiting(t, 3)
	v, err := db.View()
	require.NoError(t, err)
	putAll(t, db, "k0", "new")
	flushed(t, db)
	require.Equal(t, 2, tablesOf(db)[0])
	require.Empty(t, v.version.memory)
	it, err := v.Iterator(nil, nil)
	require.NoError(t, err)
	require.Equal(t, "k0 k1 k2 ", keysOf(t, it))
	require.NoError(t, it.Close())
	require.NoError(t, v.Close())
}

// Nothing waits for runs that wait, where their part of the budget is smaller than
// a memtable.
func TestRunsThatWritesWaitForAreDue(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}, BudgetBytes: 4 << 20, MemtableBytes: 1 << 30})
	waits := 0
	for i := range 20 {
		putAll(t, db, fmt.Sprint(i))
		require.NoError(t, db.Seal())
		db.owner.Lock()
		waiting, due := db.mustWait(), db.mustFlush()
		db.owner.Unlock()
		if waiting {
			waits++
			require.True(t, due)
		}
	}
	require.NotZero(t, waits)
}
