package statetest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// mapAmongOthers opens a program with a map of n numbered entries in its current key and namespace.
// The keys and namespaces before and after have maps too.
func (h harness) mapAmongOthers(t *testing.T, n int) *program {
	p := h.program(t, state.Options{})
	for _, at := range []place{{"j", ""}, {"l", ""}, {"k", "a"}, {"k", "c"}, {"k", "b"}} {
		p.at(at.key)
		p.in(at.namespace)
		p.putNumbered(n)
	}
	return p
}

// requireFloor checks the entry that Floor returns for a user key.
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
			p := h.mapAmongOthers(t, n)
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
	t.Run("skips removed entries", func(t *testing.T) {
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
	t.Run("uses the order of encodings", func(t *testing.T) {
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
		requireFloor(t, floats, math.Copysign(0, -1), state.Entry[float64, string]{}, false) // -0 is below +0
		requireFloor(t, floats, math.NaN(), state.Entry[float64, string]{Key: 0, Value: "zero"}, true)
	})
}

// requireFrom checks the entries that From yields for a user key.
func requireFrom[UK comparable, UV any](t testing.TB, s state.MapState[UK, UV], key UK, want []state.Entry[UK, UV]) {
	t.Helper()
	got := collect(t, s.From(key))
	require.Len(t, got, len(want))
	if len(want) > 0 {
		require.Equal(t, want, got)
	}
}

func mapFrom(t *testing.T, h harness) {
	for _, n := range []int{0, 1, 2, 63, 64, 65, 300} {
		t.Run(fmt.Sprintf("of %d entries, at, below and above some", n), func(t *testing.T) {
			p := h.mapAmongOthers(t, n)
			all := collect(t, p.entries.All())
			for i := 0; i < n; i += 1 + n/30 {
				requireFrom(t, p.entries, numbered(i-1)+"x", all[i:])
				requireFrom(t, p.entries, numbered(i), all[i:])
				requireFrom(t, p.entries, numbered(i)+"\x00", all[i+1:])
			}
			requireFrom(t, p.entries, "", all)
			requireFrom(t, p.entries, "\xff\xff", nil)
		})
	}
	for _, n := range []int{4, 64, 200} {
		t.Run(fmt.Sprintf("over %d entries sees writes of the loop", n), func(t *testing.T) { liveFrom(t, h, n) })
	}
	t.Run("uses the order of encodings", func(t *testing.T) {
		p := h.program(t, state.Options{})
		p.at("k")
		integers := mapOn(t, p.keyed, "integers", codec.Int[int64](), text)
		sorted := []int64{math.MinInt64, -5, 3, math.MaxInt64}
		var all []state.Entry[int64, string]
		for _, key := range sorted {
			all = append(all, state.Entry[int64, string]{Key: key, Value: fmt.Sprint(key)})
			require.NoError(t, integers.Put(key, fmt.Sprint(key)))
		}
		for key, first := range map[int64]int{math.MinInt64: 0, -6: 1, -5: 1, -4: 2, 3: 2, 4: 3, math.MaxInt64: 3} {
			requireFrom(t, integers, key, all[first:])
		}
		floats := mapOn(t, p.keyed, "floats", codec.Float[float64](), text)
		require.NoError(t, floats.Put(0, "zero"))
		requireFrom(t, floats, math.Copysign(0, -1), []state.Entry[float64, string]{{Key: 0, Value: "zero"}}) // -0 is below +0
		requireFrom(t, floats, math.NaN(), nil)
	})
}

// liveFrom writes in a loop over the upper half of n entries, at its first entry.
func liveFrom(t *testing.T, h harness, n int) {
	middle := n / 2
	rest := func(from int) (keys []string) {
		for i := from; i < n; i++ {
			keys = append(keys, numbered(i))
		}
		return keys
	}
	for _, c := range []struct {
		name string
		do   func(*program) error
		rest []string // the keys that the walk yields afterwards
	}{
		{"inserts just ahead", func(p *program) error { return p.entries.Put(numbered(middle)+"x", "") },
			append([]string{numbered(middle) + "x"}, rest(middle+1)...)},
		{"inserts below", func(p *program) error { return p.entries.Put(numbered(middle-1)+"x", "") }, rest(middle + 1)},
		{"removes the next", func(p *program) error { return p.entries.Remove(numbered(middle + 1)) }, rest(middle + 2)},
		{"removes the current", func(p *program) error { return p.entries.Remove(numbered(middle)) }, rest(middle + 1)},
		{"clears", func(p *program) error { return p.entries.Clear() }, nil},
		{"sets another key and clears its map", func(p *program) error {
			if err := p.keyed.SetKey("other"); err != nil {
				return err
			}
			return p.entries.Clear()
		}, rest(middle + 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := h.program(t, state.Options{})
			for _, key := range []string{"other", "k"} {
				p.at(key)
				p.putNumbered(n)
			}
			from := p.entries.From(numbered(middle-1) + "y")
			require.NoError(t, p.entries.Remove(numbered(0)), "before the first step")
			var got []string
			for e, err := range from {
				require.NoError(t, err)
				if got = append(got, e.Key); len(got) == 1 {
					require.NoError(t, c.do(p))
				}
			}
			require.Equal(t, append([]string{numbered(middle)}, c.rest...), got)
		})
	}
}
