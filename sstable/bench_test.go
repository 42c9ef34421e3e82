package sstable

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
)

const benchKeys = 1_000_000

// benchKey returns a key of 10 bytes: a group, and a number with gaps between keys.
func benchKey(key []byte, i int) []byte {
	key = binary.BigEndian.AppendUint16(key, uint16(i>>14))
	return binary.BigEndian.AppendUint64(key, uint64(i)*0x9E3779B97F)
}

// benchValue fills a value of 100 bytes; half of them repeat.
func benchValue(rng *rand.Rand, value []byte) {
	for i := 0; i < 50; i += 8 {
		binary.LittleEndian.PutUint64(value[i:], rng.Uint64())
	}
}

func benchOptions(c Compression) WriterOptions { return WriterOptions{Compression: c} }

func writeBench(b testing.TB, f vfs.File, keys int, o WriterOptions) {
	w := NewWriter(f, o)
	rng := rand.New(rand.NewPCG(1, 1))
	value := make([]byte, 100)
	var key []byte
	for i := range keys {
		key = benchKey(key[:0], i)
		benchValue(rng, value)
		require.NoError(b, w.Add(&run.Entry{Key: key, Kind: run.Set, Value: run.Value{Bytes: value}}))
	}
	_, err := w.Finish()
	require.NoError(b, err)
}

// benchTable opens a table on disk, which is in the system's page cache.
func benchTable(b *testing.B, c Compression, cacheBytes int64) *Table {
	name := filepath.Join(b.TempDir(), "table")
	var real vfs.Real
	f, err := real.Create(name)
	require.NoError(b, err)
	writeBench(b, f, benchKeys, benchOptions(c))
	o := ReaderOptions{Lock: newCacheLock(), Budget: slab.NewBudget(256 << 20)}
	if cacheBytes > 0 {
		o.Cache = NewCache(slab.NewBudget(cacheBytes), 0)
		b.Cleanup(o.Cache.Close)
	}
	table, err := Open(f, o)
	require.NoError(b, err)
	b.Cleanup(func() {
		require.NoError(b, table.Close())
		_ = os.Remove(name)
	})
	b.ReportMetric(float64(table.Info().Size)/benchKeys, "file-B/key")
	return table
}

// benchGets reads keys in random order; absent = 1 reads absent keys.
func benchGets(b *testing.B, table *Table, absent int) {
	split := run.WholeKey
	var p run.LookupKey
	var f run.Lookup
	rng := rand.New(rand.NewPCG(2, 2))
	var key []byte
	get := func(i int) bool {
		key = benchKey(key[:0], i)
		key[9] += byte(absent)
		split.Prepare(&p, key)
		f.Reset()
		_, err := table.Get(&p, &f)
		if err != nil {
			b.Fatal(err)
		}
		return f.Exists()
	}
	for i := range benchKeys {
		get(i)
	}
	found := 0
	for b.Loop() {
		if get(rng.IntN(benchKeys)) {
			found++
		}
	}
	require.Equal(b, absent == 0, found > 0)
}

func BenchmarkGetCached(b *testing.B)     { benchGets(b, benchTable(b, None, 256<<20), 0) }
func BenchmarkGetAbsent(b *testing.B)     { benchGets(b, benchTable(b, None, 256<<20), 1) }
func BenchmarkGetUncached(b *testing.B)   { benchGets(b, benchTable(b, None, 0), 0) }
func BenchmarkGetUncachedS2(b *testing.B) { benchGets(b, benchTable(b, S2, 0), 0) }

// BenchmarkGetEvicting uses a cache of one eighth of the table.
func BenchmarkGetEvicting(b *testing.B) { benchGets(b, benchTable(b, S2, 16<<20), 0) }

func benchNext(b *testing.B, c Compression, cacheBytes int64, o IteratorOptions) {
	table := benchTable(b, c, cacheBytes)
	it := table.Iterator(o)
	for b.Loop() {
		if !it.Next() {
			require.NoError(b, it.Err())
			it.Reset(table, o)
		}
	}
}

func BenchmarkNext(b *testing.B)        { benchNext(b, None, 0, IteratorOptions{}) }
func BenchmarkNextAhead(b *testing.B)   { benchNext(b, None, 0, IteratorOptions{Readahead: 256 << 10}) }
func BenchmarkNextAheadS2(b *testing.B) { benchNext(b, S2, 0, IteratorOptions{Readahead: 256 << 10}) }
func BenchmarkNextCached(b *testing.B)  { benchNext(b, None, 256<<20, IteratorOptions{Cached: true}) }
func BenchmarkSeekCached(b *testing.B) {
	table := benchTable(b, None, 256<<20)
	it := table.Iterator(IteratorOptions{Cached: true})
	rng := rand.New(rand.NewPCG(3, 3))
	var key []byte
	for b.Loop() {
		key = benchKey(key[:0], rng.IntN(benchKeys))
		if !it.Seek(key) {
			b.Fatal(it.Err())
		}
	}
}

// discard is a file that discards everything.
type discard struct{ vfs.File }

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Sync() error                 { return nil }

func benchWriter(b *testing.B, c Compression) {
	rng := rand.New(rand.NewPCG(1, 1))
	value := make([]byte, 100)
	var key []byte
	for b.Loop() {
		b.StopTimer()
		w := NewWriter(discard{}, benchOptions(c))
		b.StartTimer()
		for i := range benchKeys / 10 {
			key = benchKey(key[:0], i)
			if i%8 == 0 {
				benchValue(rng, value)
			}
			e := run.Entry{Key: key, Kind: run.Set, Value: run.Value{Bytes: value}}
			if err := w.Add(&e); err != nil {
				b.Fatal(err)
			}
		}
		_, err := w.Finish()
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(benchKeys/10), "ns/entry")
}

func BenchmarkWriter(b *testing.B)     { benchWriter(b, None) }
func BenchmarkWriterS2(b *testing.B)   { benchWriter(b, S2) }
func BenchmarkWriterZstd(b *testing.B) { benchWriter(b, Zstd) }
