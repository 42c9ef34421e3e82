package lsm

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

func TestAClaimAloneMayHaveHalfOfTheBudget(t *testing.T) {
	b := NewBudget(64 << 20)
	c := b.Claim()
	for _, bytes := range []int64{0, 1 << 20, 31 << 20, 40 << 20} {
		c.Set(bytes)
		require.Equal(t, bytes, c.Bytes())
		require.Equal(t, bytes, b.Used())
		require.EqualValues(t, 32<<20, c.Limit())
	}
	c.Close()
	c.Close()
	require.Zero(t, b.Used())
	require.NoError(t, b.Close())
}

func TestClaimsGetTheirPartByNeed(t *testing.T) {
	const most = 32 << 20
	b := NewBudget(2 * most)
	large := b.Claim()
	large.Set(most)
	idle := b.Claim()
	require.EqualValues(t, most-most/leastNeed, large.Limit(), "an idle claim leaves its part to others")
	small := b.Claim()
	small.Set(4 << 20)
	require.EqualValues(t, most-5<<20-2*most/leastNeed, large.Limit(), "a small one has room for a quarter more")
	for bytes := int64(4 << 20); bytes <= most; bytes += 1 << 20 { // both grow and shrink to the limit
		small.Set(min(bytes, small.Limit()))
		large.Set(min(large.Bytes(), large.Limit()))
		require.LessOrEqual(t, small.Bytes()+large.Bytes(), int64(most))
	}
	require.InDelta(t, most/2, small.Bytes(), most/leastNeed)
	require.InDelta(t, most/2, large.Bytes(), most/leastNeed)
	idle.Close()
	require.EqualValues(t, most/2, large.Limit())
	small.Close()
	require.EqualValues(t, most, large.Limit())
	large.Close()
	require.Zero(t, b.Used())
}

// Blocks leave memory as a claim grows, and return to it.
func TestClaimsTakeMemoryFromCachedBlocksOnly(t *testing.T) {
	b := NewBudget(8 << 20)
	db, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{}), Budget: b, Compression: []Compression{NoCompression}})
	require.NoError(t, err)
	require.Same(t, b, db.Budget())
	const keys = 16 << 10
	key := func(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }
	for i := range keys {
		require.NoError(t, db.Put(key(i), make([]byte, 1<<10)))
	}
	require.NoError(t, db.Flush(context.Background()))
	read := func() {
		for i := range keys {
			_, _, err := db.Get(key(i), nil)
			require.NoError(t, err)
		}
	}
	read()
	require.Greater(t, b.Used(), b.Limit()-2<<20, "the cache uses all memory")
	c := b.Claim()
	c.Set(c.Limit())
	require.LessOrEqual(t, b.Used(), b.Limit())
	read()
	require.LessOrEqual(t, b.Used(), b.Limit(), "reads respect the claim")
	require.EqualValues(t, b.Limit()/2, db.memtableBudget())
	c.Close()
	require.LessOrEqual(t, b.Used(), b.Limit()/2)
	read()
	require.Greater(t, b.Used(), b.Limit()-2<<20, "the cache has the memory again")
	require.NoError(t, db.Close())
	require.NoError(t, b.Close())
}
