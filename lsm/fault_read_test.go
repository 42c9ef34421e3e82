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

// hiddenStore makes a store of three runs, of several blocks each: the first has
// all keys of two prefixes, which a range and the tombstone of a prefix hide; the
// others have some again. It returns what is left.
func hiddenStore(t *testing.T, o Options) storyState {
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

// readFails opens the store of a disk again for each read that use makes, and lets that read fail.
// It stops after the last read.
func readFails(t *testing.T, o Options, use func(db *DB, n int)) {
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
		if err := db.Close(); err != nil { // a flush could not read what it had written
			require.ErrorIs(t, err, syscall.EIO)
		}
		require.NoError(t, nothingOpen(disk))
		if disk.hits.Load() == 0 {
			require.Greater(t, n, 3)
			return
		}
	}
}

// RocksDB lost data when a compaction could not read (8.7.0): the entries read so far replaced
// all inputs. Protection: the compaction checks Merger.Err before it ends.
func TestReadErrorsInCompactionsLoseNothing(t *testing.T) {
	o := hiddenOptions(t)
	want := hiddenStore(t, o)
	readFails(t, o, func(db *DB, n int) {
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

// RocksDB's iterators gave what DeleteRange had hidden after a read error (8.7.0).
// Here a live cursor that could not read the tombstone of its prefix did so.
// Protection: cursor.err, which the merger gets once it is ready.
func TestReadErrorsBringNothingBackThatIsDeleted(t *testing.T) {
	o := hiddenOptions(t)
	want := hiddenStore(t, o)
	keys := slices.Sorted(maps.Keys(want))
	open := map[string]func(db *DB) (*Iterator, error){
		"scan":       func(db *DB) (*Iterator, error) { return db.Iterator(nil, nil) },
		"a range":    func(db *DB) (*Iterator, error) { return db.Iterator([]byte("a:05"), []byte("b:33")) },
		"cursor":     func(db *DB) (*Iterator, error) { return db.Prefix([]byte("b:")) },
		"in a range": func(db *DB) (*Iterator, error) { return db.Prefix([]byte("a:")) },
	}
	for name, open := range open {
		for _, writes := range []bool{false, true} {
			readFails(t, o, func(db *DB, n int) {
				for at := 38; at >= 0; at -= 3 { // from behind, so that few blocks are in the cache
					it, err := open(db)
					require.NoError(t, err)
					requireWalk(t, db, it, fmt.Appendf(nil, "b:%02d", at), want, keys, writes, fmt.Sprintf("%s, read %d", name, n))
				}
			})
		}
	}
}

// requireWalk seeks a key and walks on from there. All that the iterator gives is
// there, and nothing is left out, until it has an error.
func requireWalk(t *testing.T, db *DB, it *Iterator, from []byte, want storyState, keys []string, writes bool, what string) {
	if it.walk.cursor.on {
		from = append(bytes.Clone(it.walk.cursor.prefix), from[2:]...)
	}
	at, within := -1, it.walk.within
	for ok := it.Seek(from); ok; ok = it.Next() {
		key := string(it.Key())
		if at < 0 {
			at = slices.Index(keys, key)
			require.GreaterOrEqual(t, at, 0, "%s: %s is deleted", what, key)
			require.True(t, at == 0 || keys[at-1] < string(max(string(from), string(within.From))), what)
		}
		require.Equal(t, keys[at], key, what)
		value, err := it.Value()
		if err == nil {
			require.Equal(t, want[key], string(value), what)
		}
		at++
		if writes { // so that the cursor looks again
			if err := db.Delete([]byte("x")); err != nil {
				require.ErrorIs(t, err, syscall.EIO)
			}
		}
	}
	err := errors.Join(it.Err(), it.Close())
	if err != nil {
		require.ErrorIs(t, err, syscall.EIO, what)
		require.NotErrorIs(t, err, ErrCorrupt, what)
		return
	}
	if at >= 0 && at < len(keys) {
		require.True(t, within.Before([]byte(keys[at])), "%s: %s is left out", what, keys[at])
	}
}
