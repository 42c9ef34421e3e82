package statetest

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

type entry = state.Entry[string, string]

// mapOperations lists the properties of map states.
var mapOperations = properties{
	{"entries are put, read and removed one by one", mapEntries},
	{"PutAll adds and replaces; a nil map changes nothing", mapPutAll},
	{"removing the last entry, or Clear, removes the state", emptyMapRemovesState},
	{"an iteration sees writes of its loop", liveCursor},
	{"Keys and Values see writes of their loops too", mapKeysAndValuesLive},
}

func mapEntries(t *testing.T, h harness) {
	p := h.at(t, "k")
	requireMap(t, nil, p.entries)
	require.NoError(t, p.entries.Put("b", "1"))
	require.NoError(t, p.entries.Put("", "2"))
	require.NoError(t, p.entries.Put("a", ""))
	require.NoError(t, p.entries.Put("b", "3"))
	requireMap(t, []entry{{Key: "", Value: "2"}, {Key: "a", Value: ""}, {Key: "b", Value: "3"}}, p.entries)
	requireEntry(t, p, "b", "3", true)
	requireEntry(t, p, "a", "", true)
	requireEntry(t, p, "c", "", false)
	require.NoError(t, p.entries.Remove("a"))
	require.NoError(t, p.entries.Remove("a"), "removing nothing")
	requireEntry(t, p, "a", "", false)
	requireMap(t, []entry{{Key: "", Value: "2"}, {Key: "b", Value: "3"}}, p.entries)
}

func mapPutAll(t *testing.T, h harness) {
	p := h.at(t, "k")
	require.NoError(t, p.entries.PutAll(nil))
	require.NoError(t, p.entries.PutAll(map[string]string{}))
	require.True(t, p.backend.Empty())
	require.NoError(t, p.entries.PutAll(map[string]string{"a": "1", "b": "1"}))
	require.NoError(t, p.entries.PutAll(map[string]string{"b": "2", "c": "2"}))
	require.NoError(t, p.entries.PutAll(nil))
	requireMap(t, []entry{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}, {Key: "c", Value: "2"}}, p.entries)
}

func emptyMapRemovesState(t *testing.T, h harness) {
	for _, n := range []int{1, 2, 64, 65, 130} {
		p := h.at(t, "k")
		p.putNumbered(n)
		for i := range n {
			require.Equal(t, []string{"k"}, collect(t, p.keyed.Keys("map", nil)))
			require.NoError(t, p.entries.Remove(numbered(i)))
		}
		p.requireNoMap()
		p.putNumbered(n)
		require.NoError(t, p.entries.Clear())
		p.requireNoMap()
		require.NoError(t, p.entries.Clear(), "clearing nothing")
		require.NoError(t, p.entries.Put("a", "b"))
		requireMap(t, []entry{{Key: "a", Value: "b"}}, p.entries)
	}
}

func mapKeysAndValuesLive(t *testing.T, h harness) {
	p := h.at(t, "k")
	p.putNumbered(4)
	var keys, values []string
	for key, err := range p.entries.Keys() {
		require.NoError(t, err)
		keys = append(keys, key)
		require.NoError(t, p.entries.Remove(numbered(2)))
	}
	for value, err := range p.entries.Values() {
		require.NoError(t, err)
		values = append(values, value)
		require.NoError(t, p.entries.Put(numbered(3), "new"))
	}
	require.Equal(t, []string{numbered(0), numbered(1), numbered(3)}, keys)
	require.Equal(t, []string{"v0", "v1", "new"}, values)
}

// requireNoMap checks that the backend is empty after a map was removed.
func (p *program) requireNoMap() {
	p.t.Helper()
	requireMap(p.t, nil, p.entries)
	require.Empty(p.t, collect(p.t, p.keyed.Keys("map", nil)))
	require.True(p.t, p.backend.Empty())
}

func requireEntry(t testing.TB, p *program, key, want string, wantOK bool) {
	t.Helper()
	got, ok, err := p.entries.Get(key)
	require.NoError(t, err)
	require.Equal(t, wantOK, ok)
	require.Equal(t, want, got)
	ok, err = p.entries.Contains(key)
	require.NoError(t, err)
	require.Equal(t, wantOK, ok)
}

// numbered returns the user key of entry i. There are other user keys between two numbered ones.
func numbered(i int) string { return fmt.Sprintf("%04d", i) }

// putNumbered puts n numbered entries in another order than that of their keys.
func (p *program) putNumbered(n int) {
	for i := range n {
		i = (i*37 + n/2) % n
		if n%37 == 0 {
			i = n - 1 - i
		}
		require.NoError(p.t, p.entries.Put(numbered(i), fmt.Sprint("v", i)))
	}
}

func mapOrder(t *testing.T, h harness) {
	for _, n := range []int{2, 63, 64, 65, 300} {
		t.Run(fmt.Sprintf("%d integers, negative ones first", n), func(t *testing.T) {
			var keys []int64
			for i := range n {
				keys = append(keys, int64((i*7919)%n-n/2)<<20)
			}
			want := slices.Sorted(slices.Values(keys))
			require.Equal(t, want, ordered(t, h, codec.Int[int64](), keys))
		})
	}
	t.Run("strings by their bytes", func(t *testing.T) {
		keys := []string{"b", "a", "", "a\x00", "ab", "\xff", "a\xff", "a\x00b", "a\x01", "\u00e9", "B"}
		require.Equal(t, slices.Sorted(slices.Values(keys)), ordered(t, h, text, keys))
	})
	t.Run("floats, minus zero before zero, NaN last", func(t *testing.T) {
		keys := []float64{0, math.NaN(), math.Inf(1), -1, math.Copysign(0, -1), math.Inf(-1), 1, -0.5, math.MaxFloat64}
		got := ordered(t, h, codec.Float[float64](), keys)
		require.Equal(t, fmt.Sprint([]float64{math.Inf(-1), -1, -0.5, math.Copysign(0, -1), 0, 1, math.MaxFloat64, math.Inf(1), math.NaN()}), fmt.Sprint(got))
	})
	t.Run("times by their instants", func(t *testing.T) {
		var keys, want []time.Time
		for i := range 70 {
			keys = append(keys, time.Unix(int64(i*37%70), 0).In(time.FixedZone("", i%24*3600)))
			want = append(want, time.Unix(int64(i), 0).UTC())
		}
		got := ordered(t, h, codec.Time(), keys)
		for i := range got {
			got[i] = got[i].UTC()
		}
		require.Equal(t, want, got)
	})
}

// ordered puts keys into a map and returns them in the order of its iteration. It checks that a
// restored map has the same order.
func ordered[UK comparable](t testing.TB, h harness, c codec.Codec[UK], keys []UK) []UK {
	open := func() (*program, state.MapState[UK, string]) {
		p := h.program(t, state.Options{})
		m := mapOn(t, p.keyed, "ordered", c, text)
		p.at("k")
		return p, m
	}
	p, m := open()
	for _, key := range keys {
		require.NoError(t, m.Put(key, ""))
	}
	got := collect(t, m.Keys())
	s := newStore()
	handle := save(t, p.backend, s, "state")
	p, m = open()
	restore(t, p.backend, s, handle)
	require.Len(t, collect(t, m.Keys()), len(got))
	for i, key := range collect(t, m.Keys()) {
		require.Zero(t, c.Compare(key, got[i]))
	}
	return got
}
