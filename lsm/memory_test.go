package lsm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/vfs/vfstest"
)

// fillMemtable writes bytesCount bytes under ascending keys, beginning with from, in values of 1 KiB.
func fillMemtable(t *testing.T, db *DB, from, bytesCount int) {
	t.Helper()
	value := make([]byte, 1<<10)
	rng := rand.New(rand.NewPCG(uint64(from), 1))
	for i := range bytesCount >> 10 {
		binary.BigEndian.PutUint64(value, rng.Uint64())
		require.NoError(t, db.Put(binary.BigEndian.AppendUint64(nil, uint64(from+i)), value))
	}
}

// An open iterator must not pin memtables. Each iterator used to keep the memtables of the moment
// at which it was opened: 40 iterators held 174 MiB under a budget of 16 MiB.
func TestOpenIteratorsPinNoMemtables(t *testing.T) {
	const limit, most = 16 << 20, 16<<20 + 1<<20
	for _, step := range []bool{false, true} {
		t.Run(fmt.Sprint("step=", step), func(t *testing.T) {
			db, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{}), BudgetBytes: limit})
			require.NoError(t, err)
			var open []*Iterator
			var views []*View
			for i := range density.Of(t, 12, 40, 40) {
				fillMemtable(t, db, i<<16, 1<<20)
				it, err := db.Iterator(nil, nil)
				require.NoError(t, err)
				v, err := db.View()
				require.NoError(t, err)
				viewIterator, err := v.Iterator(nil, nil)
				require.NoError(t, err)
				live, err := db.Prefix(binary.BigEndian.AppendUint64(nil, uint64(i<<16)))
				require.NoError(t, err)
				open, views = append(open, it, viewIterator, live), append(views, v)
				if step {
					for _, it := range []*Iterator{it, viewIterator, live} {
						require.True(t, it.Next())
					}
				}
				fillMemtable(t, db, i<<16+1<<12, 1<<20)
				require.NoError(t, db.Flush(context.Background()))
			}
			require.LessOrEqual(t, db.o.Budget.slabs.Peak(), int64(most))
			for _, it := range open {
				require.True(t, it.Next() || it.walk.cursor.on && step, "%v", it.Err())
				require.NoError(t, it.Close())
			}
			for _, v := range views {
				require.NoError(t, v.Close())
			}
			require.NoError(t, db.Close())
		})
	}
}

// When a flush replaces a memtable, an open iterator continues in the new file, also in the middle
// of a value. The key and value that it returned last stay valid until its next step.
func TestIteratorsContinueInFlushedTables(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for round := range density.Of(t, 60, 300, 3000) {
		db, err := Open(context.Background(), "db", Options{
			FS: vfstest.NewMem(vfstest.MemOptions{}), BudgetBytes: 4 << 20, Split: colon,
			NewMemtable: nil, Picker: idle{},
		})
		require.NoError(t, err)
		db.flushes.runAge = 1 << 40
		want := randomRuns(t, rng, db)
		var it *Iterator
		if round%2 == 0 {
			it, err = db.Iterator(nil, nil)
		} else {
			v, viewErr := db.View()
			require.NoError(t, viewErr)
			it, err = v.Iterator(nil, nil)
			require.NoError(t, v.Close())
		}
		require.NoError(t, err)
		flushAt := rng.IntN(len(want) + 1)
		var key, value, valueCopy []byte
		var reader io.Reader
		for i, e := range want {
			if i == flushAt {
				require.NoError(t, db.Put([]byte("k:later"), []byte("unseen")))
				require.NoError(t, db.Flush(context.Background()))
				for _, r := range db.versions.Current().Memory {
					require.Nil(t, r, "an unflushed memtable remains")
				}
				if value != nil {
					require.Equal(t, want[i-1].key, string(key))
					require.True(t, bytes.Equal(valueCopy, value))
					again, err := it.Value()
					require.NoError(t, err)
					require.True(t, bytes.Equal(valueCopy, again))
					rest, err := io.ReadAll(reader)
					require.NoError(t, err)
					require.True(t, bytes.Equal(valueCopy[min(len(valueCopy), 3):], rest))
				}
			}
			require.True(t, it.Next(), "%v", it.Err())
			key = it.Key()
			require.Equal(t, e.key, string(key))
			value, err = it.Value()
			require.NoError(t, err)
			require.True(t, e.value == string(value), "%q has %d bytes, not %d", e.key, len(value), len(e.value))
			valueCopy = bytes.Clone(value)
			reader = it.ValueReader()
			_, err = io.ReadFull(reader, make([]byte, min(len(value), 3)))
			require.NoError(t, err)
		}
		if flushAt == len(want) {
			require.NoError(t, db.Flush(context.Background()))
		}
		require.False(t, it.Next())
		require.NoError(t, it.Err())
		require.NoError(t, it.Close())
		require.NoError(t, db.Close())
	}
}

type keyValue struct{ key, value string }

// randomRuns writes up to four runs of random operations on a few keys, with values of 0 bytes to
// 70 KiB, and returns the resulting content.
func randomRuns(t *testing.T, rng *rand.Rand, db *DB) (all []keyValue) {
	t.Helper()
	keys := 1 + rng.IntN(200)
	model := map[string]string{}
	for range 1 + rng.IntN(4) {
		for range rng.IntN(200) {
			key := fmt.Sprintf("%c:%03d", 'a'+rng.IntN(3), rng.IntN(keys))
			value := make([]byte, []int{0, 1, 10, 500, 70 << 10}[rng.IntN(100)/24])
			for i := range value {
				value[i] = byte(rng.Uint32())
			}
			switch rng.IntN(8) {
			case 0:
				require.NoError(t, db.Delete([]byte(key)))
				delete(model, key)
			case 1:
				require.NoError(t, db.DeletePrefix([]byte(key[:2])))
				for other := range model {
					if other[:2] == key[:2] {
						delete(model, other)
					}
				}
			case 2, 3, 4:
				require.NoError(t, db.Append([]byte(key), value))
				model[key] += string(value)
			default:
				require.NoError(t, db.Put([]byte(key), value))
				model[key] = string(value)
			}
		}
		require.NoError(t, db.Seal())
	}
	return sortedModel(model)
}

func sortedModel(model map[string]string) (all []keyValue) {
	for _, key := range slices.Sorted(maps.Keys(model)) {
		all = append(all, keyValue{key, model[key]})
	}
	return all
}

// Stores of one budget share it by need. Each store used to take a slab of 1 MiB with its first
// write: 100 stores took 100 MiB under a budget of 8 MiB.
func TestManyStoresStayWithinOneBudget(t *testing.T) {
	const limit = 8 << 20
	for _, stores := range []int{1, 10, 100} {
		for _, bytesEach := range []int{1 << 10, 20 << 20 / stores} {
			t.Run(fmt.Sprintf("stores=%d/bytes=%d", stores, bytesEach), func(t *testing.T) {
				budget := NewBudget(limit)
				var open []*DB
				for range stores {
					db, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{}), Budget: budget})
					require.NoError(t, err)
					open = append(open, db)
				}
				for from := 0; from < bytesEach; from += 16 << 10 { // interleaves the writes of all stores
					for _, db := range open {
						fillMemtable(t, db, from>>10, min(bytesEach, 16<<10))
					}
				}
				most := int64(limit) + int64(stores)*leastSharedBytes
				require.LessOrEqual(t, budget.slabs.Peak(), most)
				if bytesEach <= slab.FirstBytes/2 {
					require.LessOrEqual(t, budget.slabs.Peak(), int64(stores)*slab.FirstBytes)
				}
				for _, db := range open {
					it, err := db.Iterator(nil, nil)
					require.NoError(t, err)
					n := 0
					for it.Next() {
						n++
					}
					require.NoError(t, it.Err())
					require.NoError(t, it.Close())
					require.Equal(t, wantEntries(bytesEach), n)
				}
				require.LessOrEqual(t, budget.slabs.Peak(), most)
				for _, db := range open {
					require.NoError(t, db.Close())
				}
				require.Zero(t, budget.activeBytes.Load())
				require.Zero(t, budget.sealedBytes.Load())
				require.NoError(t, budget.Close())
			})
		}
	}
}

// wantEntries returns the number of entries of 1 KiB that a store of bytesEach bytes has. Above
// 16 KiB, fillMemtable writes 16 entries at a time.
func wantEntries(bytesEach int) int {
	if bytesEach < 16<<10 {
		return bytesEach >> 10
	}
	return (bytesEach + 16<<10 - 1) >> 14 << 4
}

// Stores that share a budget seal each other's memtables; concurrent writes lose no entry.
func TestConcurrentStoresOfOneBudgetLoseNoWrites(t *testing.T) {
	budget := NewBudget(4 << 20)
	var group sync.WaitGroup
	var open []*DB
	for i := range 16 {
		o := &Options{FS: vfstest.NewMem(vfstest.MemOptions{}), Budget: budget}
		if i%2 == 1 {
			o.Log = LogBuffered
		}
		db, err := Open(context.Background(), "db", *o)
		require.NoError(t, err)
		open = append(open, db)
	}
	errs := make([]error, len(open))
	for i, db := range open {
		group.Go(func() {
			value := make([]byte, 100)
			for n := range 6000 {
				key := binary.BigEndian.AppendUint64(nil, uint64(n*7%6000))
				if err := db.Put(key, value); err != nil {
					errs[i] = err
					return
				}
				if got, found, err := db.Get(key, nil); err != nil || !found || len(got) != 100 {
					errs[i] = fmt.Errorf("found %v, %d bytes: %w", found, len(got), err)
					return
				}
			}
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
	for _, db := range open {
		it, err := db.Iterator(nil, nil)
		require.NoError(t, err)
		n := 0
		for it.Next() {
			n++
		}
		require.NoError(t, it.Close())
		require.Equal(t, 6000, n)
		require.NoError(t, db.Close())
	}
	require.LessOrEqual(t, budget.slabs.Peak(), budget.Limit()+16*leastSharedBytes)
	require.NoError(t, budget.Close())
}

// A memtable must not count unused bytes of its first slab. A memtable that had to wait for its first
// slab used to count the whole slab, 1 MiB. If MemtableBytes was 1 MiB, one entry filled it: under a
// budget of 8 MiB, 20 MiB of writes made 85 runs.
func TestMemtablesAreSealedWhenTheyAreFull(t *testing.T) {
	for _, limit := range []int64{6 << 20, 8 << 20} {
		db, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{}), BudgetBytes: limit})
		require.NoError(t, err)
		const writtenBytes = 20 << 20
		for i := range writtenBytes / 100 {
			key := binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15)
			require.NoError(t, db.Put(key, make([]byte, 92)))
		}
		most := 2 * writtenBytes / db.o.MemtableBytes // a memtable entry has overhead, hence the factor 2
		require.Less(t, int64(db.activeRun), most)
		require.NoError(t, db.Close())
	}
}
