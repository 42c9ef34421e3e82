package sstable

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// model is the expected content of a file.
type model struct {
	entries []run.Entry
	ranges  run.Ranges
	split   run.Split
}

var (
	// colon cuts keys after the first colon.
	colon = run.Split{Name: "colon", Func: func(key []byte) int {
		if i := bytes.IndexByte(key, ':'); i >= 0 {
			return i + 1
		}
		return len(key)
	}}
	firstTwo = run.Split{Name: "first-two", Func: func(key []byte) int { return min(len(key), 2) }}
	splits   = []run.Split{run.WholeKey, colon, firstTwo}
)

// randomKey returns a key over a small alphabet that includes the lowest and the highest byte. The
// key is usually short and rarely up to 3000 bytes.
func randomKey(rng *rand.Rand) []byte {
	n := rng.IntN(7)
	if rng.IntN(50) == 0 {
		n = rng.IntN(3000)
	}
	key := make([]byte, n)
	for i := range key {
		key[i] = []byte{0, 'a', ':', 'b', 0xff}[rng.IntN(5)]
	}
	return key
}

func randomValue(rng *rand.Rand) []byte {
	n := rng.IntN(30)
	switch rng.IntN(60) {
	case 0:
		n = rng.IntN(6000)
	case 1:
		n = rng.IntN(2*maxChunkBytes + 100)
	}
	value := make([]byte, n)
	if rng.IntN(2) == 0 {
		for i := range value {
			value[i] = byte(rng.Uint32())
		}
	}
	return value
}

func randomRange(rng *rand.Rand) (r run.Range) {
	if r.From = randomKey(rng); rng.IntN(8) > 0 {
		r.To = randomKey(rng)
	}
	return r
}

func randomModel(rng *rand.Rand, maxEntries int) model {
	m := model{split: splits[rng.IntN(len(splits))]}
	seen := map[string]bool{}
	for range rng.IntN(maxEntries + 1) {
		e := run.Entry{Key: randomKey(rng), Kind: run.Kind(1 + rng.IntN(4))}
		if e.Kind == run.DeletePrefix {
			e.Key = e.Key[:m.split.Func(e.Key)]
		}
		name := string(e.Key)
		if e.Kind == run.DeletePrefix {
			name += " tombstone"
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		if e.Kind.HasValue() {
			e.Value.Bytes = randomValue(rng)
		}
		m.entries = append(m.entries, e)
	}
	m.sort()
	if rng.IntN(2) == 0 {
		for range rng.IntN(4) {
			m.ranges.Add(randomRange(rng))
		}
	}
	return m
}

func (m *model) sort() {
	slices.SortFunc(m.entries, func(a, b run.Entry) int {
		if c := bytes.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		if a.Kind == run.DeletePrefix {
			return -1
		}
		return 1
	})
}

// clip returns the part of the model that a table with ReaderOptions.Clip = r has.
func (m model) clip(r run.Range) model {
	m.entries = slices.DeleteFunc(slices.Clone(m.entries), func(e run.Entry) bool { return !r.Contains(e.Key) })
	m.ranges = m.ranges.Clip(r)
	return m
}

// get defines the result of Table.Get: the entry of the key, and whether the table decides the lookup,
// so that older tables need not be read.
func (m *model) get(key []byte) (kind run.Kind, value []byte, last bool) {
	prefix := key[:m.split.Func(key)]
	for _, e := range m.entries {
		switch {
		case e.Kind == run.DeletePrefix:
			last = last || bytes.Equal(e.Key, prefix)
		case bytes.Equal(e.Key, key):
			kind, value = e.Kind, e.Value.Bytes
			last = last || kind != run.Append
		}
	}
	return kind, value, last || m.ranges.Covers(key)
}

func (m *model) seek(key []byte) int {
	return sort.Search(len(m.entries), func(i int) bool { return bytes.Compare(m.entries[i].Key, key) >= 0 })
}

// bytesLarge is a run.Large in memory.
type bytesLarge []byte

func (l bytesLarge) Size() int64       { return int64(len(l)) }
func (l bytesLarge) Reader() io.Reader { return bytes.NewReader(l) }

// write writes the model to a file, with some values as streams.
func (m *model) write(t testing.TB, f vfs.File, o WriterOptions) Info {
	t.Helper()
	o.Split = m.split
	w := NewWriter(f, o)
	for i, e := range m.entries {
		if i%3 == 0 && e.Kind.HasValue() {
			e.Value = run.Value{Large: bytesLarge(e.Value.Bytes)}
		}
		require.NoError(t, w.Add(&e))
	}
	for _, r := range m.ranges {
		require.NoError(t, w.AddRange(r))
	}
	info, err := w.Finish()
	require.NoError(t, err)
	return info
}

// requireEntry compares two entries, and reads values that are streams.
func requireEntry(t testing.TB, want *run.Entry, got *run.Entry) {
	t.Helper()
	require.Equal(t, want.Kind, got.Kind)
	require.True(t, bytes.Equal(want.Key, got.Key))
	value, err := got.Value.AppendTo(nil)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want.Value.Bytes, value))
}

func randomOptions(rng *rand.Rand) WriterOptions {
	return WriterOptions{
		Compression: Compression(rng.IntN(3)),
		BlockBytes:  []int{0, 1, 60, 200, 1000, 16 << 10, 300 << 10}[rng.IntN(7)],
		FilterBits:  []int{0, -1, 1, 4, 20}[rng.IntN(5)],
		LargeBytes:  []int64{0, 1, 10, 100, 5000}[rng.IntN(5)],
	}
}

func newFile(t testing.TB) (fs *vfstest.Mem, f vfs.File) {
	t.Helper()
	fs = vfstest.NewMem(vfstest.MemOptions{})
	f, err := fs.Create("table")
	require.NoError(t, err)
	return fs, f
}

func newCacheLock() *CacheLock { return &CacheLock{Mutex: new(sync.Mutex)} }

// A table returns the content of its model, for random models with all kinds of entries, sizes, split
// functions, options and clips.
func TestTableEqualsItsModel(t *testing.T) {
	budget := slab.NewBudget(0)
	cache := NewCache(budget, 1024)
	defer cache.Close()
	for seed := range density.Of(t, uint64(120), 600, 100_000) {
		rng := rand.New(rand.NewPCG(seed, 0))
		m := randomModel(rng, []int{3, 30, 300}[rng.IntN(3)])
		_, f := newFile(t)
		info := m.write(t, f, randomOptions(rng))
		o := ReaderOptions{Budget: budget, Split: m.split, Identity: info.Identity, Size: info.Size, Lock: newCacheLock()}
		if rng.IntN(3) > 0 {
			o.Cache = cache
		}
		if rng.IntN(3) == 0 {
			if o.Clip = randomRange(rng); !o.Clip.Empty() {
				m = m.clip(o.Clip)
			} else {
				o.Clip = run.Range{}
			}
		}
		table, err := Open(f, o)
		require.NoError(t, err, seed)
		if len(o.Clip.From) == 0 && o.Clip.To == nil {
			require.Equal(t, info, table.Info())
		}
		requireModel(t, rng, &m, table, o.Clip)
		require.NoError(t, table.Verify(t.Context(), nil))
		require.NoError(t, table.Close())
	}
	cache.Close()
	require.Zero(t, budget.Used())
}

func requireModel(t testing.TB, rng *rand.Rand, m *model, table *Table, clip run.Range) {
	t.Helper()
	require.Equal(t, len(m.ranges), len(table.Ranges()))
	for range 100 {
		key := randomKey(rng)
		if len(m.entries) > 0 && rng.IntN(2) == 0 {
			key = m.entries[rng.IntN(len(m.entries))].Key
		}
		if !clip.Contains(key) {
			continue
		}
		requireGet(t, m, table, key)
	}
	for _, o := range []IteratorOptions{{}, {Cached: true}, {Readahead: 1 << 20}, {Readahead: 500}} {
		requireIteration(t, rng, m, table, o)
	}
}

func requireGet(t testing.TB, m *model, table *Table, key []byte) {
	t.Helper()
	var p run.LookupKey
	var f run.Lookup
	m.split.Prepare(&p, key)
	last, err := table.Get(&p, &f)
	require.NoError(t, err)
	kind, want, wantLast := m.get(key)
	require.Equal(t, wantLast, last, "%q %v %v %#v split %s cache %v, filter %d %d", key, kind, table.ranges, table.clip, m.split.Name, table.cache != nil, table.filter.probes, len(m.entries))
	require.Equal(t, kind.HasValue(), f.Exists())
	value, err := f.AppendTo(nil)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, value))
	hides := false
	within := false
	for _, e := range m.entries {
		is := e.Kind == run.DeletePrefix && bytes.Equal(e.Key, p.Prefix())
		hides = hides || is
		within = within || is || bytes.Equal(p.Prefix(), e.Key[:m.split.Func(e.Key)])
	}
	for _, r := range m.ranges {
		all := run.PrefixRange(p.Prefix())
		inside := r.Intersect(all)
		hides = hides || bytes.Equal(inside.From, all.From) && bytes.Equal(inside.To, all.To) && (inside.To == nil) == (all.To == nil)
	}
	got, err := table.Hides(&p)
	require.NoError(t, err)
	require.Equal(t, hides, got, "%q %q %v", p.Prefix(), m.ranges, m.split.Name)
	require.True(t, !within || table.MayHold(&p))
	require.False(t, table.Skips(&p) && (f.Exists() || last || kind == run.Delete), "Skips(%q)", key)
	require.False(t, table.Lacks(&p) && f.Exists(), "Lacks(%q)", key)
	prefix := p.Prefix()
	m.split.Prepare(&p, prefix)
	require.False(t, table.Lacks(&p) && slices.ContainsFunc(m.entries, func(e run.Entry) bool {
		return e.Kind.HasValue() && bytes.Equal(e.Key[:m.split.Func(e.Key)], prefix)
	}), "Lacks(%q)", prefix)
}

func requireIteration(t testing.TB, rng *rand.Rand, m *model, table *Table, o IteratorOptions) {
	t.Helper()
	it := table.Iterator(o)
	for i := range m.entries {
		require.True(t, it.Next(), "%d of %d: %v", i, len(m.entries), it.Err())
		requireEntry(t, &m.entries[i], it.Entry())
	}
	require.False(t, it.Next())
	require.False(t, it.Next())
	for range 20 {
		key := randomKey(rng)
		i := m.seek(key)
		ok := it.Seek(key)
		for range rng.IntN(5) {
			require.Equal(t, i < len(m.entries), ok)
			if !ok {
				break
			}
			requireEntry(t, &m.entries[i], it.Entry())
			i++
			ok = it.Next()
		}
		require.NoError(t, it.Err())
	}
	requireBackwardIteration(t, rng, m, it)
	require.NoError(t, it.Close())
}

func requireBackwardIteration(t testing.TB, rng *rand.Rand, m *model, it *Iterator) {
	t.Helper()
	for n := range 20 {
		below, ok := len(m.entries), false
		if n == 0 {
			ok = it.SeekBelow(nil)
		} else {
			key := randomKey(rng)
			if len(m.entries) > 0 && rng.IntN(2) == 0 {
				key = append([]byte{}, m.entries[rng.IntN(len(m.entries))].Key...)
			}
			below, ok = m.seek(key), it.SeekBelow(key)
		}
		last := 0
		if n > 0 {
			last = max(0, below-rng.IntN(5))
		}
		for i := below - 1; i >= last; i-- {
			require.True(t, ok, "%d of %d: %v", i, len(m.entries), it.Err())
			requireEntry(t, &m.entries[i], it.Entry())
			ok = it.Prev()
		}
		require.Equal(t, last > 0, ok)
		if ok && rng.IntN(2) == 0 { // turns forward again
			if ok = it.Next(); last < below {
				require.True(t, ok)
				requireEntry(t, &m.entries[last], it.Entry())
			}
		}
		require.NoError(t, it.Err())
	}
}
