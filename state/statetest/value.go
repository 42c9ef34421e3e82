package statetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

func valueOfNothing(t *testing.T, h harness) {
	t.Run("zero or the declared default, and false", func(t *testing.T) {
		p := h.program(t, state.Options{})
		declared, err := state.ValueOf(p.keyed, state.ValueDescriptor[string]{Name: "with default", Codec: text, Default: "d"})
		require.NoError(t, err)
		other, err := state.ValueOf(p.keyed, state.ValueDescriptor[string]{Name: "with default", Codec: text, Default: "e"})
		require.NoError(t, err)
		p.at("k")
		requireDefault(t, "", p.value)
		requireDefault(t, "d", declared)
		requireDefault(t, "e", other)
		require.True(t, p.backend.Empty(), "a default is not stored")
		require.NoError(t, declared.Set(""))
		requireValue(t, "", declared)
		requireValue(t, "", other)
		require.NoError(t, declared.Clear())
		requireDefault(t, "d", declared)
		p.at("l")
		requireDefault(t, "d", declared)
	})
	t.Run("clearing nothing is no error", func(t *testing.T) {
		p := h.program(t, state.Options{})
		p.at("k")
		require.NoError(t, p.value.Clear())
		requireNothing(t, p.value)
		require.NoError(t, p.value.Set("v"))
		require.NoError(t, p.value.Clear())
		require.NoError(t, p.value.Clear())
		requireNothing(t, p.value)
		require.True(t, p.backend.Empty())
	})
}

func requireDefault[V any](t *testing.T, want V, s state.ValueState[V]) {
	t.Helper()
	got, ok, err := s.Get()
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, want, got)
}

func valueOfNilPointer(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	pointer := codec.Pointer(text)
	value := valueOn(t, p.keyed, "pointer", pointer)
	list := listOn(t, p.keyed, "pointers", pointer)
	entries := mapOn(t, p.keyed, "pointer map", text, pointer)
	bytes := valueOn(t, p.keyed, "bytes", codec.Bytes())
	p.at("k")
	word := "word"
	t.Run("the codec stores it", func(t *testing.T) {
		require.NoError(t, value.Set(&word))
		requireValue(t, &word, value)
		require.NoError(t, value.Set(nil))
		requireValue(t, nil, value)
		require.NoError(t, list.AddAll([]*string{nil, &word, nil}))
		requireList(t, []*string{nil, &word, nil}, list)
		require.NoError(t, entries.Put("a", nil))
		requireMap(t, []state.Entry[string, *string]{{Key: "a"}}, entries)
		require.NoError(t, bytes.Set(nil))
		requireValue(t, nil, bytes)
	})
	t.Run("a snapshot has it", func(t *testing.T) {
		s := newStore()
		handle := save(t, p.backend, s, "state")
		q := h.program(t, state.Options{})
		value := valueOn(t, q.keyed, "pointer", pointer)
		list := listOn(t, q.keyed, "pointers", pointer)
		entries := mapOn(t, q.keyed, "pointer map", text, pointer)
		bytes := valueOn(t, q.keyed, "bytes", codec.Bytes())
		restore(t, q.backend, s, handle)
		q.at("k")
		requireValue(t, nil, value)
		requireList(t, []*string{nil, &word, nil}, list)
		requireMap(t, []state.Entry[string, *string]{{Key: "a"}}, entries)
		requireValue(t, nil, bytes)
	})
	t.Run("only Clear removes it", func(t *testing.T) {
		require.NoError(t, value.Clear())
		requireNothing(t, value)
	})
}
