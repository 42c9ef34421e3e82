package slab

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/await"
)

func TestTryGetStopsAtTheLimitAndGetDoesNot(t *testing.T) {
	b := NewBudget(MinBudgetBytes)
	var taken [][]byte
	for range MinBudgetBytes / Bytes {
		s := b.TryGet()
		require.Len(t, s, Bytes)
		taken = append(taken, s)
	}
	require.Nil(t, b.TryGet())
	beyond := b.Get()
	require.Len(t, beyond, Bytes)
	require.Equal(t, int64(MinBudgetBytes+Bytes), b.Used())
	b.Put(beyond)
	require.Nil(t, b.TryGet())
	b.Put(taken[0])
	again := b.TryGet()
	require.Same(t, &taken[0][0], &again[0], "recycled")
}

func TestReclaimerIsCalledBeforeTheLimitIsExceeded(t *testing.T) {
	b := NewBudget(MinBudgetBytes)
	var cached [][]byte
	r := &Reclaimer{Reclaim: func() bool {
		if len(cached) == 0 {
			return false
		}
		b.Put(cached[0])
		cached = cached[1:]
		return true
	}}
	r.Register(b)
	for s := b.TryGet(); s != nil; s = b.TryGet() {
		cached = append(cached, s)
	}
	n := len(cached)
	b.Get()
	require.Len(t, cached, n-1)
	require.Equal(t, b.Limit(), b.Used())
	region := b.Alloc(3 * Bytes)
	require.Len(t, cached, n-2, "one slab for each call")
	r.Unregister(b)
	b.Free(region)
	require.Equal(t, b.Limit()-Bytes, b.Used())
}

func TestRegionsAreZeroAndCounted(t *testing.T) {
	b := NewBudget(0)
	for _, n := range []int{0, 1, smallBytesForTest, Bytes + 7} {
		region := b.Alloc(n)
		require.Len(t, region, n)
		for _, c := range region {
			require.Zero(t, c)
		}
		require.Equal(t, int64(n), b.Used())
		for i := range region {
			region[i] = 1
		}
		b.Free(region)
		require.Zero(t, b.Used())
	}
}

const smallBytesForTest = 16 << 10

func TestFreeSlabsAreReleasedForRegions(t *testing.T) {
	b := NewBudget(MinBudgetBytes)
	var taken [][]byte
	for s := b.TryGet(); s != nil; s = b.TryGet() {
		taken = append(taken, s)
	}
	for _, s := range taken {
		b.Put(s)
	}
	require.Len(t, b.free, MinBudgetBytes/Bytes)
	b.Alloc(2*Bytes + 1)
	require.Len(t, b.free, 1)
	b.Close()
	require.Empty(t, b.free)
}

// requirePrepared waits until the goroutine of Prepare has ended.
func requirePrepared(t *testing.T, b *Budget) {
	t.Helper()
	await.True(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return !b.preparing
	}, func() string { return "slabs are being prepared" })
}

func TestPreparedSlabsStayWithinTheLimit(t *testing.T) {
	b := NewBudget(MinBudgetBytes)
	b.Get()
	b.Prepare(100)
	b.Prepare(100)
	requirePrepared(t, b)
	require.Len(t, b.free, MinBudgetBytes/Bytes-1)
}

// Prepare allocates a slab without the lock. If others take the memory during that time, the slab
// must not be added to the free list.
func TestPrepareRacingWithGetStaysWithinTheLimit(t *testing.T) {
	b := NewBudget(MinBudgetBytes)
	for range 20 {
		b.Prepare(MinBudgetBytes / Bytes)
		await.True(t, func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return len(b.free) > 0 // the goroutine works on the next slab
		}, func() string { return "no slab was prepared" })
		var taken [][]byte
		for s := b.TryGet(); s != nil; s = b.TryGet() {
			taken = append(taken, s)
		}
		requirePrepared(t, b)
		require.LessOrEqual(t, b.Used()+int64(len(b.free))*Bytes, b.Limit())
		for _, s := range taken {
			b.Put(s)
		}
		b.Take(MinBudgetBytes) // empties the free list
		b.Give(MinBudgetBytes)
	}
}

// A slab that was put back after Close stayed on the free list for ever, outside of the heap.
func TestNoSlabIsKeptAfterClose(t *testing.T) {
	b := NewBudget(0)
	s := b.Get()
	b.Close()
	b.Put(s)
	require.Zero(t, len(b.free))
	b.Prepare(2)
	requirePrepared(t, b)
	require.Zero(t, len(b.free))
}

func TestBudgetIsSafeForConcurrentUse(t *testing.T) {
	b := NewBudget(MinBudgetBytes)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 200 {
				s := b.Get()
				s[i] = byte(i)
				b.Prepare(2)
				region := b.Alloc(i * 100)
				b.Free(region)
				b.Put(s)
			}
		})
	}
	group.Wait()
	require.Zero(t, b.Used())
}

func TestMemoryOfTakeCounts(t *testing.T) {
	b := NewBudget(MinBudgetBytes)
	calls := 0
	r := &Reclaimer{Reclaim: func() bool { calls++; return false }}
	r.Register(b)
	b.Take(MinBudgetBytes - Bytes + 1)
	require.Nil(t, b.TryGet(), "a slab would exceed the limit")
	require.Zero(t, calls)
	b.Take(2 * Bytes)
	require.Equal(t, 1, calls, "the reclaimer is called beyond the limit")
	b.Give(MinBudgetBytes + Bytes)
	require.EqualValues(t, 1, b.Used())
	r.Unregister(b)
	b.Take(2 * MinBudgetBytes)
	require.Equal(t, 1, calls)
}
