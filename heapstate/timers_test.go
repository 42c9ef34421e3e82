package heapstate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/state"
)

func TestRegisteringAnExistingTimerAllocatesNothing(t *testing.T) {
	both(t, state.Options{}, func(t *testing.T, b *heapstate.Backend, k *state.Keyed[string]) {
		timers, err := state.TimersOf(k, "t")
		require.NoError(t, err)
		require.NoError(t, k.SetKey("a key of more than a few bytes"))
		for at := range int64(1000) {
			require.NoError(t, timers.Register(state.EventTime, at, []byte("window")))
		}
		v, err := b.View() // from now on a write copies nodes
		require.NoError(t, err)
		defer v.Close()
		require.Zero(t, testing.AllocsPerRun(100, func() {
			require.NoError(t, timers.Register(state.EventTime, 500, []byte("window")))
		}))
		n, err := timers.Len(state.EventTime)
		require.NoError(t, err)
		require.Equal(t, 1000, n)
	})
}

func TestTimersDoNotShareTheCallersMemory(t *testing.T) {
	both(t, state.Options{}, func(t *testing.T, _ *heapstate.Backend, k *state.Keyed[string]) {
		timers, err := state.TimersOf(k, "t")
		require.NoError(t, err)
		keys := []string{"a", "b", "c"}
		namespace := []byte("0")
		for i, key := range keys {
			require.NoError(t, k.SetKey(key))
			namespace[0] = byte('0' + i)
			require.NoError(t, timers.Register(state.EventTime, 1, namespace))
		}
		namespace[0] = 'x'
		var fired []string
		require.NoError(t, timers.Advance(state.EventTime, 1, func(timer state.Timer[string]) error {
			fired = append(fired, timer.Key+string(timer.Namespace))
			return nil
		}))
		require.Equal(t, []string{"a0", "b1", "c2"}, fired)
	})
}
