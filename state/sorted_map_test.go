package state

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/codec"
)

// content returns all entries, read by ascend.
func content(m *sortedMap[int64, int], c codec.Codec[int64]) map[int64]int {
	all := map[int64]int{}
	m.ascend(c, start[int64]{}, func(e Entry[int64, int]) bool {
		all[e.Key] = e.Value
		return true
	})
	return all
}

func TestSortedMapMatchesAGoMapAndItsCopiesAreIndependent(t *testing.T) {
	c := codec.Int[int64]()
	clock := cow.NewClock()
	rng := rand.New(rand.NewPCG(5, 5))
	var m *sortedMap[int64, int]
	model := map[int64]int{}
	type frozen struct {
		m    *sortedMap[int64, int]
		want map[int64]int
		pin  *cow.Pin
	}
	var views []frozen
	for i := range 20_000 {
		// The range of keys grows and shrinks, so that the map becomes a tree and gets few entries again.
		key := rng.Int64N(int64(10 + i/40%300))
		switch rng.IntN(10) {
		case 0, 1, 2:
			if _, ok := m.get(c, key); ok {
				m = m.mutable(clock)
				m.remove(c, key)
			}
			delete(model, key)
		case 3:
			if rng.IntN(20) == 0 {
				want := map[int64]int{}
				for k, v := range model {
					want[k] = v
				}
				views = append(views, frozen{m, want, clock.Freeze()})
			}
		default:
			m = m.mutable(clock)
			m.put(c, key, i)
			model[key] = i
		}
		require.Equal(t, len(model), m.len())
		v, ok := m.get(c, key)
		want, in := model[key]
		require.Equal(t, in, ok)
		require.Equal(t, want, v)
	}
	require.NotNil(t, m.tree, "the test has to reach the tree")
	require.Equal(t, model, content(m, c))
	for _, view := range views {
		require.Equal(t, view.want, content(view.m, c))
	}
}

func TestSortedMapAscendsFromAboveAnyKey(t *testing.T) {
	c := codec.Int[int64]()
	for _, n := range []int64{0, 1, 63, 64, 65, 500} {
		m := (*sortedMap[int64, int])(nil).mutable(cow.NewClock())
		for i := range n {
			m.put(c, 2*i, 0)
		}
		for after := int64(-1); after <= 2*n; after++ {
			var got []int64
			m.ascend(c, start[int64]{key: &after, above: true}, func(e Entry[int64, int]) bool {
				got = append(got, e.Key)
				return len(got) < 3
			})
			var want []int64
			for k := (after + 2) / 2 * 2; k < 2*n && len(want) < 3; k += 2 {
				want = append(want, k)
			}
			require.True(t, slices.Equal(want, got), "%d entries, after %d: %v, want %v", n, after, got, want)
		}
	}
}
