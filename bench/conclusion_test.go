package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDigestsThatDifferAreAnError(t *testing.T) {
	var out bytes.Buffer
	a, b := measurement{result: result{sum: 1}}, measurement{result: result{sum: 2}}
	require.NoError(t, conclude(&out, []measurement{a, a}))
	require.ErrorIs(t, conclude(&out, []measurement{a, a, b}), errDigests)
}
