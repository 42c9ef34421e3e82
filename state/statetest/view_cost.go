package statetest

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/state"
)

// viewCosts checks that the cost of taking a view does not depend on the number of states. It counts
// allocations, since times depend on the machine.
func viewCosts(t *testing.T, h harness) {
	manyStates := density.Of(t, 1000, 5000, 50_000)
	few, many := h.viewCost(t, 10), h.viewCost(t, manyStates)
	require.LessOrEqual(t, many.objects, few.objects+100, "objects for %d states", manyStates)
	require.LessOrEqual(t, many.bytes, few.bytes+32<<10, "bytes for %d states", manyStates)
}

// allocations are the allocations of a call.
type allocations struct{ objects, bytes uint64 }

// viewCost returns the allocations of taking a view after a write to each of many states. It returns
// the least of several runs, since other goroutines of the backend may allocate too.
func (h harness) viewCost(t *testing.T, states int) allocations {
	b := h.backend(t, state.Options{Keyspace: state.WholeKeyspace(1)})
	k := keyedOn(t, b, text)
	values := make([]state.ValueState[string], states)
	for i := range values {
		values[i] = valueOn(t, k, fmt.Sprint("state ", i), text)
	}
	require.NoError(t, k.SetKey("k"))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	least := allocations{1 << 62, 1 << 62}
	for run := range 8 {
		for _, v := range values {
			if err := v.Set(fmt.Sprint(run)); err != nil {
				require.NoError(t, err)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v, err := b.View()
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		least.objects = min(least.objects, after.Mallocs-before.Mallocs)
		least.bytes = min(least.bytes, after.TotalAlloc-before.TotalAlloc)
		require.Len(t, v.States(), states)
		if run%2 == 0 { // half of the views stay open during later writes
			defer v.Close()
		} else {
			v.Close()
		}
	}
	return least
}
