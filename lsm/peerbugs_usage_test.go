package lsm

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/compaction"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/vfs/vfstest"
)

// pebble 69780c3, badger#926: a file that was still in use counted as obsolete and was removed.
// Protection: versions count references to their trees, and trees count references to their files; a
// file that only moves is in both trees. The test fails if a tree does not count a file that another
// tree also has, or if View.replace drops its reference to the tree.
func TestBug31OnlyFilesInUseStayOnDisk(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	u := &usage{T: t, rng: rand.New(rand.NewPCG(31, 31))}
	db, err := Open(context.Background(), "db", Options{
		FS: mem, Budget: storyBudget(t), FileBytes: 200, Split: modelSplits[2], PartitionBytes: 1, Picker: idle{},
	})
	require.NoError(t, err)
	u.db = db
	setQuietTime(db, 0) // the compactor becomes idle at once
	steps := []func(){
		func() { putAll(t, db, fmt.Sprintf("%c/%d", 'a'+u.rng.IntN(5), u.rng.IntN(50))) },
		func() { require.NoError(t, db.DeleteRange([]byte{byte('a' + u.rng.IntN(5))}, nil)) },
		func() { require.NoError(t, db.Put([]byte("large"), make([]byte, storyLarge))) },
		func() { require.NoError(t, db.Seal()) },
		func() { flushed(t, db) },
		u.compact, u.openView, u.openIterator, u.closeView, u.closeIterator,
	}
	kept := 0
	for range 3000 {
		steps[chosen(u.rng, 0, 0, 0, 1, 3, 4, 4, 5, 5, 5, 6, 7, 8, 9, u.rng.IntN(len(steps)))]()
		if u.rng.IntN(4) > 0 {
			continue // the file of a run in memory is known only after a flush
		}
		flushed(t, db)
		waitUntilIdle(t, db)
		require.NoError(t, db.obsolete.close())
		current, all := u.files()
		if len(all) > len(current) {
			kept++
		}
		require.ElementsMatch(t, slices.Collect(maps.Keys(all)), tableNames(t, mem))
	}
	for len(u.views) > 0 {
		u.closeView()
	}
	for len(u.iterators) > 0 {
		u.closeIterator()
	}
	require.NoError(t, db.Close())
	require.Greater(t, kept, 100)
	require.Greater(t, u.moved, 20)
}

// usage is a store whose views and iterators the test opens and closes at random.
type usage struct {
	*testing.T
	rng       *rand.Rand
	db        *DB
	views     []*View
	iterators []*Iterator
	moved     int
}

// compact runs a random pick that keeps the order of entries.
func (u *usage) compact() {
	u.db.compactor.running.Lock() // keeps the worker from dropping covered tables
	defer u.db.compactor.running.Unlock()
	u.db.lock.Lock()
	shape := u.db.shape()
	u.db.lock.Unlock()
	p := (&randomPicker{rng: u.rng}).Pick(shape)
	if p == nil {
		return
	}
	c, err := compaction.New(&u.db.compaction, treeOf(u.db), *p)
	require.NoError(u, err)
	if c.IsMove() {
		u.moved++
	}
	require.NoError(u, u.db.compact(treeOf(u.db), *p))
}

func (u *usage) openView() {
	v, err := u.db.View()
	require.NoError(u, err)
	u.views = append(u.views, v)
}

func (u *usage) openIterator() {
	it, err := u.db.Iterator(nil, nil)
	require.NoError(u, err)
	u.iterators = append(u.iterators, it)
}

func (u *usage) closeView() {
	if n := len(u.views); n > 0 {
		i := u.rng.IntN(n)
		require.NoError(u, u.views[i].Close())
		u.views = slices.Delete(u.views, i, i+1)
	}
}

func (u *usage) closeIterator() {
	if n := len(u.iterators); n > 0 {
		i := u.rng.IntN(n)
		keysOf(u, u.iterators[i])
		require.NoError(u, u.iterators[i].Close())
		u.iterators = slices.Delete(u.iterators, i, i+1)
	}
}

// files returns the files of the current version, and all files including those of views and iterators.
func (u *usage) files() (current, all map[string]bool) {
	u.db.lock.Lock()
	defer u.db.lock.Unlock()
	current = filesOf(u.db.versions.Current())
	all = maps.Clone(current)
	for _, v := range u.views {
		maps.Copy(all, filesOf(v.version))
	}
	for _, it := range u.iterators {
		maps.Copy(all, filesOf(it.walk.version))
	}
	return current, all
}

// filesOf returns the names of all table files of a version.
func filesOf(v *version.Version) map[string]bool {
	names := map[string]bool{}
	for _, files := range v.Tree.Levels {
		for _, f := range files {
			names[directory.TableName(f.Number)] = true
		}
	}
	for _, r := range v.Memory {
		if r.File != nil {
			names[directory.TableName(r.File.Number)] = true
		}
	}
	return names
}

// tableNames returns the names of the table files in the directory db.
func tableNames(t *testing.T, mem *vfstest.Mem) []string {
	t.Helper()
	names, err := mem.List("db")
	require.NoError(t, err)
	return slices.DeleteFunc(names, func(name string) bool { return directory.KindOf(name) != directory.TableFile })
}
