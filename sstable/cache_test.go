package sstable

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
)

// numbered returns a model with n keys. Each value is valueBytes times mark and the number of its
// key.
func numbered(n int, mark byte, valueBytes int) model {
	m := model{split: run.WholeKey}
	for i := range n {
		value := bytes.Repeat([]byte{mark}, valueBytes)
		m.entries = append(m.entries, run.Entry{
			Key: binary.BigEndian.AppendUint32(nil, uint32(i)), Kind: run.Set,
			Value: run.Value{Bytes: binary.BigEndian.AppendUint32(value, uint32(i))},
		})
	}
	return m
}

func openModel(t testing.TB, m *model, o WriterOptions, r ReaderOptions) *Table {
	t.Helper()
	_, f := newFile(t)
	m.write(t, f, o)
	r.Split = m.split
	table, err := Open(f, r)
	require.NoError(t, err)
	return table
}

// value returns the result of Get.
func value(t testing.TB, table *Table, key []byte) []byte {
	var p run.LookupKey
	var f run.Lookup
	table.split.Prepare(&p, key)
	_, err := table.Get(&p, &f)
	require.NoError(t, err)
	whole, ok := f.Whole()
	require.True(t, ok)
	return whole
}

// countingFile counts calls of ReadAt.
type countingFile struct {
	vfs.File
	reads int
}

func (f *countingFile) ReadAt(b []byte, offset int64) (int, error) {
	f.reads++
	return f.File.ReadAt(b, offset)
}

func TestCachedBlocksAreReadOnce(t *testing.T) {
	m := numbered(2000, 'a', 100)
	_, f := newFile(t)
	m.write(t, f, WriterOptions{})
	counted := &countingFile{File: f}
	cache := NewCache(slab.NewBudget(0), 0)
	table, err := Open(counted, ReaderOptions{Cache: cache, Lock: newCacheLock()})
	require.NoError(t, err)
	for range 3 {
		counted.reads = 0
		for i := range m.entries {
			require.Equal(t, m.entries[i].Value.Bytes, value(t, table, m.entries[i].Key))
		}
		require.NotZero(t, table.slot(0))
	}
	require.Zero(t, counted.reads)
	it := table.Iterator(IteratorOptions{Cached: true})
	for range m.entries {
		require.True(t, it.Next())
	}
	require.Zero(t, counted.reads)
	require.NoError(t, table.Close())
	cache.Close()
}

// Several goroutines, each with its own CacheLock and with tables of several times the budget,
// concurrently open, read, check and close their tables.
func TestCacheLocksShareASmallCache(t *testing.T) {
	budget := slab.NewBudget(slab.MinBudgetBytes)
	cache := NewCache(budget, 512)
	const rounds = 3
	var all sync.WaitGroup
	for id := range 3 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(id), 1))
			lock := newCacheLock()
			for range rounds {
				shareCache(t, rng, budget, cache, lock, byte(id))
			}
		})
	}
	all.Go(func() {
		for range 50 * rounds {
			budget.Put(budget.Get()) // makes the budget call Cache.Shrink
		}
	})
	all.Wait()
	cache.Close()
	require.Zero(t, budget.Used())
}

func shareCache(t *testing.T, rng *rand.Rand, budget *slab.Budget, cache *Cache, lock *CacheLock, id byte) {
	var tables [3]*Table
	var models [3]model
	for i := range tables {
		models[i] = numbered(5000+rng.IntN(2000), id*3+byte(i), 400+rng.IntN(100))
		tables[i] = openModel(t, &models[i], WriterOptions{BlockBytes: 512, Compression: S2}, ReaderOptions{Budget: budget, Cache: cache, Lock: lock})
	}
	for range 200 {
		lock.Lock()
		for range rng.IntN(20) {
			i := rng.IntN(len(tables))
			e := &models[i].entries[rng.IntN(len(models[i].entries))]
			if !bytes.Equal(e.Value.Bytes, value(t, tables[i], e.Key)) {
				t.Error("wrong value")
			}
		}
		i := rng.IntN(len(tables))
		e := &models[i].entries[rng.IntN(len(models[i].entries))]
		pinned := value(t, tables[i], e.Key)
		lock.Pin()
		lock.Unlock()
		if !bytes.Equal(e.Value.Bytes, pinned) {
			t.Error("a pinned value was overwritten")
		}
		lock.Lock()
		lock.Unpin()
		if rng.IntN(10) == 0 {
			cache.Shrink(lock)
		}
		lock.Unlock()
	}
	lock.Lock()
	defer lock.Unlock()
	for _, table := range tables {
		require.NoError(t, table.Close())
	}
}

// fillCache reads all entries of a table.
func fillCache(t *testing.T, table *Table, m *model) {
	for i := range m.entries {
		if !bytes.Equal(m.entries[i].Value.Bytes, value(t, table, m.entries[i].Key)) {
			t.Fatal("wrong value")
		}
	}
}

func TestPinnedBytesStayValid(t *testing.T) {
	for _, cached := range []bool{true, false} {
		for _, c := range []Compression{None, S2} {
			budget := slab.NewBudget(slab.MinBudgetBytes)
			cache := NewCache(budget, 512)
			o := ReaderOptions{Budget: budget, Lock: newCacheLock()}
			if cached {
				o.Cache = cache
			}
			small, large := numbered(10, 'a', 300), numbered(30000, 'b', 300)
			first := openModel(t, &small, WriterOptions{BlockBytes: 512, Compression: c}, o)
			second := openModel(t, &large, WriterOptions{BlockBytes: 512, Compression: c}, o)
			want := small.entries[3]
			pinned := value(t, first, want.Key)
			o.Lock.Pin()
			fillCache(t, second, &large)
			require.Equal(t, want.Value.Bytes, pinned)
			require.NoError(t, first.Close())
			fillCache(t, second, &large)
			require.Equal(t, want.Value.Bytes, pinned, "after Close")
			for cache.Shrink(o.Lock) {
			}
			require.Equal(t, want.Value.Bytes, pinned, "after all unpinned frames were freed")
			o.Lock.Unpin()
			for cache.Shrink(o.Lock) {
			}
			require.Zero(t, cache.slabCount)
			require.NoError(t, second.Close())
			cache.Close()
			require.Zero(t, budget.Used())
		}
	}
}

// Pieces of a value stay valid while the reads of further blocks evict the blocks of the pieces.
func TestLookupStaysValidAfterEviction(t *testing.T) {
	budget := slab.NewBudget(slab.MinBudgetBytes)
	cache := NewCache(budget, 512)
	o := ReaderOptions{Budget: budget, Cache: cache, Lock: newCacheLock()}
	key := []byte("key")
	large := numbered(30000, 'b', 300)
	other := openModel(t, &large, WriterOptions{BlockBytes: 512}, o)
	var tables []*Table
	for i, kind := range []run.Kind{run.Append, run.Append, run.Set} {
		m := model{split: run.WholeKey, entries: []run.Entry{{Key: key, Kind: kind, Value: run.Value{Bytes: fmt.Append(nil, "piece", i)}}}}
		tables = append(tables, openModel(t, &m, WriterOptions{}, o))
	}
	var p run.LookupKey
	var f run.Lookup
	run.WholeKey.Prepare(&p, key)
	for i, table := range tables {
		last, err := table.Get(&p, &f)
		require.NoError(t, err)
		require.Equal(t, i == 2, last)
		fillCache(t, other, &large)
	}
	got, err := f.AppendTo(nil)
	require.NoError(t, err)
	require.Equal(t, "piece2piece1piece0", string(got))
	for _, table := range append(tables, other) {
		require.NoError(t, table.Close())
	}
}

func TestFramesUnderAHeldLockAreNotEvicted(t *testing.T) {
	budget := slab.NewBudget(slab.MinBudgetBytes)
	cache := NewCache(budget, 512)
	m := numbered(30000, 'a', 300)
	o := ReaderOptions{Cache: cache, Lock: newCacheLock()}
	first := openModel(t, &m, WriterOptions{BlockBytes: 512}, o)
	o.Lock = newCacheLock()
	second := openModel(t, &m, WriterOptions{BlockBytes: 512}, o)
	fillCache(t, first, &m)
	frames := func(table *Table) (n int) {
		for i := range table.index.count {
			if table.slot(i) != 0 {
				n++
			}
		}
		return n
	}
	before := frames(first)
	require.Equal(t, cache.slabCount*cache.perSlab, before, "all frames")
	first.lock.Lock()
	require.False(t, cache.Shrink(nil))
	fillCache(t, second, &m)
	require.Equal(t, before, frames(first))
	require.Zero(t, frames(second))
	first.lock.Unlock()
	fillCache(t, second, &m)
	require.Positive(t, frames(second))
	require.Equal(t, before, frames(first)+frames(second))
	require.True(t, cache.Shrink(nil))
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
	cache.Close()
	require.Zero(t, budget.Used())
}

func TestHotBlockSurvivesAScan(t *testing.T) {
	cache := NewCache(slab.NewBudget(slab.MinBudgetBytes), 512)
	m := numbered(30000, 'a', 300)
	table := openModel(t, &m, WriterOptions{BlockBytes: 512}, ReaderOptions{Cache: cache, Lock: newCacheLock()})
	hot := table.index.find(m.entries[7].Key)
	for i := range m.entries {
		value(t, table, m.entries[7].Key)
		require.NotZero(t, table.slot(hot))
		value(t, table, m.entries[i].Key)
	}
	evicted := 0
	for i := range table.index.count {
		if table.slot(i) == 0 {
			evicted++
		}
	}
	require.Positive(t, evicted)
	require.NoError(t, table.Close())
}

func TestBlockLargerThanAFrameIsNotCached(t *testing.T) {
	cache := NewCache(slab.NewBudget(0), 512)
	m := numbered(100, 'a', 600)
	table := openModel(t, &m, WriterOptions{}, ReaderOptions{Cache: cache, Lock: newCacheLock()})
	fillCache(t, table, &m)
	require.Zero(t, cache.slabCount)
	require.NoError(t, table.Close())
}

func TestVirtualTableTakesOverCachedBlocks(t *testing.T) {
	m := numbered(2000, 'a', 100)
	fs, f := newFile(t)
	m.write(t, f, WriterOptions{})
	again, err := fs.Open("table")
	require.NoError(t, err)
	cache, lock := NewCache(slab.NewBudget(0), 0), newCacheLock()
	whole, part := &countingFile{File: f}, &countingFile{File: again}
	table, err := Open(whole, ReaderOptions{Cache: cache, Lock: lock})
	require.NoError(t, err)
	readAll := func(table *Table, from, to int) {
		for i := from; i < to; i++ {
			require.Equal(t, m.entries[i].Value.Bytes, value(t, table, m.entries[i].Key))
		}
	}
	readAll(table, 0, 2000)
	rest, err := Open(part, ReaderOptions{Cache: cache, Lock: lock, Clip: run.Range{From: m.entries[1000].Key}})
	require.NoError(t, err)
	lock.Lock()
	rest.MoveFramesFrom(table)
	lock.Unlock()
	whole.reads, part.reads = 0, 0
	readAll(rest, 1000, 2000)
	require.Zero(t, part.reads)
	readAll(table, 0, 960) // without the block just below entry 1000, which both parts share
	require.Zero(t, whole.reads)
	readAll(table, 1000, 2000)
	require.NotZero(t, whole.reads)

	require.NoError(t, table.Close())
	readAll(rest, 1000, 2000)
	require.Zero(t, part.reads)
	free := len(cache.free)
	require.NoError(t, rest.Close())
	require.Greater(t, len(cache.free), free)
	require.Equal(t, cache.slabCount*cache.perSlab, len(cache.free))
}
