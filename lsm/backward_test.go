package lsm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// storeOfLevels returns a store with keys on several levels, in level 0, in sealed runs and in the
// active memtable. It has values whose pieces are in several runs, and tombstones of every kind.
func storeOfLevels(t *testing.T) *DB {
	o := &Options{
		FS: vfstest.NewMem(vfstest.MemOptions{}), Budget: storyBudget(t), Split: storySplit, PartitionBytes: 1,
		FileBytes: 20 << 10, BlockBytes: 512,
	}
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(3, 3))
	for round := range 6 {
		for range 1500 {
			key := fmt.Appendf(nil, "%c%d:%04d", 'a'+rng.IntN(5), rng.IntN(3), rng.IntN(1000))
			require.NoError(t, db.Append(key, fmt.Appendf(nil, "%d,", round)))
			if rng.IntN(4) == 0 {
				require.NoError(t, db.Delete(key))
			}
		}
		require.NoError(t, db.DeletePrefix(fmt.Appendf(nil, "%c%d:", 'a'+round%5, round%3)))
		if round == 3 {
			require.NoError(t, db.DeleteRange([]byte("c"), []byte("d")))
		}
		switch round {
		case 0, 1:
			require.NoError(t, db.Compact(context.Background()))
		case 2, 3:
			require.NoError(t, db.Flush(context.Background()))
		case 4:
			require.NoError(t, db.Seal())
		}
	}
	return db
}

// rowsOf returns the entries of an iterator as key=value. It calls move until that returns false.
func rowsOf(t *testing.T, it *Iterator, move func() bool) (rows []string) {
	t.Helper()
	for move() {
		value, err := it.Value()
		require.NoError(t, err)
		rows = append(rows, fmt.Sprintf("%s=%s", it.Key(), value))
	}
	require.NoError(t, it.Err())
	return rows
}

// Both kinds of iterators return the same rows backward as forward, even after a flush of the memtables
// that they read.
func TestPrevReturnsTheRowsOfNextInReverse(t *testing.T) {
	db := storeOfLevels(t)
	scan, err := db.Iterator([]byte("a1:"), []byte("e1:"))
	require.NoError(t, err)
	view, err := db.View()
	require.NoError(t, err)
	live, err := db.Prefix([]byte("b1:"))
	require.NoError(t, err)
	viewed, err := view.Iterator(nil, nil)
	require.NoError(t, err)
	for _, it := range []*Iterator{scan, live, viewed} {
		rows := rowsOf(t, it, it.Next)
		require.Greater(t, len(rows), 100)
		slices.Reverse(rows)
		require.Equal(t, rows, rowsOf(t, it, it.Prev))
		require.False(t, it.Prev(), "a second Prev before the first key")
		require.True(t, it.Last())
		last, err := it.Value()
		require.NoError(t, err)
		require.Equal(t, rows[0], fmt.Sprintf("%s=%s", it.Key(), last))
		for range len(rows) / 2 {
			require.True(t, it.Prev())
		}
		require.NoError(t, db.Flush(context.Background())) // the first iterator still reads memtables
		require.Equal(t, rows[1+len(rows)/2:], rowsOf(t, it, it.Prev))
		slices.Reverse(rows)
		require.Equal(t, rows, rowsOf(t, it, it.Next), "forward again from the first key")
		require.NoError(t, it.Close())
	}
	require.NoError(t, view.Close())
	require.NoError(t, db.Close())
}

// After a change of direction the iterator moves to the neighbour of the current key, not past it.
func TestChangeOfDirectionMovesToTheNeighbourOfTheKey(t *testing.T) {
	db, err := Open(context.Background(), "db", *goldenOptions(t, vfstest.NewMem(vfstest.MemOptions{}), LogOff))
	require.NoError(t, err)
	for _, key := range []string{"aa:1", "aa:2", "aa:3"} {
		require.NoError(t, db.Put([]byte(key), nil))
	}
	scan, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	live, err := db.Prefix([]byte("aa:"))
	require.NoError(t, err)
	for _, it := range []*Iterator{scan, live} {
		at := func(ok bool) string { require.True(t, ok); return string(it.Key()) }
		require.Equal(t, "aa:3", at(it.Prev()), "Prev on a new iterator moves to the last key")
		require.Equal(t, "aa:2", at(it.Prev()))
		require.Equal(t, "aa:3", at(it.Next()))
		require.False(t, it.Next())
		require.Equal(t, "aa:3", at(it.Prev()))
		require.Equal(t, "aa:2", at(it.Seek([]byte("aa:11"))))
		require.Equal(t, "aa:1", at(it.Prev()))
		require.False(t, it.Prev())
		require.Equal(t, "aa:1", at(it.Next()))
		require.NoError(t, it.Close())
	}
	require.NoError(t, db.Close())
}

// Prev of a prefix iterator sees writes made after the iterator was opened.
func TestPrevOfAPrefixIteratorSeesWrites(t *testing.T) {
	db, err := Open(context.Background(), "db", *goldenOptions(t, vfstest.NewMem(vfstest.MemOptions{}), LogOff))
	require.NoError(t, err)
	for _, key := range []string{"aa:1", "aa:5", "aa:9"} {
		require.NoError(t, db.Put([]byte(key), nil))
	}
	it, err := db.Prefix([]byte("aa:"))
	require.NoError(t, err)
	require.True(t, it.Last())
	require.NoError(t, db.Put([]byte("aa:7"), []byte("new")))
	require.True(t, it.Prev())
	require.Equal(t, "aa:7", string(it.Key()))
	require.NoError(t, db.DeletePrefix([]byte("aa:")))
	require.NoError(t, db.Put([]byte("aa:3"), []byte("later")))
	require.True(t, it.Prev())
	value, err := it.Value()
	require.NoError(t, err)
	require.Equal(t, "aa:3 later", string(it.Key())+" "+string(value))
	require.NoError(t, it.Close())
	require.NoError(t, db.Close())
}

// A gap can start with the empty key. A backward move over such a gap must end there. It must not
// seek to the last key below nil, because a nil bound means no bound.
func TestBackwardMovesEndAtAGapThatStartsWithTheEmptyKey(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}, FilterBits: -1})
	db.gaps.MinDead, db.gaps.ExploreEvery = 1, 1
	putAll(t, db, "", "a", "b")
	flushed(t, db)
	require.NoError(t, db.Delete(nil))
	for range 3 { // the first move records the gap
		_, _, ok, err := db.Floor(nil)
		require.NoError(t, err)
		require.False(t, ok)
	}
	it, err := db.Prefix(nil)
	require.NoError(t, err)
	require.False(t, it.Last(), "found %q", it.Key())
	require.NoError(t, it.Close())
}
