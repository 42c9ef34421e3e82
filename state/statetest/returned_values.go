package statetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// returnedValues keeps results of a backend while it uses the backend further: results must not share
// memory that the backend reuses.
func returnedValues(t *testing.T, h harness) {
	b := h.backend(t, state.Options{})
	k := keyedOn(t, b, codec.Bytes())
	value, list := valueOn(t, k, "value", codec.Bytes()), listOn(t, k, "list", codec.Bytes())
	entries := mapOn(t, k, "map", text, codec.Bytes())
	require.NoError(t, k.SetKey([]byte("key")))
	require.NoError(t, value.Set([]byte("value")))
	require.NoError(t, list.AddAll([][]byte{[]byte("one"), []byte("two")}))
	require.NoError(t, entries.PutAll(map[string][]byte{"a": []byte("one"), "b": []byte("two")}))

	kept, _, err := value.Get()
	require.NoError(t, err)
	keptList, err := list.Get()
	require.NoError(t, err)
	streamed := collect(t, list.All())
	keptEntry, _, err := entries.Get("a")
	require.NoError(t, err)
	walked := collect(t, entries.All())
	keys := collect(t, k.KeysAndNamespaces("map"))

	require.NoError(t, value.Set([]byte("VALUE")))
	require.NoError(t, list.Set([][]byte{[]byte("ONE"), []byte("TWO")}))
	require.NoError(t, entries.PutAll(map[string][]byte{"a": []byte("ONE"), "b": []byte("TWO")}))
	require.NoError(t, k.SetKey([]byte("KEY")))
	require.NoError(t, value.Set([]byte("other")))
	require.NoError(t, b.Close())

	require.Equal(t, "value", string(kept))
	require.Equal(t, [][]byte{[]byte("one"), []byte("two")}, keptList)
	require.Equal(t, keptList, streamed)
	require.Equal(t, "one", string(keptEntry))
	require.Equal(t, []state.Entry[string, []byte]{{Key: "a", Value: []byte("one")}, {Key: "b", Value: []byte("two")}}, walked)
	require.Equal(t, []state.KeyAndNamespace[[]byte]{{Key: []byte("key")}}, keys)
}
