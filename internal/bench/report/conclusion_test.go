package report

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/bench/harness"
	"github.com/weirstate/weir/internal/bench/results"
)

func TestDigestsThatDifferAreAnError(t *testing.T) {
	var out bytes.Buffer
	a, b := harness.Measurement{Result: results.Result{Sum: 1}}, harness.Measurement{Result: results.Result{Sum: 2}}
	require.NoError(t, Conclude(&out, []harness.Measurement{a, a}))
	require.ErrorIs(t, Conclude(&out, []harness.Measurement{a, a, b}), ErrDigests)
}
