package statetest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// requireFloor checks what Floor returns for a user key.
func requireFloor[UK comparable, UV any](t testing.TB, s state.MapState[UK, UV], key UK, want state.Entry[UK, UV], wantOK bool) {
	t.Helper()
	got, ok, err := s.Floor(key)
	require.NoError(t, err)
	require.Equal(t, wantOK, ok)
	require.Equal(t, want, got)
}

func mapFloor(t *testing.T, h harness) {
	for _, n := range []int{0, 1, 2, 63, 64, 65, 300} {
		t.Run(fmt.Sprintf("of %d entries, at, below and above each", n), func(t *testing.T) {
			p := h.program(t, state.Options{})
			for _, at := range []place{{"j", ""}, {"l", ""}, {"k", "a"}, {"k", "c"}, {"k", "b"}} { // neighbours first
				p.at(at.key)
				p.in(at.space)
				p.putNumbered(n)
			}
			below := entry{}
			for i := range n {
				at := entry{Key: numbered(i), Value: fmt.Sprint("v", i)}
				requireFloor(t, p.entries, numbered(i-1)+"x", below, i > 0)
				requireFloor(t, p.entries, at.Key, at, true)
				requireFloor(t, p.entries, at.Key+"\x00", at, true)
				below = at
			}
			requireFloor(t, p.entries, "", entry{}, false)
			requireFloor(t, p.entries, "\xff\xff", below, n > 0)
		})
	}
	t.Run("steps over what was removed", func(t *testing.T) {
		p := h.program(t, state.Options{})
		p.at("k")
		const n = 500
		p.putNumbered(n)
		for i := n - 1; i > 0; i-- { // all but the lowest
			requireFloor(t, p.entries, "z", entry{Key: numbered(i), Value: fmt.Sprint("v", i)}, true)
			require.NoError(t, p.entries.Remove(numbered(i)))
		}
		requireFloor(t, p.entries, "z", entry{Key: numbered(0), Value: "v0"}, true)
		require.NoError(t, p.entries.Put(numbered(300), "new"))
		requireFloor(t, p.entries, numbered(299), entry{Key: numbered(0), Value: "v0"}, true)
		requireFloor(t, p.entries, numbered(301), entry{Key: numbered(300), Value: "new"}, true)
		require.NoError(t, p.entries.Clear())
		requireFloor(t, p.entries, "z", entry{}, false)
	})
	t.Run("goes by the order of encodings", func(t *testing.T) {
		p := h.program(t, state.Options{})
		p.at("k")
		integers := mapOn(t, p.keyed, "integers", codec.Int[int64](), text)
		for _, key := range []int64{-5, 3, math.MinInt64, math.MaxInt64} {
			require.NoError(t, integers.Put(key, fmt.Sprint(key)))
		}
		for key, floor := range map[int64]int64{-6: math.MinInt64, -1: -5, 2: -5, 3: 3, math.MaxInt64 - 1: 3, math.MaxInt64: math.MaxInt64} {
			requireFloor(t, integers, key, state.Entry[int64, string]{Key: floor, Value: fmt.Sprint(floor)}, true)
		}
		floats := mapOn(t, p.keyed, "floats", codec.Float[float64](), text)
		require.NoError(t, floats.Put(0, "zero"))
		requireFloor(t, floats, math.Copysign(0, -1), state.Entry[float64, string]{}, false) // minus zero is below zero
		requireFloor(t, floats, math.NaN(), state.Entry[float64, string]{Key: 0, Value: "zero"}, true)
	})
}
