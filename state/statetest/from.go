package statetest

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// requireFrom checks what From yields for a user key.
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
			p := h.program(t, state.Options{})
			for _, at := range []place{{"j", ""}, {"l", ""}, {"k", "a"}, {"k", "c"}, {"k", "b"}} { // neighbours first
				p.at(at.key)
				p.in(at.space)
				p.putNumbered(n)
			}
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
		t.Run(fmt.Sprintf("over %d entries is a live cursor", n), func(t *testing.T) { liveFrom(t, h, n) })
	}
	t.Run("goes by the order of encodings", func(t *testing.T) {
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
		requireFrom(t, floats, math.Copysign(0, -1), []state.Entry[float64, string]{{Key: 0, Value: "zero"}}) // minus zero is below zero
		requireFrom(t, floats, math.NaN(), nil)
	})
}

// liveFrom writes inside a loop over the upper half of n entries, at its first one.
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
		rest []string // keys that the walk goes on with
	}{
		{"inserts just ahead", func(p *program) error { return p.entries.Put(numbered(middle)+"x", "") },
			append([]string{numbered(middle) + "x"}, rest(middle+1)...)},
		{"inserts below", func(p *program) error { return p.entries.Put(numbered(middle-1)+"x", "") }, rest(middle + 1)},
		{"removes the next", func(p *program) error { return p.entries.Remove(numbered(middle + 1)) }, rest(middle + 2)},
		{"removes the current", func(p *program) error { return p.entries.Remove(numbered(middle)) }, rest(middle + 1)},
		{"clears", func(p *program) error { return p.entries.Clear() }, nil},
		{"moves on to another key and clears that", func(p *program) error {
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
