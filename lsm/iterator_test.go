package lsm

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// memoryStore opens an in-memory store. The end of the test closes it.
func memoryStore(t testing.TB, o Options) *DB {
	o.FS = vfstest.NewMem(vfstest.MemOptions{})
	db, err := Open(context.Background(), "db", o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			require.ErrorIs(t, err, ErrClosed)
		}
	})
	return db
}

// keysOf returns the remaining keys of an iterator, with a space after each key.
func keysOf(t testing.TB, it *Iterator) (keys string) {
	for it.Next() {
		keys += string(it.Key()) + " "
	}
	require.NoError(t, it.Err())
	return keys
}

func putAll(t testing.TB, db *DB, keys ...string) {
	for _, key := range keys {
		require.NoError(t, db.Put([]byte(key), []byte("of "+key)))
	}
}

func TestIteratorCopiesItsBounds(t *testing.T) {
	db := memoryStore(t, Options{})
	putAll(t, db, "a", "b", "c", "d")
	from, to := []byte("b"), []byte("d")
	it, err := db.Iterator(from, to)
	require.NoError(t, err)
	from[0], to[0] = 'x', 'y'
	require.Equal(t, "b c ", keysOf(t, it))
	require.NoError(t, it.Close())
}

func TestPrefixIteratorContinuesAfterItsEnd(t *testing.T) {
	db := memoryStore(t, Options{Split: modelSplits[2]})
	putAll(t, db, "b/1", "b/9")
	used, err := db.Prefix([]byte("b/"))
	require.NoError(t, err)
	require.Equal(t, "b/1 b/9 ", keysOf(t, used))
	require.NoError(t, used.Close())

	it, err := db.Prefix([]byte("a/")) // reuses the closed iterator
	require.NoError(t, err)
	require.Empty(t, keysOf(t, it))
	putAll(t, db, "a/1", "a/2")
	require.Equal(t, "a/1 a/2 ", keysOf(t, it), "keys written after the iterator reached its end")
	putAll(t, db, "a/2", "a/1", "a/3")
	require.Equal(t, "a/3 ", keysOf(t, it))
	require.False(t, it.Seek([]byte("a/5")))
	putAll(t, db, "a/4", "a/5", "a/6")
	require.Equal(t, "a/5 a/6 ", keysOf(t, it), "keys from the target of the failed Seek on")
	require.NoError(t, it.Close())
}

func TestValueAboveTheLimitIsReadableOnlyAsAStream(t *testing.T) {
	db := memoryStore(t, Options{MaxValueSize: 10})
	key, whole := []byte("key"), strings.Repeat("123456", 3)
	for range 3 {
		require.NoError(t, db.Append(key, []byte("123456")))
	}
	require.ErrorIs(t, db.Append(key, make([]byte, 11)), ErrTooLarge)
	for _, where := range []string{"memory", "a table"} {
		_, _, err := db.Get(key, nil)
		require.ErrorIs(t, err, ErrTooLarge, where)
		_, _, err = db.Peek(key)
		require.ErrorIs(t, err, ErrTooLarge, where)
		cursor, err := db.Prefix(key)
		require.NoError(t, err)
		require.True(t, cursor.Next())
		_, err = cursor.Value()
		require.ErrorIs(t, err, ErrTooLarge, where)
		require.NoError(t, cursor.Close())

		it, err := db.Iterator(nil, nil)
		require.NoError(t, err)
		require.True(t, it.Next())
		_, err = it.Value()
		var size *SizeError
		require.ErrorAs(t, err, &size)
		require.Equal(t, SizeError{"value", 18, 10}, *size)
		value, err := io.ReadAll(it.ValueReader())
		require.NoError(t, err)
		require.Equal(t, whole, string(value))
		require.NoError(t, it.Close())
		require.NoError(t, db.Compact(context.Background()))
	}
}

func TestSecondCloseDoesNotAffectALaterIterator(t *testing.T) {
	db := memoryStore(t, Options{})
	putAll(t, db, "a", "b")
	first, err := db.Prefix([]byte("a"))
	require.NoError(t, err)
	require.NoError(t, first.Close())
	second, err := db.Prefix([]byte("b"))
	require.NoError(t, err)
	require.NoError(t, first.Close())
	require.False(t, first.Next())
	require.ErrorIs(t, first.Err(), ErrClosed)
	require.Equal(t, "b ", keysOf(t, second))
	require.NoError(t, second.Close())
}
