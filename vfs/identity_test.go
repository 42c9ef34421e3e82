package vfs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIdentityRoundTrips(t *testing.T) {
	require.Equal(t, "0a00000000000000000000000000000f", Identity{0: 10, 15: 15}.String())
	for _, id := range []Identity{{}, {0: 10, 15: 255}, NewIdentity()} {
		read, err := ParseIdentity(id.String())
		require.NoError(t, err)
		require.Equal(t, id, read)
	}
	require.NotEqual(t, NewIdentity(), NewIdentity())
}

func TestInvalidIdentityIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "0a", "0a00000000000000000000000000000f0", "0a00000000000000000000000000000f00",
		"0A00000000000000000000000000000f", "0g00000000000000000000000000000f", " a00000000000000000000000000000f",
	} {
		id, err := ParseIdentity(text)
		require.Error(t, err, text)
		require.Zero(t, id)
	}
}
