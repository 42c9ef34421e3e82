package heapstate_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// A view captures a state before the task next changes it, or when the reader reads it, whichever
// is first. The test reads several views while the task writes to states and declares more. Each
// view must have the rows that the states had when it was taken. Run it with the race detector.
func TestViewsAreReadWhileTheTaskWritesAndDeclares(t *testing.T) {
	both(t, oneGroup, func(t *testing.T, b *heapstate.Backend, k *state.Keyed[string]) {
		const views = 60
		var values []state.ValueState[string]
		var timers []*state.Timers[string]
		rows := make(map[string]bool) // the rows of a view taken now: state, key and namespace
		declare := func() {
			n := len(values)
			v, err := state.ValueOf(k, state.ValueDescriptor[string]{Name: fmt.Sprint("value ", n), Codec: codec.String[string]()})
			require.NoError(t, err)
			s, err := state.TimersOf(k, fmt.Sprint("timers ", n))
			require.NoError(t, err)
			values, timers = append(values, v), append(timers, s)
		}
		r := rand.New(rand.NewPCG(1, 2))
		var readers sync.WaitGroup
		wrong := make(chan string, views)
		for view := range views {
			declare()
			for range 10 {
				n, key := r.IntN(len(values)), fmt.Sprint(r.IntN(9))
				require.NoError(t, k.SetKey(key))
				var namespace []byte
				if view%2 == 0 {
					namespace = []byte(fmt.Sprint(view % 3))
				}
				require.NoError(t, values[n].SetNamespace(namespace))
				at := fmt.Sprint("value ", n, " ", key, " ", string(namespace))
				if rows[at] && r.IntN(2) == 0 {
					require.NoError(t, values[n].Clear())
					delete(rows, at)
				} else {
					require.NoError(t, values[n].Set(fmt.Sprint(view)))
					rows[at] = true
				}
				at = fmt.Sprint("timers ", n, " ", key)
				if rows[at] {
					require.NoError(t, timers[n].Delete(state.EventTime, 1, nil))
					delete(rows, at)
				} else {
					require.NoError(t, timers[n].Register(state.EventTime, 1, nil))
					rows[at] = true
				}
			}
			v, err := b.View()
			require.NoError(t, err)
			want, states := len(rows), 2*len(values)
			readers.Go(func() {
				defer v.Close()
				got := 0
				err := v.Rows(0, func(_, _ []byte) error { got++; return nil })
				if err != nil || got != want || len(v.States()) != states {
					wrong <- fmt.Sprintf("view %d: %d rows of %d, %d states of %d, %v", view, got, want, len(v.States()), states, err)
				}
			})
		}
		require.NoError(t, b.Close())
		readers.Wait()
		require.Empty(t, wrong)
	})
}

// It makes no difference whether the view was read before Close.
func TestRowsOfAClosedViewReturnErrClosed(t *testing.T) {
	both(t, oneGroup, func(t *testing.T, b *heapstate.Backend, k *state.Keyed[string]) {
		s, err := state.TimersOf(k, "timers")
		require.NoError(t, err)
		require.NoError(t, k.SetKey("k"))
		require.NoError(t, s.Register(state.EventTime, 1, nil))
		ignore := func(_, _ []byte) error { return nil }
		for _, read := range []bool{false, true} {
			v, err := b.View()
			require.NoError(t, err)
			if read {
				require.NoError(t, v.Rows(0, ignore))
			}
			v.Close()
			v.Close()
			require.ErrorIs(t, v.Rows(0, ignore), state.ErrClosed)
		}
	})
}
