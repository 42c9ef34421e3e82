package harness

import (
	"strings"
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

// In a query a plus sign stands for itself, so it must not stand for a space.
func TestPresetNamesADirectoryWithASpace(t *testing.T) {
	preset := Plan{Dir: "/a b+c", Backend: LSMIncremental, Storage: "file"}.preset()
	require.Contains(t, preset, "a%20b%2Bc")
	require.NotContains(t, strings.ReplaceAll(preset, "lsm+file:///a%20b+c", ""), "+")
}
