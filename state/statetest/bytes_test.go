package statetest

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
)

func TestResultsOfBytesAreOverwrittenByTheNextCall(t *testing.T) {
	b, err := NewBytes(state.Options{}, 16)
	require.NoError(t, err)
	require.NoError(t, b.Set([]byte("key"), []byte("value")))
	rubbish := bytes.Repeat([]byte{spoiled}, len("value"))
	for name, call := range map[string]func(){
		"Get":          func() { _, _, err = b.Get([]byte("other")) },
		"Set":          func() { err = b.Set([]byte("other"), nil) },
		"Delete":       func() { err = b.Delete([]byte("other")) },
		"Append":       func() { err = b.Append([]byte("list"), []byte("e")) },
		"DeletePrefix": func() { err = b.DeletePrefix([]byte("list")) },
		"ScanPrefix":   func() { err = b.ScanPrefix(nil, nil).Close() },
		"Floor":        func() { _, _, _, err = b.Floor(nil, []byte("other")) },
		"View":         func() { _, err = b.View() },
	} {
		value, ok, getErr := b.Get([]byte("key"))
		require.NoError(t, getErr)
		require.True(t, ok)
		require.Equal(t, "value", string(value))
		call()
		require.NoError(t, err, name)
		require.Equal(t, rubbish, value, name)
	}
	cursor := b.ScanPrefix([]byte("key"), []byte("key"))
	key, value, ok, err := cursor.Next()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "key=value", string(key)+"="+string(value))
	_, _, ok, err = cursor.Next()
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, rubbish, value)
	require.Equal(t, rubbish[:3], key)
	require.NoError(t, b.Close())
}

func TestCloseOfBytesReportsWritesToItsResults(t *testing.T) {
	b, err := NewBytes(state.Options{}, 16)
	require.NoError(t, err)
	require.NoError(t, b.Set([]byte("key"), []byte("value")))
	value, _, err := b.Get([]byte("key"))
	require.NoError(t, err)
	value[0] = 'V'
	stored, _, err := b.Get([]byte("key"))
	require.NoError(t, err)
	require.Equal(t, "value", string(stored), "the backend returned a copy")
	require.ErrorIs(t, b.Close(), errWritten)
}

func TestAppendsAreDividedByChunkSizeAndStayInOrder(t *testing.T) {
	for _, c := range []struct{ chunkBytes, rows int }{{1, 300}, {4, 150}, {599, 2}, {600, 1}} {
		b, err := NewBytes(state.Options{}, c.chunkBytes)
		require.NoError(t, err)
		var want []byte
		for i := range 300 {
			element := []byte{byte(i), byte(i >> 8)}
			want = append(want, element...)
			require.NoError(t, b.Append([]byte("list"), element))
			require.NoError(t, b.Set([]byte("lisu"), nil), "a neighbour")
		}
		var got []byte
		rows := 0
		require.NoError(t, ascend(b.rows, []byte("list"), func(_, value []byte) error {
			got = append(got, value...)
			rows++
			return nil
		}))
		require.Equal(t, want, got)
		require.Equal(t, c.rows, rows)
		require.NoError(t, b.Close())
	}
}

func TestNextSuffixIsAboveAnySuffix(t *testing.T) {
	for before, next := range map[string]string{
		"p":                 "p\x00",
		"p\x00":             "p\x01",
		"p\x00\xff":         "p\x01\x00",
		"p\xff\xff":         "p\xff\xff\x00",
		"p\x00\x00\x00\xff": "p\x00\x00\x01\x00",
	} {
		require.Equal(t, next, string(nextSuffix([]byte(before), 1)))
		require.Less(t, before, next)
	}
}
