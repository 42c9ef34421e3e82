package harness

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLastRestoreAddsASubtask(t *testing.T) {
	for _, k := range []Kind{KilledTwice, FailedTwice} {
		p := Plan{Kind: k, Parallelism: 4}
		var parallelisms []int
		for _, graphs := range p.processes() {
			for _, g := range graphs {
				parallelisms = append(parallelisms, g.Parallelism)
			}
		}
		require.Equal(t, 5, parallelisms[len(parallelisms)-1])
		require.Equal(t, 4, parallelisms[0])
		require.Equal(t, 3, p.Starts())
	}
}
