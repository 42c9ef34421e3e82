package lsm

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/compaction"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// storeOfPieces returns a store in which each of three runs of level 0 has a piece of each value. A
// further write in memory keeps the store unsettled.
func storeOfPieces(t *testing.T, picker Picker) *DB {
	db := memoryStore(t, Options{Picker: picker, Split: Split{Name: "one", Func: func(key []byte) int { return min(1, len(key)) }}})
	for piece := range 3 {
		for i := range 100 {
			require.NoError(t, db.Append(fmt.Appendf(nil, "k%02d", i), fmt.Append(nil, piece)))
		}
		flushUnsettled(t, db)
	}
	require.Equal(t, 3, tablesOf(db)[0])
	return db
}

// flushUnsettled flushes the memtable and writes to the next one, so that the store is not settled.
func flushUnsettled(t *testing.T, db *DB) {
	t.Helper()
	db.lock.Lock()
	require.NoError(t, db.seal())
	number := db.activeRun - 1
	_, err := db.apply(run.Set, []byte("z"), []byte("more"))
	require.NoError(t, err)
	require.NoError(t, db.waitForRun(t.Context(), number))
	db.lock.Unlock()
}

func readCostOf(db *DB) int64 {
	db.lock.Lock()
	defer db.lock.Unlock()
	return db.compactor.extraReadCost
}

func getPieces(t *testing.T, db *DB) {
	value, _, err := db.Get([]byte("k42"), nil)
	require.NoError(t, err)
	require.Equal(t, "012", string(value))
}

func scanPieces(t *testing.T, db *DB) {
	it, err := db.Prefix([]byte("k"))
	require.NoError(t, err)
	require.Equal(t, 100, len(strings.Fields(keysOf(t, it))))
	require.NoError(t, it.Close())
}

func TestExtraReadCostCountsTablesAfterTheFirst(t *testing.T) {
	db := storeOfPieces(t, idle{})
	getPieces(t, db)
	require.EqualValues(t, 2, readCostOf(db))
	scanPieces(t, db)
	require.EqualValues(t, 2+2*(seekReadCost+100/stepsPerReadCost), readCostOf(db))
}

func TestReadsOfSeveralTablesTriggerACompaction(t *testing.T) {
	for _, read := range []func(*testing.T, *DB){getPieces, scanPieces} {
		db := storeOfPieces(t, nil)
		waitFor(t, "the compactor joins the tables", func() bool {
			for range unseenReadCost / 2 {
				read(t, db)
			}
			return tablesOf(db) == [version.NumLevels]int{1: 1}
		})
		read(t, db)
		before := readCostOf(db)
		read(t, db)
		require.LessOrEqual(t, readCostOf(db), before)
	}
}

// Bloom filters let reads skip the tables without the key, so these reads have no extra cost and
// trigger no compaction.
func TestReadsOfOneTableTriggerNoCompaction(t *testing.T) {
	db := memoryStore(t, Options{})
	for run := range 3 {
		for i := range 100 {
			require.NoError(t, db.Put(fmt.Appendf(nil, "k%02d%d", i, run), []byte("v")))
		}
		flushUnsettled(t, db)
	}
	for range 2 * unseenReadCost {
		_, found, err := db.Get([]byte("k421"), nil)
		require.NoError(t, err)
		require.True(t, found)
	}
	require.Zero(t, readCostOf(db))
	require.Equal(t, 3, tablesOf(db)[0])
}

// both yields false and true.
func both(yield func(bool) bool) { _ = yield(false) && yield(true) }

// A compaction for reads is picked once the extra cost of the reads equals the cost of the
// compaction, and not earlier.
func TestPicksForReadsCostNoMoreThanTheReads(t *testing.T) {
	table := func(number uint64, from, to byte) Table {
		t := Table{Number: number, Bytes: 1 << 20, From: []byte{from}, To: []byte{to}}
		if number == 3 {
			t.Bytes = 100 << 20
		}
		return t
	}
	s := Shape{MemtableBytes: 1 << 30, FileBytes: 1 << 30}
	s.Levels[1] = []Table{table(3, 'a', 'c'), table(4, 'c', 'e')}
	s.Levels[3] = []Table{table(5, 'a', 'b')}
	s.Levels[0] = []Table{table(2, 'a', 'b'), table(1, 'a', 'b')}
	for _, step := range []struct {
		bytes int64 // bytes that the compaction rewrites
		pick  *Pick
		then  func()
	}{
		{102 << 20, &Pick{Files: []uint64{2, 1, 3}, To: 1}, func() { s.Levels[0] = nil }},
		{100 << 20, &Pick{Files: []uint64{3}, To: 2}, func() { s.Levels[1], s.Levels[2] = s.Levels[1][1:], s.Levels[1][:1] }},
		{1 << 20, &Pick{Files: []uint64{4}, To: 2}, func() { s.Levels[1], s.Levels[2] = nil, []Table{table(3, 'a', 'c'), table(4, 'c', 'e')} }},
		{1 << 20, &Pick{Files: []uint64{4}, To: 3}, func() { s.Levels[2] = s.Levels[2][:1] }},
		{101 << 20, &Pick{Files: []uint64{3, 5}, To: 3}, func() { s.Levels[2] = nil }},
		{0, nil, func() {}},
	} {
		for s.Settled = range both {
			price := int64(compaction.ReadCostBytes)
			if s.Settled {
				price = compaction.SettledReadCostBytes
			}
			s.ExtraReadCost = max(step.bytes/price-1, 0)
			require.Nil(t, NewLeveled().Pick(s), "%d bytes", step.bytes)
			s.ExtraReadCost = step.bytes / price
			require.Equal(t, step.pick, NewLeveled().Pick(s), "%d bytes", step.bytes)
		}
		step.then()
	}
}

// After writes have stopped, tables of level 0 are joined with the tables that they overlap, unless
// the overlapped tables are much larger.
func TestIdleStoresBecomeOneRun(t *testing.T) {
	table := func(number uint64, bytes int64) Table {
		return Table{Number: number, Bytes: bytes, From: []byte{'a'}, To: []byte{'b'}}
	}
	s := Shape{MemtableBytes: 1 << 30, FileBytes: 1 << 30}
	s.Levels[0] = []Table{table(3, 20), table(2, 5)}
	s.Levels[1] = []Table{table(1, 75)}
	require.Nil(t, NewLeveled().Pick(s), "the store is not settled")
	s.Settled = true
	require.Equal(t, &Pick{Files: []uint64{3, 2, 1}, To: 1}, NewLeveled().Pick(s))
	s.Levels[1][0].Bytes++
	require.Nil(t, NewLeveled().Pick(s), "level 0 is too small compared with level 1")
	s.Levels[0], s.Levels[1] = s.Levels[0][:1], nil
	require.Nil(t, NewLeveled().Pick(s), "the store is one run")

	db := memoryStore(t, Options{})
	for i := range 2 {
		require.NoError(t, db.Put([]byte{'k', byte(i)}, []byte("v")))
		flushUnsettled(t, db)
	}
	require.Equal(t, 2, tablesOf(db)[0])
	require.NoError(t, db.Flush(context.Background()))
	waitFor(t, "one table is in level 1", func() bool { return tablesOf(db) == [version.NumLevels]int{1: 1} })
}

// Many small flushes of ascending keys do not leave as many small tables in levels 0 and 1.
func TestIdleStoresMergeTablesThatDoNotOverlap(t *testing.T) {
	db := memoryStore(t, Options{})
	setQuietTime(db, 0)
	for i := range 200 {
		require.NoError(t, db.Put(fmt.Appendf(nil, "k%03d", i), []byte("v")))
		require.NoError(t, db.Flush(context.Background()))
		for m := db.Metrics(); m.Compacting; m = db.Metrics() {
			time.Sleep(10 * time.Microsecond)
		}
	}
	tables := tablesOf(db)
	require.Less(t, tables[0]+tables[1], 2*compaction.Level0Trigger)
}

// A flush writes an Append as a Set if no older run has an entry of its key. With a filter it keeps
// the Append, since the filter may have dropped an entry that a view still has.
func TestAppendsToMissingKeysAreFlushedAsValues(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}})
	kinds := func(db *DB) (kinds string) {
		db.lock.Lock()
		defer db.lock.Unlock()
		for _, f := range db.versions.Current().Tree.Levels[0] {
			it := f.Table.Iterator(sstable.IteratorOptions{Cached: true})
			for it.Next() {
				kinds += fmt.Sprintf("%s %s, ", it.Entry().Key, it.Entry().Kind)
			}
		}
		return kinds
	}
	flushed(t, db, db.Append([]byte("b"), []byte("1")), db.Append([]byte("d"), []byte("1")))
	require.Equal(t, "b set, d set, ", kinds(db))
	flushed(t, db, db.Append([]byte("a"), []byte("2")), db.Append([]byte("b"), []byte("2")), db.Append([]byte("e"), []byte("2")))
	require.Equal(t, "a set, b append, e set, b set, d set, ", kinds(db))

	db = memoryStore(t, Options{Picker: idle{}, Filter: filterFunc(func(*FilterEntry) {})})
	flushed(t, db, db.Append([]byte("b"), []byte("1")))
	require.Equal(t, "b append, ", kinds(db))
}
