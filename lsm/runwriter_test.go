package lsm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// A table ends at the first border between partitions after FileBytes, or at the first border between
// prefixes after twice FileBytes, and at no other key. Range tombstones are cut at the end of their
// table; together, the tombstones of all tables equal those of the inputs.
func TestTablesEndOnlyAtBordersAfterTheirSize(t *testing.T) {
	const fileBytes = 4000
	rng := rand.New(rand.NewPCG(5, 5))
	atPartitions, atPrefixes := 0, 0
	for range 40 {
		db := memoryStore(t, Options{
			Picker: idle{}, Budget: goldenBudget(t), Split: modelSplits[2], PartitionBytes: 1, FileBytes: fileBytes,
			BlockBytes: 512, Compression: []Compression{NoCompression},
		})
		for range 2 { // a compaction would only move a single run
			for p := range byte(6) {
				entries := chosen(rng, 1, 10, 100, 400)
				for i := range entries {
					key := fmt.Appendf(nil, "%c%d/%d", 'a'+p, i/30, i)
					require.NoError(t, db.Put(key, bytes.Repeat(key, 1+rng.IntN(20))))
				}
			}
			flushed(t, db)
		}
		compactLevels(t, db, 2, 0)
		ranges, v := deleteSome(t, db, rng)

		var tableRanges run.Ranges
		for _, f := range v.version.Tree.Levels[1] {
			for _, r := range f.Table.Ranges() {
				require.True(t, f.Bounds.Includes(r))
				tableRanges.Add(r)
			}
		}
		require.Equal(t, ranges, tableRanges)
		for _, level := range v.version.Tree.Levels[1:3] {
			for i := 1; i < len(level); i++ {
				before, border := level[i-1], level[i].Bounds.From
				last := lastKey(t, before)
				require.GreaterOrEqual(t, before.Size, int64(fileBytes))
				if last[0] != border[0] {
					atPartitions++
					continue
				}
				atPrefixes++
				split := db.o.Split.Func
				require.NotEqual(t, last[:split(last)], border[:split(border)])
				require.GreaterOrEqual(t, before.Size, int64(2*fileBytes))
			}
		}
		require.NoError(t, v.Close())
	}
	require.Greater(t, atPartitions, 20)
	require.Greater(t, atPrefixes, 20)
}

// deleteSome deletes ranges, writes to them again, and compacts all these runs to level 1 at once. It
// holds compactor.running, so that the worker does not drop covered tables first.
func deleteSome(t *testing.T, db *DB, rng *rand.Rand) (ranges run.Ranges, v *View) {
	t.Helper()
	db.compactor.running.Lock()
	defer db.compactor.running.Unlock()
	for range 1 + rng.IntN(3) {
		from := byte('a' + rng.IntN(5))
		r := run.Range{From: []byte{from}, To: []byte{from + 1 + byte(rng.IntN(3))}}
		ranges.Add(r)
		flushed(t, db, db.DeleteRange(r.From, r.To))
	}
	for i := range 300 {
		key := fmt.Appendf(nil, "%c%d/%d", 'a'+i%6, i/60, i)
		require.NoError(t, db.Put(key, bytes.Repeat(key, 1+rng.IntN(20))))
	}
	flushed(t, db)
	pick := Pick{To: 1}
	for _, f := range treeOf(db).Levels[0] {
		pick.Files = append(pick.Files, f.Number)
	}
	require.NoError(t, db.compact(treeOf(db), pick))
	v, err := db.View()
	require.NoError(t, err)
	return ranges, v
}

// lastKey returns the last key of a table.
func lastKey(t *testing.T, f *version.File) (key []byte) {
	t.Helper()
	it := f.Table.Iterator(sstable.IteratorOptions{})
	for ok := it.Seek(nil); ok; ok = it.Next() {
		key = append(key[:0], it.Entry().Key...)
	}
	require.NoError(t, it.Err())
	require.NoError(t, it.Close())
	return key
}
