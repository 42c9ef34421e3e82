package state

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStoredValuesOfALaterVersionAreRefused(t *testing.T) {
	_, err := storedPayload(nil)
	require.ErrorIs(t, err, ErrCorrupt)
	for _, header := range []byte{1, 2, 0xff} {
		_, err := storedPayload([]byte{header, 'x'})
		require.ErrorIs(t, err, ErrIncompatible)
	}
	payload, err := storedPayload([]byte{0, 'x'})
	require.NoError(t, err)
	require.Equal(t, []byte("x"), payload)
}
