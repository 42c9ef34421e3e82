package memtable

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/run"
)

// An attacker may choose keys whose hashes agree in the bits that choose pages, or in all bits.
func TestKeysAreFoundWhateverTheirHashes(t *testing.T) {
	for name, hash := range map[string]func(i uint64) uint64{
		"all equal":                 func(uint64) uint64 { return 1 << 40 },
		"all zero":                  func(uint64) uint64 { return 0 },
		"differ after the tag":      func(i uint64) uint64 { return 7<<61 | i },
		"differ in the fingerprint": func(i uint64) uint64 { return i << 32 },
		"agree in 20 bits":          func(i uint64) uint64 { return run.Hash(binary.LittleEndian.AppendUint64(nil, i)) >> 20 },
		"two hashes":                func(i uint64) uint64 { return -(i % 2) },
		"hashes of keys":            func(i uint64) uint64 { return run.Hash(binary.LittleEndian.AppendUint64(nil, i)) },
	} {
		t.Run(name, func(t *testing.T) {
			budget := slab.NewBudget(0)
			table := NewHash(Options{Budget: budget}).(*hashTable)
			const n = 2000
			for i := range uint64(2 * n) {
				k := forged(i, hash(i))
				if i < n {
					table.Set(k, k.Key)
				}
			}
			var f run.Lookup
			for i := range uint64(2 * n) {
				f.Reset()
				k := forged(i, hash(i))
				require.Equal(t, i < n, table.Get(k, &f))
				if b, ok := f.Whole(); i < n {
					require.True(t, ok)
					require.Equal(t, k.Key, b)
				}
			}
			require.Equal(t, n, table.Len())
			require.Less(t, len(table.keys.pages), n, "fewer elements than keys")
			table.Seal()
			seen := uint64(0)
			for it := table.Iterator(); it.Next(); seen++ {
				require.Equal(t, seen, binary.BigEndian.Uint64(it.Entry().Key))
			}
			require.Equal(t, uint64(n), seen)
			table.Close()
			require.Zero(t, budget.Used())
		})
	}
}

// forged returns a lookup key of a number with the given hash.
func forged(i, hash uint64) *run.LookupKey {
	key := binary.BigEndian.AppendUint64(nil, i)
	return &run.LookupKey{Key: key, PrefixLen: 8, Hash: hash, PrefixHash: hash}
}

// A page that could not be split, because the array of pages would have become too large, is
// split once there are more pages.
func TestPageWithNextPagesIsSplitLater(t *testing.T) {
	table := NewHash(Options{Budget: slab.NewBudget(0)}).(*hashTable)
	defer table.Close()
	followers := func() (n int) {
		for _, page := range table.keys.pages {
			if table.load(page+pageNext) != 0 {
				n++
			}
		}
		return n
	}
	var hashes []uint64
	for i := range uint64(3000) {
		hashes = append(hashes, i<<44) // the first eight bits are equal
		table.Set(forged(i, i<<44), nil)
	}
	require.NotZero(t, followers())
	for i := range uint64(40_000) {
		hash := run.Hash(binary.LittleEndian.AppendUint64(nil, i))
		table.Set(forged(uint64(len(hashes)), hash), nil)
		hashes = append(hashes, hash)
	}
	require.Zero(t, followers())
	var f run.Lookup
	for i, hash := range hashes {
		require.True(t, table.Get(forged(uint64(i), hash), &f), "%d", i)
	}
	require.Equal(t, len(hashes), table.Len())
}

func TestSuffixesAreInOrderForAnyOrderOfInserts(t *testing.T) {
	const n = 150_000
	rng := rand.New(rand.NewPCG(1, 1))
	for name, order := range map[string]func(i int) int{
		"ascending":  func(i int) int { return i },
		"descending": func(i int) int { return n - 1 - i },
		"inside out": func(i int) int { return n/2 + (i+1)/2*(1-2*(i%2)) },
		"at random":  func(i int) int { return int(int64(i) * 60_013 % n) },
	} {
		t.Run(name, func(t *testing.T) {
			table := NewHash(Options{Budget: slab.NewBudget(0)})
			defer table.Close()
			split := run.Split{Func: func(key []byte) int { return min(1, len(key)) }}
			var p run.LookupKey
			for i := range n {
				split.Prepare(&p, binary.BigEndian.AppendUint32([]byte("p"), uint32(order(i))))
				table.Set(&p, nil)
				if rng.IntN(1000) == 0 { // a seek sorts its leaf
					table.Live(&p, nil).Seek(p.Key)
				}
			}
			split.Prepare(&p, []byte("p"))
			it := table.Live(&p, nil)
			for i := range n {
				require.True(t, it.Next())
				if got := binary.BigEndian.Uint32(it.Entry().Key[1:]); int(got) != i {
					require.Equal(t, i, got)
				}
			}
			require.False(t, it.Next())
			table.DeletePrefix(&p)
			require.Equal(t, 1, table.Len())
		})
	}
}

// Prefixes with equal hashes have separate trees and tombstones.
func TestPrefixesWithEqualHashesAreSeparate(t *testing.T) {
	table := NewHash(Options{Budget: slab.NewBudget(0)})
	defer table.Close()
	lookupKey := func(key string) *run.LookupKey {
		b := []byte(key)
		return &run.LookupKey{Key: b, PrefixLen: 1, Hash: run.Hash(b), PrefixHash: 1}
	}
	for _, key := range []string{"a1", "b1", "a2", "b2"} {
		table.Set(lookupKey(key), nil)
	}
	table.DeletePrefix(&run.LookupKey{Key: []byte("b"), PrefixLen: 1, Hash: 1, PrefixHash: 1})
	require.True(t, table.Hides(lookupKey("b3")))
	require.False(t, table.Hides(lookupKey("a3")))
	var keys []string
	for it := table.Live(lookupKey("a"), nil); it.Next(); {
		keys = append(keys, string(it.Entry().Key))
	}
	require.Equal(t, []string{"a1", "a2"}, keys)
}

func TestAllocationContinuesInSlabWithMoreSpaceLeft(t *testing.T) {
	budget := slab.NewBudget(0)
	a := arena{budget: budget}
	for range 4 {
		a.alloc(900 << 10)
		a.alloc(60 << 10)
	}
	require.Len(t, a.slabs, 4)
	a.alloc(100)
	a.alloc(1000 << 10) // larger than the space left, and leaves less space in its own slab
	n := a.takenBytes()
	for range 10 {
		a.alloc(4 << 10)
	}
	require.Equal(t, n, a.takenBytes())
	a.freeSlabs()
	require.Zero(t, budget.Used())
}

// An iterator that reuses another one allocates nothing.
func TestReusedIteratorDoesNotAllocate(t *testing.T) {
	table := NewHash(Options{Budget: slab.NewBudget(0)})
	defer table.Close()
	split := run.Split{Func: func(key []byte) int { return min(1, len(key)) }}
	var p run.LookupKey
	for i := range uint32(1000) {
		split.Prepare(&p, binary.BigEndian.AppendUint32([]byte("p"), i))
		table.Append(&p, make([]byte, 100))
		table.Append(&p, make([]byte, 500))
	}
	split.Prepare(&p, []byte("p"))
	it := table.Live(&p, nil)
	require.True(t, it.Next())
	require.Zero(t, testing.AllocsPerRun(10, func() {
		it = table.Live(&p, it)
		for it.Next() {
			_ = it.Entry()
		}
	}))
}
