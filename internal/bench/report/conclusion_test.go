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
	b.Plan = harness.Plan{Backend: "btree", Storage: "file", Kind: harness.KilledTwice}
	require.NoError(t, Conclude(&out, []harness.Measurement{a, a}))
	err := Conclude(&out, []harness.Measurement{a, a, b})
	require.ErrorIs(t, err, ErrDigests)
	require.ErrorContains(t, err, "0000000000000002 for btree, file, killed twice")
}
