package lsm

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// batchSizes holds the value sizes for a batch that fits into a memtable, a batch of more than
// MemtableBytes, and a batch that is written as a run of its own.
var batchSizes = map[string]int{"small": 1, "more than a memtable": 5000, "a file of its own": storyLarge}

func TestBatchAppliesItsOperationsInOrder(t *testing.T) {
	for _, bytes := range batchSizes {
		for _, mode := range allLogModes {
			mem := vfstest.NewMem(vfstest.MemOptions{})
			o := Options{FS: mem, Log: mode, Budget: storyBudget(t), MemtableBytes: 3000, Split: modelSplits[2]}
			db, err := Open(context.Background(), "db", o)
			require.NoError(t, err)
			putAll(t, db, "a/1", "a/2", "b/1", "b/2", "c/1")
			var b Batch
			b.Append([]byte("a/1"), []byte("+")) // appends to an existing value
			b.Put([]byte("a/2"), []byte("new"))  // two operations on one key
			b.Append([]byte("a/2"), []byte("er"))
			b.Put([]byte("b/3"), []byte("gone")) // deleted with its prefix
			b.DeletePrefix([]byte("b/"))
			b.Append([]byte("b/1"), []byte("x")) // appends to no value
			b.Append([]byte("b/1"), []byte("y"))
			b.Delete([]byte("c/1"))
			b.Append([]byte("c/1"), []byte("z")) // appends to no value
			b.Put([]byte("c/2"), []byte("gone"))
			b.Delete([]byte("c/2"))
			b.Put([]byte("d/"), make([]byte, bytes))
			b.DeletePrefix([]byte("e/"))
			b.DeletePrefix([]byte("e/"))
			require.Equal(t, 14, b.Len())
			require.NoError(t, db.Apply(&b))
			want := map[string]string{"a/1": "of a/1+", "a/2": "newer", "b/1": "xy", "c/1": "z", "d/": string(make([]byte, bytes))}
			requireContent(t, db, want)
			require.NoError(t, db.Compact(context.Background()))
			requireContent(t, db, want)
			require.NoError(t, db.Close())
			requireOpens(t, o, mem, want)
		}
	}
}

func TestBatchCanBeReused(t *testing.T) {
	for name, bytes := range batchSizes {
		db := memoryStore(t, Options{Budget: storyBudget(t), MemtableBytes: 3000, MaxKeySize: 100})
		var b Batch
		require.NoError(t, db.Apply(&b), "an empty batch")
		db.lock.Lock()
		writes := db.writes
		db.lock.Unlock()
		require.Zero(t, writes)
		piece := strings.Repeat("p", bytes)
		b.Append([]byte("k"), []byte(piece))
		b.Append([]byte("l"), []byte("l"))
		require.NoError(t, db.Apply(&b))
		require.NoError(t, db.Apply(&b)) // Apply does not change the batch
		requireContent(t, db, map[string]string{"k": piece + piece, "l": "ll"})

		b.Put(make([]byte, 101), nil)
		requireSizeError(t, db.Apply(&b), "key", 101, 100)
		requireContent(t, db, map[string]string{"k": piece + piece, "l": "ll"})
		require.Equal(t, 3, b.Len())
		b.Reset()
		require.Zero(t, b.Len())
		require.NoError(t, db.Apply(&b))
		b.Delete([]byte("k"))
		require.NoError(t, db.Apply(&b), "after an error, with batch size %s", name)
		requireContent(t, db, map[string]string{"l": "ll"})
	}
}

// The batch itself checks the largest sizes, before a store checks its own limits.
func TestBatchKeepsItsFirstErrorUntilReset(t *testing.T) {
	b := Batch{err: &SizeError{"value", MaxValueSize + 1, MaxValueSize}} // as Batch.add sets it
	db := memoryStore(t, Options{Budget: goldenBudget(t)})
	b.Put([]byte("k"), nil)
	for range 2 {
		requireSizeError(t, db.Apply(&b), "value", MaxValueSize+1, MaxValueSize)
	}
	requireContent(t, db, map[string]string{})
	b.Reset()
	b.Put([]byte("k"), nil)
	require.NoError(t, db.Apply(&b))
	requireContent(t, db, map[string]string{"k": ""})
}

func TestBatchAfterCloseChangesNothing(t *testing.T) {
	for _, mode := range allLogModes {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		o := Options{FS: mem, Log: mode, Budget: goldenBudget(t)}
		db, err := Open(context.Background(), "db", o)
		require.NoError(t, err)
		var b Batch
		for i := range 3 {
			b.Put(fmt.Append(nil, i), nil)
		}
		require.NoError(t, db.Close())
		require.ErrorIs(t, db.Apply(&b), ErrClosed)
		requireOpens(t, o, mem, map[string]string{})
	}
}
