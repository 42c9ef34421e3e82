package lsm

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/compaction"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/vfs/vfstest"
)

// waitUntilIdle waits until the workers have nothing to do.
func waitUntilIdle(t *testing.T, db *DB) {
	t.Helper()
	waitFor(t, "the workers are idle", func() bool {
		m := db.Metrics()
		return !m.Flushing && !m.Compacting
	})
}

// setQuietTime sets how long a store must get no writes until it counts as settled.
func setQuietTime(db *DB, d time.Duration) {
	db.lock.Lock()
	defer db.lock.Unlock()
	db.compactor.quietTime = d
}

func TestMetricsReportWhetherWorkersAreBusy(t *testing.T) {
	db := memoryStore(t, Options{Budget: goldenBudget(t)})
	setRunAge(db, 0)
	waitUntilIdle(t, db)

	db.manifest.Lock() // blocks the flusher
	putAll(t, db, "a")
	err := db.Seal()
	flushing := db.Metrics().Flushing
	db.manifest.Unlock()
	require.NoError(t, err)
	require.True(t, flushing)
	waitUntilIdle(t, db)
	require.Zero(t, db.Metrics().Sealed)

	db.compactor.running.Lock()
	compacting := true
	for range compaction.Level0Trigger {
		putAll(t, db, "a")
		flushed(t, db)
		compacting = compacting && db.Metrics().Compacting
	}
	db.compactor.running.Unlock()
	require.True(t, compacting)
	waitUntilIdle(t, db)
	require.Less(t, tablesOf(db)[0], compaction.Level0Trigger)
}

// A store is settled once it got no writes for the quiet time. Only then its runs are joined: not
// already between a flush and the next write.
func TestSettledStoresCompactFully(t *testing.T) {
	db := memoryStore(t, Options{})
	setQuietTime(db, time.Hour)
	db.lock.Lock()
	db.compactor.lastSeal = db.compactor.lastSeal.Add(-2 * time.Hour) // the store has been open for longer than the quiet time
	db.lock.Unlock()
	for range 2 {
		putAll(t, db, "a", "b")
		flushed(t, db)
	}
	require.Never(t, func() bool { return !db.Metrics().Compacting || tablesOf(db)[0] != 2 }, 50*time.Millisecond, time.Millisecond)
	setQuietTime(db, time.Millisecond)
	db.compactor.wake()
	waitUntilIdle(t, db)
	require.Equal(t, [version.NumLevels]int{1: 1}, tablesOf(db))

	setQuietTime(db, time.Hour)
	putAll(t, db, "a")
	flushed(t, db)
	require.NoError(t, db.Close(), "Close while the compactor waits for the quiet time")
}

// Once the metrics report idle workers, no memtable waits for a flush and the picker picks nothing.
func TestIdleStoresDoNotChange(t *testing.T) {
	db := memoryStore(t, Options{Budget: goldenBudget(t), MemtableBytes: 100, FileBytes: 100})
	setQuietTime(db, 0)
	for round := range 200 {
		for i := range 1 + round%7 {
			require.NoError(t, db.Put(fmt.Appendf(nil, "%d", round*i%50), make([]byte, 60)))
		}
		waitUntilIdle(t, db)
		db.lock.Lock()
		sealed, pick := len(db.versions.Current().Memory), db.o.Picker.Pick(db.shape())
		db.lock.Unlock()
		require.Zero(t, sealed)
		require.Nil(t, pick)
	}
}

func TestMethodsOfMetricsHaveValueReceivers(t *testing.T) {
	db, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{})})
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("k"), []byte("v")))
	require.NoError(t, db.Flush(context.Background()))
	require.Positive(t, db.Metrics().DiskBytes())
	require.NoError(t, db.Close())
}

// Each lookup counts once in Lookups, and once where it found its answer: in a memtable, in the block
// cache, on disk or in a filter.
func TestMetricsCountMemtableCacheAndFilterHits(t *testing.T) {
	db := memoryStore(t, Options{Budget: goldenBudget(t), Picker: idle{}})
	for i := range 1000 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "%04d", 2*i), []byte("on disk")))
	}
	require.NoError(t, db.Flush(context.Background()))
	require.NoError(t, db.Put([]byte("0000"), []byte("in memory")))
	counted := func(read func()) Metrics {
		before := db.Metrics()
		read()
		m := db.Metrics()
		return Metrics{
			Lookups: m.Lookups - before.Lookups, MemtableHits: m.MemtableHits - before.MemtableHits,
			CacheHits: m.CacheHits - before.CacheHits, CacheMisses: m.CacheMisses - before.CacheMisses,
			FilterUseful: m.FilterUseful - before.FilterUseful, FilterFalsePositives: m.FilterFalsePositives - before.FilterFalsePositives,
		}
	}
	get := func(key string) func() {
		return func() {
			_, _, err := db.Get([]byte(key), nil)
			require.NoError(t, err)
		}
	}
	require.Equal(t, Metrics{Lookups: 1, MemtableHits: 1}, counted(get("0000")))
	require.Equal(t, Metrics{Lookups: 1, CacheMisses: 1}, counted(get("1000")))
	require.Equal(t, Metrics{Lookups: 1, CacheHits: 1}, counted(get("1000")))
	require.NoError(t, db.Seal())
	require.Equal(t, Metrics{Lookups: 1, MemtableHits: 1}, counted(get("0000")), "a sealed memtable")

	missing := counted(func() {
		for i := range 999 {
			get(fmt.Sprintf("%04d", 2*i+1))()
		}
	})
	require.EqualValues(t, 999, missing.Lookups)
	require.EqualValues(t, 999, missing.FilterUseful+missing.FilterFalsePositives)
	require.Less(t, missing.FilterFalsePositives, int64(50))
	require.Equal(t, missing.FilterFalsePositives, missing.CacheHits+missing.CacheMisses)

	scanned := counted(func() {
		it, err := db.Iterator(nil, nil)
		require.NoError(t, err)
		require.Equal(t, 1000, len(rowsOf(t, it, it.Next)))
		require.NoError(t, it.Close())
	})
	require.Positive(t, scanned.CacheHits)
	require.Positive(t, scanned.CacheMisses)
}
