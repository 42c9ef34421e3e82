package lsm

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// missPrefixes is the number of prefixes of each size in a store of layeredStore.
const missPrefixes = 20_000

// rowCounts are the sizes of the prefixes in a store of layeredStore.
var rowCounts = []int{1, 3, 10}

// layeredPrefix returns a prefix of 10 bytes; kind tells prefixes of different sizes apart.
func layeredPrefix(dst []byte, kind, i int) []byte { return benchKey(dst, uint64(kind)<<32|uint64(i)) }

// layeredStore returns a store with tables in levels 0 (three), 1 and 2, whose prefixes have 1, 3 or
// 10 rows. All rows of a prefix are in one table. The active memtable has rows of other prefixes.
func layeredStore(b *testing.B) *DB {
	split := Split{Name: "ten", Func: func(key []byte) int { return min(10, len(key)) }}
	db, err := Open(context.Background(), b.TempDir(), Options{BudgetBytes: 512 << 20, PartitionBytes: 2, Split: split, Picker: idle{}})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	value, key := benchValues()[0], []byte(nil)
	for table := range 5 {
		for i := table; i < missPrefixes; i += 5 {
			for kind, rows := range rowCounts {
				for row := range rows {
					key = binary.BigEndian.AppendUint32(layeredPrefix(key, kind, i), uint32(row))
					require.NoError(b, db.Put(key, value))
				}
			}
		}
		require.NoError(b, db.Flush(context.Background()))
		if table < 2 {
			compactLevels(b, db, 2-table, 0)
		}
	}
	for i := range 1000 {
		require.NoError(b, db.Put(layeredPrefix(key, len(rowCounts), i), value))
	}
	require.Equal(b, "[3 1 1 0 0 0 0]", fmt.Sprint(tablesOf(db)))
	return db
}

// BenchmarkMisses reads keys and prefixes with nothing below, with tables in several levels.
func BenchmarkMisses(b *testing.B) {
	db := layeredStore(b)
	rng := rand.New(rand.NewPCG(8, 8))
	var key []byte
	for name, read := range map[string]func() error{
		"get":     func() error { _, _, err := db.Get(key, nil); return err },
		"mayHold": func() error { db.MayHold(key); return nil },
		"has":     func() error { _, err := db.Has(key); return err },
		"prefix": func() error {
			it, err := db.Prefix(key)
			if err == nil && it.Next() {
				err = fmt.Errorf("a row of an absent prefix")
			}
			if err != nil {
				return err
			}
			return it.Close()
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				key = layeredPrefix(key, 9, int(rng.Uint32()))
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWalks opens a walk over a prefix of a few rows, takes all steps and closes it.
func BenchmarkWalks(b *testing.B) {
	db := layeredStore(b)
	rng := rand.New(rand.NewPCG(8, 8))
	var key []byte
	for kind, rows := range rowCounts {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			for b.Loop() {
				key = layeredPrefix(key, kind, rng.IntN(missPrefixes))
				it, err := db.Prefix(key)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for it.Next() {
					if _, err := it.Value(); err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != rows || it.Close() != nil {
					b.Fatal(n)
				}
			}
		})
	}
}
