package statetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// unencodableValues writes values that have no encoding. A backend that stores values decoded must
// refuse them too, and the old values must stay.
func unencodableValues(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	value := valueOn(t, p.keyed, "even", evenCodec)
	list := listOn(t, p.keyed, "evens", evenCodec)
	entries := mapOn(t, p.keyed, "even map", evenCodec, evenCodec)
	p.at("k")
	require.NoError(t, value.Set(2))
	require.NoError(t, list.Add(2))
	require.NoError(t, entries.Put(2, 2))
	require.ErrorIs(t, value.Set(3), codec.ErrUnencodable)
	require.ErrorIs(t, list.Add(3), codec.ErrUnencodable)
	require.ErrorIs(t, list.AddAll([]int64{4, 3}), codec.ErrUnencodable)
	require.ErrorIs(t, list.Set([]int64{4, 3}), codec.ErrUnencodable)
	require.ErrorIs(t, entries.Put(2, 3), codec.ErrUnencodable)
	require.ErrorIs(t, entries.Put(3, 2), codec.ErrUnencodable)
	require.ErrorIs(t, entries.PutAll(map[int64]int64{4: 4, 3: 2}), codec.ErrUnencodable)
	_, _, err := entries.Floor(3)
	require.ErrorIs(t, err, codec.ErrUnencodable)
	require.ErrorIs(t, lastError(entries.From(3)), codec.ErrUnencodable)
	requireValue(t, 2, value)
	requireList(t, []int64{2}, list)
	requireMap(t, []state.Entry[int64, int64]{{Key: 2, Value: 2}}, entries)
}

// even is a codec of fixed size that refuses odd numbers.
type even struct{ codec.Codec[int64] }

var evenCodec = even{codec.Int[int64]()}

// ID implements codec.Codec.
func (even) ID() codec.ID { return codec.ID{Name: "even", Version: 1} }

// Size implements codec.Codec.
func (c even) Size(v int64) (int64, error) {
	if v%2 != 0 {
		return 0, codec.ErrUnencodable
	}
	return c.Codec.Size(v)
}

// Append implements codec.Codec.
func (c even) Append(dst []byte, v int64) ([]byte, error) {
	if v%2 != 0 {
		return dst, codec.ErrUnencodable
	}
	return c.Codec.Append(dst, v)
}
