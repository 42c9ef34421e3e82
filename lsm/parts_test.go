package lsm

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// openThreeRuns returns an open store and its content. The store has three runs of the partitions a
// to d; the second deletes a range and the third a prefix.
func openThreeRuns(t *testing.T, disk vfs.FS) (*DB, map[string]string) {
	db, err := Open(context.Background(), "db", *partitionedOptions(disk))
	require.NoError(t, err)
	for _, value := range []string{"old", "newer", "new"} {
		for _, key := range []string{"a/1", "a/2", "b/1", "b/2", "c/1", "c/2", "d/1", "d/2"} {
			require.NoError(t, db.Put([]byte(key), []byte(value)))
		}
		switch value {
		case "old":
			require.NoError(t, db.Put([]byte("d/3"), []byte("old")))
			require.NoError(t, db.Put([]byte("b/3"), []byte("old")))
		case "newer":
			require.NoError(t, db.DeleteRange([]byte("b"), []byte("d")))
		case "new":
			require.NoError(t, db.DeletePrefix([]byte("d/")))
			require.NoError(t, db.Put([]byte("d/9"), []byte("new")))
		}
		require.NoError(t, db.Flush(context.Background()))
	}
	return db, map[string]string{
		"a/1": "new", "a/2": "new", "b/1": "new", "b/2": "new", "c/1": "new", "c/2": "new", "d/9": "new",
	}
}

// compactPart compacts files to level 1 and ends at the first border between partitions.
func compactPart(t *testing.T, db *DB, files []*version.File) error {
	t.Helper()
	db.compactor.running.Lock()
	defer db.compactor.running.Unlock()
	pick := Pick{To: 1, Share: 1e-9}
	for _, f := range files {
		pick.Files = append(pick.Files, f.Number)
	}
	return db.compact(treeOf(db), pick)
}

// endingEarly is a Picker whose compactions to levels from 1 on end as soon as possible. Compactions
// within level 0 run to their end: a part of such a compaction would not reduce the number of runs.
type endingEarly struct{ Picker }

func (p endingEarly) Pick(s Shape) *Pick {
	pick := p.Picker.Pick(s)
	if pick != nil && pick.To > 0 {
		pick.Share = 1e-9
	}
	return pick
}

// waitForObsoleteFiles waits until the obsolete files are removed from the disk.
func waitForObsoleteFiles(db *DB) {
	db.obsolete.mu.Lock()
	defer db.obsolete.mu.Unlock()
	for db.obsolete.working {
		db.obsolete.idle.Wait()
	}
}

// tablesOnDisk returns the number of table files in the directory db.
func tablesOnDisk(t testing.TB, disk vfs.FS) (n int) {
	names, err := disk.List("db")
	require.NoError(t, err)
	for _, name := range names {
		if _, ok := directory.ParseNumber(name, "", directory.TableSuffix); ok {
			n++
		}
	}
	return n
}

func TestCompactionThatEndsEarlyLeavesTheRemainderInLevel0(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db, want := openThreeRuns(t, mem)
	for _, step := range []struct{ level0, level1 string }{
		{"[b,d0) [b,d/2\x00) [b,d/3\x00) ", "[a/1,a/2\x00) "},
		{"[c,d0) [c,d/2\x00) [c,d/3\x00) ", "[a/1,a/2\x00) [b/1,b/2\x00) "},
		{"[d,d0) [d,d/2\x00) [d,d/3\x00) ", "[a/1,a/2\x00) [b/1,b/2\x00) [c/1,c/2\x00) "},
		{"", "[a/1,a/2\x00) [b/1,b/2\x00) [c/1,c/2\x00) [d/9,d/9\x00) "},
	} {
		now := treeOf(db)
		require.NoError(t, compactPart(t, db, now.Levels[0]))
		require.NoError(t, treeOf(db).Check())
		require.Equal(t, step.level0, boundsOf(db, 0))
		require.Equal(t, step.level1, boundsOf(db, 1))
		requireContent(t, db, want)
		require.NoError(t, db.Close())
		var err error
		db, err = Open(context.Background(), "db", *partitionedOptions(mem))
		require.NoError(t, err)
		requireContent(t, db, want)
	}
	require.Equal(t, 4, tablesOnDisk(t, mem))
	require.NoError(t, db.Close())
}

func TestFileStaysOnDiskWhileAVersionUsesAPartOfIt(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db, want := openThreeRuns(t, mem)
	views := make([]*View, 0, 4)
	for len(treeOf(db).Levels[0]) > 0 {
		v, err := db.View()
		require.NoError(t, err)
		views = append(views, v)
		require.NoError(t, compactPart(t, db, treeOf(db).Levels[0]))
	}
	require.Len(t, views, 4)
	for _, at := range []int{1, 3, 0, 2} { // each view uses the three files of level 0
		require.Equal(t, 3+4, tablesOnDisk(t, mem))
		value, found, err := views[at].Get([]byte("d/9"), nil)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, want["d/9"], string(value))
		require.NoError(t, views[at].Close())
	}
	waitForTables(t, db, 4)
	require.NoError(t, db.Close())
}

// A compaction that fails to open the remainder of an input as a virtual table leaves the tree
// unchanged.
func TestCompactionThatCannotOpenTheRemainderChangesNothing(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db, want := openThreeRuns(t, mem)
	before := treeOf(db)
	require.NoError(t, mem.Rename("db/"+directory.TableName(before.Levels[0][1].Number), "db/hidden"))
	err := compactPart(t, db, before.Levels[0])
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, mem.Rename("db/hidden", "db/"+directory.TableName(before.Levels[0][1].Number)))
	require.Same(t, before, treeOf(db))
	require.Equal(t, 3, tablesOnDisk(t, mem))
	for _, f := range before.Levels[0] {
		require.Equal(t, 1, *f.Sharers)
	}
	requireContent(t, db, want)
	require.NoError(t, db.Compact(context.Background()))
	waitForTables(t, db, 1)
	require.NoError(t, db.Close())
}

// Entries that wait for the decision of a filter are not written yet, so a compaction that ends
// early must end after them.
func TestCompactionDoesNotEndBeforeEntriesOfAFilter(t *testing.T) {
	o := partitionedOptions(vfstest.NewMem(vfstest.MemOptions{}))
	o.Filter = rangeFilterFunc{filterFunc(func(*FilterEntry) {}), []byte("b"), []byte("c")}
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	want := map[string]string{}
	for _, piece := range []string{"x", "y"} {
		for _, key := range []string{"a/1", "b/1", "b/2", "c/1"} {
			require.NoError(t, db.Append([]byte(key), []byte(piece)))
			want[key] = "xy"
		}
		flushed(t, db)
	}
	db.compactor.running.Lock()
	now := treeOf(db)
	err = db.compact(now, Pick{Files: []uint64{now.Levels[0][0].Number, now.Levels[0][1].Number}, To: 1, Share: 0.5})
	db.compactor.running.Unlock()
	require.NoError(t, err)
	require.Equal(t, "[a/1,b/2\x00) ", boundsOf(db, 1)) // half of the bytes end at b/1, which the filter decides on together with b/2
	require.Equal(t, "[c,c/1\x00) [c,c/1\x00) ", boundsOf(db, 0))
	requireContent(t, db, want)
	require.NoError(t, db.Close())
}

func TestInvalidSharesAreRefused(t *testing.T) {
	db, want := openThreeRuns(t, vfstest.NewMem(vfstest.MemOptions{}))
	db.compactor.running.Lock()
	for _, share := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		now := treeOf(db)
		require.ErrorIs(t, db.compact(now, Pick{Files: []uint64{now.Levels[0][0].Number}, Share: share}), ErrInvalidOption)
	}
	db.compactor.running.Unlock()
	requireContent(t, db, want)
	require.NoError(t, db.Close())
}

// A small remainder of a file is rewritten, not moved: a move would keep the whole file on disk.
func TestRemainderOfAFileIsRewritten(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := partitionedOptions(mem)
	var read []int64
	o.Events.Compacted = func(i CompactionInfo) { read = append(read, i.BytesRead) }
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	value, rng := make([]byte, 1000), rand.NewChaCha8([32]byte{})
	for i := range 100 {
		_, _ = rng.Read(value)
		require.NoError(t, db.Put(fmt.Appendf(nil, "a/%03d", i), value))
	}
	flushed(t, db, db.Put([]byte("b/1"), value))
	flushed(t, db, db.Put([]byte("a/000"), []byte("new")))
	files := treeOf(db).Levels[0]
	size := files[0].Size + files[1].Size
	require.NoError(t, compactPart(t, db, files))
	rest := treeOf(db).Levels[0]
	require.Len(t, rest, 1)
	number := rest[0].Number
	require.NoError(t, compactPart(t, db, rest))
	waitForTables(t, db, 2)
	require.Empty(t, treeOf(db).Levels[0])
	_, err = mem.Open("db/" + directory.TableName(number))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Len(t, read, 2)
	require.Less(t, read[1], read[0]/10)
	require.InDelta(t, size, read[0]+read[1], 10_000)
	require.NoError(t, db.Close())
}
