package lsm

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// A prefix iterator that finds nothing pins no version, so that it need not be closed before the store.
// It is still a live cursor.
func TestPrefixIteratorWithoutKeysPinsNothing(t *testing.T) {
	db := memoryStore(t, Options{Split: colon, Picker: idle{}})
	flushed(t, db, db.Put([]byte("a:1"), []byte("on disk")))
	flushed(t, db, db.DeletePrefix([]byte("b:")))
	require.NoError(t, db.DeletePrefix([]byte("c:")))
	for _, prefix := range []string{"b:", "c:", "d:"} {
		it, err := db.Prefix([]byte(prefix))
		require.NoError(t, err)
		require.False(t, it.Next(), prefix)
		require.False(t, it.Last(), prefix)
		require.Empty(t, db.pins.walks, prefix)

		require.NoError(t, db.Put([]byte(prefix+"1"), []byte("in memory")))
		require.True(t, it.Next(), prefix)
		require.Equal(t, prefix+"1", string(it.Key()))
		require.Len(t, db.pins.walks, 1)
		require.False(t, it.Next(), prefix)
		require.NoError(t, it.Close())
		require.Empty(t, db.pins.walks, prefix)
	}
	left, err := db.Prefix([]byte("none:"))
	require.NoError(t, err)
	require.False(t, left.Next())
	require.NoError(t, db.Close())
	require.False(t, left.Next())
	require.ErrorIs(t, left.Err(), ErrClosed)
	require.NoError(t, left.Close())
}

// OpenPrefix uses the memory of a closed iterator, and allocates nothing after the first walk.
func TestOpenPrefixAllocatesNothing(t *testing.T) {
	db := memoryStore(t, Options{Split: colon, Picker: idle{}})
	for _, key := range []string{"a:1", "a:2", "b:1"} {
		flushed(t, db, db.Put([]byte(key), []byte(key)))
	}
	compactLevels(t, db, 1, 0)
	require.NoError(t, db.Put([]byte("a:3"), nil))
	var it Iterator
	for name, rows := range map[string]int{"a:": 3, "b:": 1, "none:": 0} {
		prefix := []byte(name)
		walk := func() {
			err := db.OpenPrefix(&it, prefix)
			n := 0
			for err == nil && it.Next() {
				n++
			}
			if err = errors.Join(err, it.Close()); err != nil || n != rows {
				t.Fatal(name, n, err)
			}
		}
		walk()
		require.Zero(t, testing.AllocsPerRun(100, walk), name)
	}
}
