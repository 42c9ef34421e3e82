package statetest

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// keyEquality lists the properties of keys, user keys, values and namespaces that are equal under
// == and have different encodings, or vice versa.
var keyEquality = properties{
	{"one instant in two zones is one key", oneInstantOneKey},
	{"a NaN is the same key as itself", nanEqualsItself},
	{"the two zeros are two keys, and so are two NaNs", zerosAndNaNsApart},
	{"two pointers to one value are one key", pointersToOneValue},
	{"nil and empty are one key, listed as nil", nilAndEmptyKeys},
	{"nil and empty are one value, returned as nil", nilAndEmptyValues},
	{"a nil and an empty namespace are the void namespace", nilAndEmptyNamespaces},
	{"the bytes of a namespace are copied", namespaceBytesCopied},
}

func oneInstantOneKey(t *testing.T, h harness) {
	noon := time.Date(2001, 1, 1, 12, 0, 0, 5, time.UTC)
	abroad := noon.In(time.FixedZone("abroad", 3600))
	require.True(t, noon.Equal(abroad) && noon != abroad)
	requireSameKey(t, h, codec.Time(), noon, abroad)
	requireSameUserKey(t, h, codec.Time(), noon, abroad)
}

func nanEqualsItself(t *testing.T, h harness) {
	requireSameKey(t, h, codec.Float[float64](), math.NaN(), math.NaN())
	requireSameUserKey(t, h, codec.Float[float64](), math.NaN(), math.NaN())
}

func zerosAndNaNsApart(t *testing.T, h harness) {
	other := math.Float64frombits(math.Float64bits(math.NaN()) + 1)
	requireOtherKey(t, h, codec.Float[float64](), 0, math.Copysign(0, -1))
	requireOtherUserKey(t, h, codec.Float[float64](), 0, math.Copysign(0, -1))
	requireOtherKey(t, h, codec.Float[float64](), math.NaN(), other)
	requireOtherUserKey(t, h, codec.Float[float64](), math.NaN(), other)
}

func pointersToOneValue(t *testing.T, h harness) {
	a, b := "word", "word"
	requireSameKey(t, h, codec.Pointer(text), &a, &b)
	requireSameUserKey(t, h, codec.Pointer(text), &a, &b)
	requireOtherKey(t, h, codec.Pointer(text), &a, nil)
	requireOtherUserKey(t, h, codec.Pointer(text), &a, nil)
}

func nilAndEmptyKeys(t *testing.T, h harness) {
	requireSameKey(t, h, codec.Bytes(), nil, []byte{})
	requireSameKey(t, h, codec.Slice(codec.Int[int64]()), nil, []int64{})
	require.Equal(t, [][]byte{nil}, listedKeys(t, h, codec.Bytes(), []byte{}))
	require.Equal(t, [][]int64{nil}, listedKeys(t, h, codec.Slice(codec.Int[int64]()), []int64{}))
}

func nilAndEmptyValues(t *testing.T, h harness) {
	requireNilValue(t, h, codec.Bytes(), []byte{})
	requireNilValue(t, h, codec.Slice(text), []string{})
	requireNilValue(t, h, codec.Map(text, text), map[string]string{})
}

func nilAndEmptyNamespaces(t *testing.T, h harness) {
	p := h.at(t, "k")
	require.NoError(t, p.value.Set("v"))
	require.NoError(t, p.value.SetNamespace([]byte{}))
	requireValue(t, "v", p.value)
	require.NoError(t, p.value.SetNamespace(nil))
	requireValue(t, "v", p.value)
	require.Equal(t, []string{"k"}, collect(t, p.keyed.Keys("value", []byte{})))
}

func namespaceBytesCopied(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	mine := []byte("mine")
	p.at("k")
	for _, handle := range []interface{ SetNamespace([]byte) error }{p.value, p.list, p.entries, p.reduced, p.aggregated} {
		require.NoError(t, handle.SetNamespace(mine))
	}
	p.fill("x")
	require.NoError(t, p.timers.Register(state.EventTime, 9, mine))
	copy(mine, "gone")
	p.requireFilled("x")
	p.in("gone")
	p.requireBare()
	require.Equal(t, []fired{{1, "k", "x"}, {9, "k", "mine"}}, p.advance(state.EventTime, 9, nil))
}

// keyedBy opens a backend with a list state whose keys have a codec.
func keyedBy[K any](t *testing.T, h harness, c codec.Codec[K]) (*state.Keyed[K], state.ListState[string]) {
	k := keyedOn(t, h.backend(t, state.Options{}), c)
	return k, listOn(t, k, "list", text)
}

func requireSameKey[K any](t *testing.T, h harness, c codec.Codec[K], a, b K) {
	t.Helper()
	k, list := keyedBy(t, h, c)
	timers := timersOn(t, k)
	for range 2 { // the second round returns to keys of the first
		for _, key := range []K{a, b} {
			require.NoError(t, k.SetKey(key))
			require.NoError(t, list.Add("x"))
			require.NoError(t, timers.Register(state.EventTime, 1, nil))
		}
	}
	requireList(t, []string{"x", "x", "x", "x"}, list)
	require.Len(t, collect(t, k.Keys("list", nil)), 1)
	n, err := timers.Len(state.EventTime)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, k.SetKey(a))
	require.NoError(t, list.Clear())
	require.NoError(t, k.SetKey(b))
	requireList(t, nil, list)
}

func requireOtherKey[K any](t *testing.T, h harness, c codec.Codec[K], a, b K) {
	t.Helper()
	k, list := keyedBy(t, h, c)
	require.NoError(t, k.SetKey(a))
	require.NoError(t, list.Add("a"))
	require.NoError(t, k.SetKey(b))
	requireList(t, nil, list)
	require.NoError(t, list.Add("b"))
	require.NoError(t, k.SetKey(a))
	requireList(t, []string{"a"}, list)
	require.Len(t, collect(t, k.Keys("list", nil)), 2)
}

// listedKeys returns the keys that a backend lists after a write to one key.
func listedKeys[K any](t *testing.T, h harness, c codec.Codec[K], key K) []K {
	t.Helper()
	k, list := keyedBy(t, h, c)
	require.NoError(t, k.SetKey(key))
	require.NoError(t, list.Add("x"))
	return collect(t, k.Keys("list", nil))
}

// userKeyed opens a map state whose user keys have a codec.
func userKeyed[UK comparable](t *testing.T, h harness, c codec.Codec[UK]) state.MapState[UK, string] {
	p := h.at(t, "k")
	return mapOn(t, p.keyed, "by user key", c, text)
}

func requireSameUserKey[UK comparable](t *testing.T, h harness, c codec.Codec[UK], a, b UK) {
	t.Helper()
	m := userKeyed(t, h, c)
	require.NoError(t, m.Put(a, "a"))
	require.NoError(t, m.Put(b, "b"))
	require.Equal(t, []string{"b"}, collect(t, m.Values()))
	value, ok, err := m.Get(a)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "b", value)
	require.NoError(t, m.PutAll(map[UK]string{a: "c"}))
	require.Equal(t, []string{"c"}, collect(t, m.Values()))
	require.NoError(t, m.Remove(b))
	requireMap(t, nil, m)
}

func requireOtherUserKey[UK comparable](t *testing.T, h harness, c codec.Codec[UK], a, b UK) {
	t.Helper()
	m := userKeyed(t, h, c)
	require.NoError(t, m.Put(a, "a"))
	require.NoError(t, m.Put(b, "b"))
	require.ElementsMatch(t, []string{"a", "b"}, collect(t, m.Values()))
	require.NoError(t, m.Remove(a))
	require.Equal(t, []string{"b"}, collect(t, m.Values()))
}

// requireNilValue checks that a value, a list and a map return nil for an empty value.
func requireNilValue[V any](t *testing.T, h harness, c codec.Codec[V], empty V) {
	t.Helper()
	p := h.program(t, state.Options{})
	value, list, entries := valueOn(t, p.keyed, "v", c), listOn(t, p.keyed, "l", c), mapOn(t, p.keyed, "m", text, c)
	p.at("k")
	require.NoError(t, value.Set(empty))
	require.NoError(t, list.Add(empty))
	require.NoError(t, entries.Put("k", empty))
	got, ok, err := value.Get()
	require.NoError(t, err)
	require.True(t, ok)
	require.Nil(t, got)
	elements, err := list.Get()
	require.NoError(t, err)
	require.Len(t, elements, 1)
	require.Nil(t, elements[0])
	got, ok, err = entries.Get("k")
	require.NoError(t, err)
	require.True(t, ok)
	require.Nil(t, got)
}
