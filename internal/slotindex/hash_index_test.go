package slotindex

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state/backend"
)

// numbers is a table of numbers with the hash function of the test.
type numbers struct {
	backend.Table // nil: the index calls no other method
	hash          func(n uint64) uint64
	rows          map[uint32]uint64
	present       map[uint64]bool
	probed        uint64
	moves         int
}

func (t *numbers) Matches(slot uint32) bool {
	n, ok := t.rows[slot]
	return ok && n == t.probed
}

func (t *numbers) Hash(slot uint32) uint64 { return t.hash(t.rows[slot]) }

func (t *numbers) Rearrange(from, to []uint32) {
	var moved []uint64
	for _, slot := range from {
		moved = append(moved, t.rows[slot])
		delete(t.rows, slot)
	}
	for i, slot := range to {
		if _, taken := t.rows[slot]; taken {
			panic("two rows in one slot")
		}
		t.rows[slot] = moved[i]
	}
	t.moves += len(from)
}

// mix is splitmix64's finalizer.
func mix(n uint64) uint64 {
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// hashes holds hash functions, from uniform to constant.
var hashes = map[string]func(uint64) uint64{
	"even":       mix,
	"two values": func(n uint64) uint64 { return n % 2 * 0xffffffffffffffff },
	"all equal":  func(uint64) uint64 { return 0x123456789abcdef },
	"top bits":   func(n uint64) uint64 { return n << 50 },
	"low bits":   func(n uint64) uint64 { return n },
}

func newHashIndex(table backend.Table) *hashIndex {
	return NewHash(table, new(Scratch)).(*hashIndex)
}

func TestHashIndexFindsInsertedRowsOnly(t *testing.T) {
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			table := &numbers{hash: hash, rows: map[uint32]uint64{}, present: map[uint64]bool{}}
			x := newHashIndex(table)
			rng := rand.New(rand.NewPCG(1, 1))
			const span = 1500 // more than three pages of rows with equal hashes
			for range 8000 {
				n := rng.Uint64N(span)
				table.probed = n
				slot, ok := x.Find(hash(n))
				require.Equal(t, table.present[n], ok)
				switch {
				case !ok:
					slot, err := x.Insert(hash(n))
					require.NoError(t, err)
					require.NotContains(t, table.rows, slot)
					table.rows[slot] = n
					table.present[n] = true
				case rng.IntN(3) > 0:
					require.Equal(t, n, table.rows[slot])
					x.Delete(hash(n), slot)
					delete(table.rows, slot)
					table.present[n] = false
				}
			}
			for n := range uint64(span) {
				table.probed = n
				_, ok := x.Find(hash(n))
				require.Equal(t, table.present[n], ok)
			}
		})
	}
}

func TestHashIndexBoundsItsDirectoryWhenHashesAgree(t *testing.T) {
	table := &numbers{hash: hashes["all equal"], rows: map[uint32]uint64{}}
	x := newHashIndex(table)
	for n := range uint64(3000) {
		slot, err := x.Insert(table.hash(n))
		require.NoError(t, err)
		table.rows[slot] = n
	}
	require.LessOrEqual(t, len(x.directory), 2*maxEntriesPerPage*int(x.pages))
	require.LessOrEqual(t, int(x.pages), 2*3000/pageSlots+8, "pages stay filled")
}

func TestHashIndexReusesTheSlotsOfDeletedRows(t *testing.T) {
	table := &numbers{hash: mix, rows: map[uint32]uint64{}}
	x := newHashIndex(table)
	for n := range uint64(200_000) {
		slot, err := x.Insert(mix(n))
		require.NoError(t, err)
		table.rows[slot] = n
		if n >= 1000 {
			table.probed = n - 1000
			old, ok := x.Find(mix(n - 1000))
			require.True(t, ok)
			x.Delete(mix(n-1000), old)
			delete(table.rows, old)
		}
	}
	require.LessOrEqual(t, int(x.pages), 8, "at most 1,001 rows at a time")
}

func TestHashIndexMovesFewRowsAsItGrows(t *testing.T) {
	const n = 200_000
	table := &numbers{hash: mix, rows: map[uint32]uint64{}}
	x := newHashIndex(table)
	for i := range uint64(n) {
		slot, err := x.Insert(mix(i))
		require.NoError(t, err)
		table.rows[slot] = i
	}
	require.Less(t, table.moves, 2*n)
	require.Len(t, table.rows, n)
}
