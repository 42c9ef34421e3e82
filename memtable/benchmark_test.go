package memtable_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/memtable/btreetable"
	"github.com/weirstate/weir/run"
)

// One operation of a benchmark is one operation of the table, including the construction of the
// key and its hash. Keys have 10 bytes, values 100.
const benchValueBytes = 100

var benchSizes = []int{100_000, 1_000_000}

// keyer makes keys and their lookup keys without allocating.
type keyer struct {
	split     run.Split
	key       []byte
	lookupKey run.LookupKey
}

// wholeKeyer returns a keyer for keys without suffixes: 6 common bytes and a number of 4 bytes.
func wholeKeyer() *keyer {
	return &keyer{split: run.WholeKey, key: append([]byte("\x00\x01stat"), 0, 0, 0, 0)}
}

// prefixKeyer returns a keyer for keys with a prefix of 10 bytes and a suffix of 8.
func prefixKeyer() *keyer {
	split := run.Split{Name: "10", Func: func(key []byte) int { return min(10, len(key)) }}
	return &keyer{split: split, key: append([]byte("\x00\x01stat"), make([]byte, 12)...)}
}

// scramble is a permutation of the 32-bit numbers that spreads them.
func scramble(i uint32) uint32 { return i * 2654435761 }

func (k *keyer) at(i int) *run.LookupKey {
	binary.BigEndian.PutUint32(k.key[6:], scramble(uint32(i)))
	k.split.Prepare(&k.lookupKey, k.key)
	return &k.lookupKey
}

func (k *keyer) suffix(i, j int) *run.LookupKey {
	binary.BigEndian.PutUint32(k.key[6:], scramble(uint32(i)))
	binary.BigEndian.PutUint64(k.key[10:], uint64(j))
	k.split.Prepare(&k.lookupKey, k.key)
	return &k.lookupKey
}

func (k *keyer) prefix(i int) *run.LookupKey {
	binary.BigEndian.PutUint32(k.key[6:], scramble(uint32(i)))
	k.split.Prepare(&k.lookupKey, k.key[:10])
	return &k.lookupKey
}

// tables are the implementations to measure.
var tables = []struct {
	name string
	open func(memtable.Options) memtable.Table
}{{"hash", memtable.NewHash}, {"btree", btreetable.New}}

// filled returns a table with n keys, which is closed when the benchmark ends.
func filled(b *testing.B, open func(memtable.Options) memtable.Table, n int) memtable.Table {
	table := fill(open, n)
	b.Cleanup(table.Close)
	b.ResetTimer()
	return table
}

func fill(open func(memtable.Options) memtable.Table, n int) memtable.Table {
	table := open(memtable.Options{Budget: benchBudget})
	k, value := wholeKeyer(), make([]byte, benchValueBytes)
	for i := range n {
		table.Set(k.at(i), value)
	}
	return table
}

var benchBudget = slab.NewBudget(1 << 30)

// perTable runs a benchmark for every table and size.
func perTable(b *testing.B, do func(b *testing.B, open func(memtable.Options) memtable.Table, n int)) {
	for _, t := range tables {
		for _, n := range benchSizes {
			b.Run(fmt.Sprintf("%s/keys=%d", t.name, n), func(b *testing.B) { do(b, t.open, n) })
		}
	}
}

func BenchmarkGet(b *testing.B) {
	perTable(b, func(b *testing.B, open func(memtable.Options) memtable.Table, n int) {
		table, k, rng := filled(b, open, n), wholeKeyer(), rand.New(rand.NewPCG(1, 1))
		var f run.Lookup
		for range b.N {
			f.Reset()
			table.Get(k.at(rng.IntN(n)), &f)
			if f.Size() != benchValueBytes {
				b.Fatal(f.Size())
			}
		}
	})
}

func BenchmarkGetMissing(b *testing.B) {
	perTable(b, func(b *testing.B, open func(memtable.Options) memtable.Table, n int) {
		table, k, rng := filled(b, open, n), wholeKeyer(), rand.New(rand.NewPCG(1, 1))
		var f run.Lookup
		for range b.N {
			f.Reset()
			if table.Get(k.at(n+rng.IntN(n)), &f) {
				b.Fatal()
			}
		}
	})
}

func BenchmarkSet(b *testing.B) {
	perTable(b, func(b *testing.B, open func(memtable.Options) memtable.Table, n int) {
		table, k, rng := filled(b, open, n), wholeKeyer(), rand.New(rand.NewPCG(1, 1))
		value := make([]byte, benchValueBytes)
		for range b.N {
			table.Set(k.at(rng.IntN(n)), value)
		}
	})
}

// BenchmarkFill sets new keys. After n keys, it starts with an empty table again.
func BenchmarkFill(b *testing.B) {
	perTable(b, func(b *testing.B, open func(memtable.Options) memtable.Table, n int) {
		k, value := wholeKeyer(), make([]byte, benchValueBytes)
		table := open(memtable.Options{Budget: benchBudget})
		for i := range b.N {
			if i%n == 0 {
				table.Close()
				table = open(memtable.Options{Budget: benchBudget})
			}
			table.Set(k.at(i%n), value)
		}
		table.Close()
	})
}

// BenchmarkReadModifyWrite reads a key and writes it. With the Zipf distribution, a hundred keys
// have more than half of the operations.
func BenchmarkReadModifyWrite(b *testing.B) {
	perTable(b, func(b *testing.B, open func(memtable.Options) memtable.Table, n int) {
		for _, kind := range []string{"uniform", "zipf"} {
			b.Run(kind, func(b *testing.B) {
				table, k, rng := filled(b, open, n), wholeKeyer(), rand.New(rand.NewPCG(1, 1))
				zipf := rand.NewZipf(rng, 1.1, 1, uint64(n-1))
				value := make([]byte, 0, benchValueBytes)
				var f run.Lookup
				for range b.N {
					i := rng.IntN(n)
					if kind == "zipf" {
						i = int(zipf.Uint64())
					}
					p := k.at(i)
					f.Reset()
					table.Get(p, &f)
					value, _ = f.AppendTo(value[:0])
					value[0]++
					table.Set(p, value)
				}
			})
		}
	})
}

// BenchmarkAppend appends 20 bytes to lists that grow from 0 to 4 KiB.
func BenchmarkAppend(b *testing.B) {
	for _, t := range tables {
		b.Run(t.name, func(b *testing.B) {
			const lists, times = 10_000, 200
			k, value, rng := wholeKeyer(), make([]byte, 20), rand.New(rand.NewPCG(1, 1))
			table := t.open(memtable.Options{Budget: benchBudget})
			for i := range b.N {
				if i%(lists*times) == 0 {
					table.Close()
					table = t.open(memtable.Options{Budget: benchBudget})
				}
				table.Append(k.at(rng.IntN(lists)), value)
			}
			table.Close()
		})
	}
}

var benchShapes = []struct{ prefixes, suffixes int }{{200_000, 1}, {20_000, 100}, {2, 1_000_000}}

// BenchmarkPrefixPut sets random keys of some prefixes. At the end, half of the operations add a
// new key.
func BenchmarkPrefixPut(b *testing.B) {
	for _, t := range tables {
		for _, s := range benchShapes {
			b.Run(fmt.Sprintf("%s/prefixes=%d/suffixes=%d", t.name, s.prefixes, s.suffixes), func(b *testing.B) {
				k, value, rng := prefixKeyer(), make([]byte, benchValueBytes), rand.New(rand.NewPCG(1, 1))
				table := t.open(memtable.Options{Budget: benchBudget})
				for i := range b.N {
					if i%(s.prefixes*s.suffixes) == 0 {
						table.Close()
						table = t.open(memtable.Options{Budget: benchBudget})
					}
					table.Set(k.suffix(rng.IntN(s.prefixes), rng.IntN(s.suffixes)), value)
				}
				table.Close()
			})
		}
	}
}

// BenchmarkLive scans random prefixes. One operation is one entry.
func BenchmarkLive(b *testing.B) {
	for _, t := range tables {
		for _, s := range benchShapes {
			b.Run(fmt.Sprintf("%s/prefixes=%d/suffixes=%d", t.name, s.prefixes, s.suffixes), func(b *testing.B) {
				k, value, rng := prefixKeyer(), make([]byte, benchValueBytes), rand.New(rand.NewPCG(1, 1))
				table := t.open(memtable.Options{Budget: benchBudget})
				for range s.prefixes * s.suffixes {
					table.Set(k.suffix(rng.IntN(s.prefixes), rng.IntN(s.suffixes)), value)
				}
				b.ReportAllocs()
				b.ResetTimer()
				var it run.Iterator
				for i := 0; i < b.N; i++ {
					it = table.Live(k.prefix(rng.IntN(s.prefixes)), it)
					for it.Next() && i < b.N {
						i++
					}
				}
				b.StopTimer()
				table.Close()
			})
		}
	}
}

// BenchmarkSort seals a table and opens its first iterator. One operation is one key.
func BenchmarkSort(b *testing.B) {
	perTable(b, func(b *testing.B, open func(memtable.Options) memtable.Table, n int) {
		b.StopTimer()
		for i := 0; i < b.N; i += n {
			table := fill(open, n)
			table.Seal()
			b.StartTimer()
			table.Iterator()
			b.StopTimer()
			table.Close()
		}
	})
}

// BenchmarkIterate iterates over a sealed table. One operation is one key.
func BenchmarkIterate(b *testing.B) {
	perTable(b, func(b *testing.B, open func(memtable.Options) memtable.Table, n int) {
		table := filled(b, open, n)
		table.Seal()
		it := table.Iterator()
		b.ReportAllocs()
		b.ResetTimer()
		sum := 0
		for range b.N {
			if !it.Next() {
				it.Seek(nil)
			}
			e := it.Entry()
			sum += len(e.Key) + int(e.Value.Bytes[0])
		}
	})
}

// BenchmarkGoMap measures a map[string][]byte for comparison.
func BenchmarkGoMap(b *testing.B) {
	for _, n := range benchSizes {
		m := map[string][]byte{}
		k, value := wholeKeyer(), make([]byte, benchValueBytes)
		for i := range n {
			k.at(i)
			m[string(k.key)] = append([]byte(nil), value...)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		b.Run(fmt.Sprintf("Get/keys=%d", n), func(b *testing.B) {
			for range b.N {
				k.at(rng.IntN(n))
				if v := m[string(k.key)]; len(v) != benchValueBytes || v[0] != 0 {
					b.Fatal()
				}
			}
		})
		b.Run(fmt.Sprintf("Set/keys=%d", n), func(b *testing.B) {
			for range b.N {
				k.at(rng.IntN(n))
				copy(m[string(k.key)], value)
			}
		})
	}
}
