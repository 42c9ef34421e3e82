package lsm

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The benchmarks are those of bench/peers, with fewer keys, for profiling: keys of 10 bytes that start
// with a key group of 2 bytes, and values of 100 bytes with 50 random bytes.

const benchKeys = 1_000_000

func benchKey(dst []byte, i uint64) []byte {
	h := i * 0x9e3779b97f4a7c15
	dst = append(dst[:0], 0, byte(h>>57))
	return binary.BigEndian.AppendUint64(dst, h)
}

func benchValues() [][]byte {
	rng := rand.New(rand.NewPCG(7, 7))
	values := make([][]byte, 1024)
	for i := range values {
		values[i] = make([]byte, 100)
		for j := range 50 {
			values[i][j] = byte(rng.Uint32())
		}
	}
	return values
}

func openBench(b *testing.B) *DB {
	db, err := Open(context.Background(), b.TempDir(), Options{BudgetBytes: 512 << 20, PartitionBytes: 2})
	require.NoError(b, err)
	return db
}

func BenchmarkLoad(b *testing.B) {
	values := benchValues()
	var key []byte
	db := openBench(b)
	order := rand.New(rand.NewPCG(1, 2)).Perm(benchKeys)
	i := 0
	for b.Loop() {
		key = benchKey(key, uint64(order[i%benchKeys]))
		if err := db.Put(key, values[i&1023]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.StopTimer()
	require.NoError(b, db.Close())
}

// loadedStore returns a store with all keys in tables.
func loadedStore(b *testing.B, compact bool) *DB {
	values := benchValues()
	db := openBench(b)
	var key []byte
	for i, n := range rand.New(rand.NewPCG(1, 2)).Perm(benchKeys) {
		key = benchKey(key, uint64(n))
		if err := db.Put(key, values[i&1023]); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, db.Flush(context.Background()))
	if compact {
		require.NoError(b, db.Compact(context.Background()))
	}
	return db
}

func BenchmarkGet(b *testing.B) {
	for _, row := range []string{"hit", "absent"} {
		b.Run(row, func(b *testing.B) {
			db := loadedStore(b, true)
			rng := rand.New(rand.NewPCG(3, 3))
			var key, value []byte
			for range 200_000 { // fill the cache
				key = benchKey(key, rng.Uint64N(benchKeys))
				db.Get(key, value[:0])
			}
			from := uint64(0)
			if row == "absent" {
				from = benchKeys
			}
			for b.Loop() {
				key = benchKey(key, from+rng.Uint64N(benchKeys))
				var ok bool
				var err error
				if value, ok, err = db.Get(key, value[:0]); err != nil || ok != (from == 0) {
					b.Fatal(ok, err)
				}
			}
			b.StopTimer()
			require.NoError(b, db.Close())
		})
	}
}

func BenchmarkReadModifyWrite(b *testing.B) {
	for _, row := range []string{"uniform", "zipf"} {
		b.Run(row, func(b *testing.B) {
			db := loadedStore(b, true)
			rng := rand.New(rand.NewPCG(4, 4))
			zipf := rand.NewZipf(rng, 1.01, 1, benchKeys-1)
			var key, value []byte
			for b.Loop() {
				n := rng.Uint64N(benchKeys)
				if row == "zipf" {
					n = zipf.Uint64()
				}
				key = benchKey(key, n)
				peeked, _, err := db.Peek(key)
				if err != nil {
					b.Fatal(err)
				}
				value = append(value[:0], peeked...)
				value[0]++
				if err := db.Put(key, value); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			require.NoError(b, db.Close())
		})
	}
}

// BenchmarkSeals measures random updates without views and with a new view every 100 ms. The metric
// files is the highest number of tables. Run it for a minute: -benchtime 60s.
func BenchmarkSeals(b *testing.B) {
	for _, every := range []time.Duration{0, 100 * time.Millisecond} {
		b.Run(every.String(), func(b *testing.B) {
			db := loadedStore(b, false)
			rng := rand.New(rand.NewPCG(6, 6))
			var key, value []byte
			var view *View
			files, last, n := 0, time.Now(), 0
			for b.Loop() {
				key = benchKey(key, rng.Uint64N(benchKeys))
				peeked, _, err := db.Peek(key)
				if err != nil {
					b.Fatal(err)
				}
				value = append(value[:0], peeked...)
				value[0]++
				if err := db.Put(key, value); err != nil {
					b.Fatal(err)
				}
				if n++; n%256 > 0 || every == 0 || time.Since(last) < every {
					continue
				}
				last = time.Now()
				if view != nil {
					require.NoError(b, view.Close())
				}
				view, err = db.View()
				require.NoError(b, err)
				files = max(files, tableCount(db))
			}
			b.ReportMetric(float64(files), "files")
			if view != nil {
				require.NoError(b, view.Close())
			}
			require.NoError(b, db.Close())
		})
	}
}

// tableCount returns the number of sealed memtables and tables.
func tableCount(db *DB) int {
	m := db.Metrics()
	n := m.Sealed
	for _, l := range m.Levels {
		n += l.Files
	}
	return n
}

func BenchmarkScan(b *testing.B) {
	for _, row := range []string{"runs", "cached"} {
		b.Run(row, func(b *testing.B) {
			db := loadedStore(b, row == "cached")
			defer db.Close()
			if row == "cached" {
				var key []byte
				for i := range uint64(benchKeys) {
					key = benchKey(key, i)
					if _, _, err := db.Peek(key); err != nil {
						b.Fatal(err)
					}
				}
			}
			n := 0
			for b.Loop() {
				it, err := db.Iterator(nil, nil)
				require.NoError(b, err)
				for it.Next() {
					if _, err := it.Value(); err != nil {
						b.Fatal(err)
					}
					n++
				}
				require.NoError(b, it.Close())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/entry")
		})
	}
}

func BenchmarkPrefix(b *testing.B) {
	split := Split{Name: "ten", Func: func(key []byte) int { return min(10, len(key)) }}
	db, err := Open(context.Background(), b.TempDir(), Options{BudgetBytes: 512 << 20, PartitionBytes: 2, Split: split})
	require.NoError(b, err)
	defer db.Close()
	const prefixes, suffixes = 20_000, 50
	var key []byte
	value := benchValues()[0]
	for i, n := range rand.New(rand.NewPCG(1, 2)).Perm(prefixes * suffixes) {
		key = benchKey(key, uint64(n%prefixes))
		key = binary.BigEndian.AppendUint32(key, uint32(n/prefixes))
		if err := db.Put(key, value); err != nil {
			b.Fatal(err, i)
		}
	}
	require.NoError(b, db.Flush(context.Background()))
	rng := rand.New(rand.NewPCG(5, 5))
	n := 0
	for b.Loop() {
		key = benchKey(key, rng.Uint64N(prefixes))
		it, err := db.Prefix(key)
		if err != nil {
			b.Fatal(err)
		}
		for it.Next() {
			n++
		}
		if err := it.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/entry")
	if n%suffixes != 0 {
		b.Fatal(fmt.Sprint(n))
	}
}
