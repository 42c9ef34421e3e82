package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestArgumentsOutOfRangeAreRefused(t *testing.T) {
	require.NoError(t, checkArguments(1, nil))
	require.NoError(t, checkArguments(128, nil))
	require.EqualError(t, checkArguments(129, nil), "-shards is 129, want 1 to 128")
	require.EqualError(t, checkArguments(0, nil), "-shards is 0, want 1 to 128")
	require.ErrorContains(t, checkArguments(2, []string{"3"}), `argument "3" is no flag`)
}
