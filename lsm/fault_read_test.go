package lsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// fillHidden makes a store of runs with several blocks. The first run has all keys of two prefixes. A
// range tombstone and a prefix tombstone in later runs hide these keys, and later writes restore some
// of them. fillHidden returns the visible content.
func fillHidden(t *testing.T, o Options) storyState {
	db, err := Open(context.Background(), storyDir, o)
	require.NoError(t, err)
	want := storyState{}
	fill := func(value string, every int) {
		for i := 0; i < 40; i += every {
			for _, prefix := range []string{"a:", "b:"} {
				key := fmt.Sprintf("%s%02d", prefix, i)
				want[key] = value
				require.NoError(t, db.Put([]byte(key), []byte(value)))
			}
		}
		require.NoError(t, db.Flush(context.Background()))
	}
	fill(strings.Repeat("hidden", 20), 1)
	clear(want)
	require.NoError(t, db.DeleteRange([]byte("a"), []byte("b")))
	require.NoError(t, db.DeletePrefix([]byte("b:")))
	fill(strings.Repeat("newer", 20), 3)
	require.NoError(t, db.Append([]byte("b:03"), []byte("+")))
	want["b:03"] += "+"
	require.NoError(t, db.Close())
	return want
}

func hiddenOptions(t *testing.T) Options {
	o := newStory(t, vfstest.NewMem(vfstest.MemOptions{}), LogOff, 1<<20).o
	o.Picker = idle{}
	return o
}

// failEachRead calls use with the store once for each read that use makes, and lets that read fail.
func failEachRead(t *testing.T, o Options, use func(db *DB, n int)) {
	mem := o.FS.(*vfstest.Mem)
	for n := 0; ; n++ {
		var on atomic.Bool
		plan := vfstest.FailNth(n, syscall.EIO, vfstest.OpReadAt)
		disk := newFaultyDisk(mem.CrashClone(vfstest.CrashOptions{Keep: 1}), func(c vfstest.Call) error {
			if on.Load() {
				return plan(c)
			}
			return nil
		})
		o.FS = disk
		db, err := Open(context.Background(), storyDir, o)
		require.NoError(t, err)
		on.Store(true)
		use(db, n)
		if err := db.Close(); err != nil { // a flush could not read its own output
			require.ErrorIs(t, err, syscall.EIO)
		}
		require.NoError(t, nothingOpen(disk))
		if disk.hits.Load() == 0 {
			require.Greater(t, n, 3)
			return
		}
	}
}

// RocksDB 8.7.0 lost data after a read error in a compaction: the entries read so far replaced all
// inputs. Protection: the compaction checks Merger.Err before it ends.
func TestReadErrorsInCompactionsLoseNothing(t *testing.T) {
	o := hiddenOptions(t)
	want := fillHidden(t, o)
	failEachRead(t, o, func(db *DB, n int) {
		for range 2 {
			if err := db.Compact(context.Background()); err != nil {
				require.ErrorIs(t, err, syscall.EIO)
				require.NotErrorIs(t, err, ErrCorrupt)
			}
			got, err := readsOfStories["Iterator"](db)
			if err != nil {
				require.ErrorIs(t, err, syscall.EIO)
				got, err = readsOfStories["Iterator"](db)
			}
			require.NoError(t, err)
			require.Equal(t, want, got, "read %d", n)
		}
	})
}

// After a read error, iterators of RocksDB 8.7.0 returned keys that DeleteRange had deleted. Our prefix
// iterator did the same after it could not read the tombstone of its prefix. Protection: cursor.err,
// which the merger checks when the cursor is ready.
func TestReadErrorsDoNotRevealDeletedKeys(t *testing.T) {
	o := hiddenOptions(t)
	want := fillHidden(t, o)
	keys := slices.Sorted(maps.Keys(want))
	open := map[string]func(db *DB) (*Iterator, error){
		"scan":                       func(db *DB) (*Iterator, error) { return db.Iterator(nil, nil) },
		"scan of a range":            func(db *DB) (*Iterator, error) { return db.Iterator([]byte("a:05"), []byte("b:33")) },
		"prefix":                     func(db *DB) (*Iterator, error) { return db.Prefix([]byte("b:")) },
		"prefix under a DeleteRange": func(db *DB) (*Iterator, error) { return db.Prefix([]byte("a:")) },
	}
	for name, open := range open {
		for _, writes := range []bool{false, true} {
			failEachRead(t, o, func(db *DB, n int) {
				for at := 38; at >= 0; at -= 3 { // backward, so that few of the blocks are in the cache
					it, err := open(db)
					require.NoError(t, err)
					requireWalk(t, db, it, fmt.Appendf(nil, "b:%02d", at), want, keys, writes, fmt.Sprintf("%s, read %d", name, n))
				}
			})
		}
	}
}

// requireWalk seeks a key and reads all later entries. Until an error, the iterator must return exactly
// the entries of want. If writes is set, it writes to the store between the steps.
func requireWalk(t *testing.T, db *DB, it *Iterator, from []byte, want storyState, keys []string, writes bool, context string) {
	if it.walk.cursor.on {
		from = append(bytes.Clone(it.walk.cursor.prefix), from[2:]...)
	}
	at, within := -1, it.walk.within
	for ok := it.Seek(from); ok; ok = it.Next() {
		key := string(it.Key())
		if at < 0 {
			at = slices.Index(keys, key)
			require.GreaterOrEqual(t, at, 0, "%s: %s is deleted", context, key)
			require.True(t, at == 0 || keys[at-1] < string(max(string(from), string(within.From))), context)
		}
		require.Equal(t, keys[at], key, context)
		value, err := it.Value()
		if err == nil {
			require.Equal(t, want[key], string(value), context)
		}
		at++
		if writes { // a prefix iterator must then look up its position again
			if err := db.Delete([]byte("x")); err != nil {
				require.ErrorIs(t, err, syscall.EIO)
			}
		}
	}
	err := errors.Join(it.Err(), it.Close())
	if err != nil {
		require.ErrorIs(t, err, syscall.EIO, context)
		require.NotErrorIs(t, err, ErrCorrupt, context)
		return
	}
	if at >= 0 && at < len(keys) {
		require.True(t, within.Before([]byte(keys[at])), "%s: %s is missing", context, keys[at])
	}
}
