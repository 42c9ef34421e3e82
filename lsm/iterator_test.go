package lsm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/vfs"
)

// memoryStore opens a store in memory, which the test closes.
func memoryStore(t testing.TB, o Options) *DB {
	o.FS = vfs.NewMem(vfs.MemOptions{})
	db, err := Open("db", &o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			require.ErrorIs(t, err, ErrClosed)
		}
	})
	return db
}

// keysOf are all keys that an iterator has left, with a space between them.
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

func TestIteratorKeepsNothingOfItsBounds(t *testing.T) {
	db := memoryStore(t, Options{})
	putAll(t, db, "a", "b", "c", "d")
	from, to := []byte("b"), []byte("d")
	it, err := db.Iterator(from, to)
	require.NoError(t, err)
	from[0], to[0] = 'x', 'y'
	require.Equal(t, "b c ", keysOf(t, it))
	require.NoError(t, it.Close())
}
