package statetest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

func TestTheSeedDecidesEveryStepWhateverTheBackend(t *testing.T) {
	steps := func(seed uint64, chunkBytes int) []string {
		w := newWorld(t, func(_ testing.TB, o state.Options) (snapshot.Backend, error) {
			return NewBytes(o, chunkBytes)
		}, seed)
		w.subtasks = w.open(w.h, 2)
		w.run(600, slices.Concat(writeSteps, snapshotSteps))
		w.abandon()
		return w.done
	}
	require.Equal(t, steps(1, 1), steps(1, 1000))
	require.NotEqual(t, steps(1, 1), steps(2, 1))
}
