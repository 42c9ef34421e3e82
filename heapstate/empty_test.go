package heapstate_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// emptyStateBytes is the most that a declared state without rows may take.
const emptyStateBytes = 1 << 10

// A job declares many states of which each subtask holds few rows, so an empty one
// must cost little: table, index, handles and entries of the registry together.
func TestEmptyStateTakesNoMoreThanAKilobyte(t *testing.T) {
	number, text := codec.Int[int64](), codec.String[string]()
	kinds := map[string]func(k *state.Keyed[string], name string) error{
		"value": func(k *state.Keyed[string], name string) error {
			_, err := state.ValueOf(k, state.ValueDescriptor[int64]{Name: name, Codec: number})
			return err
		},
		"list": func(k *state.Keyed[string], name string) error {
			_, err := state.ListOf(k, state.ListDescriptor[string]{Name: name, Codec: text})
			return err
		},
		"map": func(k *state.Keyed[string], name string) error {
			_, err := state.MapOf(k, state.MapDescriptor[string, int64]{Name: name, Key: text, Value: number})
			return err
		},
		"reducing": func(k *state.Keyed[string], name string) error {
			_, err := state.ReducingOf(k, state.ReducingDescriptor[int64]{
				Name: name, Codec: number, Reduce: func(a, b int64) (int64, error) { return a + b, nil },
			})
			return err
		},
		"timers": func(k *state.Keyed[string], name string) error {
			_, err := state.TimersOf(k, name)
			return err
		},
	}
	for kind, declare := range kinds {
		t.Run(kind, func(t *testing.T) {
			both(t, state.Options{}, func(t *testing.T, b *heapstate.Backend, k *state.Keyed[string]) {
				const states = 1000
				names := make([]string, states)
				for i := range names {
					names[i] = fmt.Sprint("state ", i)
				}
				before := heapBytes()
				for _, name := range names {
					if err := declare(k, name); err != nil {
						require.NoError(t, err)
					}
				}
				taken := heapBytes() - before
				require.True(t, b.Empty())
				require.LessOrEqual(t, taken/states, emptyStateBytes)
			})
		})
	}
}

// heapBytes is what is in use of the heap, without garbage.
func heapBytes() int {
	runtime.GC()
	runtime.GC() // pools are emptied by the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
