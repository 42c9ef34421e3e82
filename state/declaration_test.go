package state_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

func TestDeclarationWithoutKeyedIsErrInvalid(t *testing.T) {
	number := codec.Int[int64]()
	sum := func(a, b int64) (int64, error) { return a + b, nil }
	declarations := map[string]func(*state.Keyed[string]) error{
		"ValueOf": func(k *state.Keyed[string]) error {
			_, err := state.ValueOf(k, state.ValueDescriptor[int64]{Name: "s", Codec: number})
			return err
		},
		"ListOf": func(k *state.Keyed[string]) error {
			_, err := state.ListOf(k, state.ListDescriptor[int64]{Name: "s", Codec: number})
			return err
		},
		"MapOf": func(k *state.Keyed[string]) error {
			_, err := state.MapOf(k, state.MapDescriptor[int64, int64]{Name: "s", Key: number, Value: number})
			return err
		},
		"ReducingOf": func(k *state.Keyed[string]) error {
			_, err := state.ReducingOf(k, state.ReducingDescriptor[int64]{Name: "s", Codec: number, Reduce: sum})
			return err
		},
		"AggregatingOf": func(k *state.Keyed[string]) error {
			_, err := state.AggregatingOf(k, state.AggregatingDescriptor[int64, int64, int64]{
				Name: "s", Codec: number, Create: func() int64 { return 0 }, Add: sum, Merge: sum,
				Result: func(n int64) (int64, error) { return n, nil },
			})
			return err
		},
		"TimersOf": func(k *state.Keyed[string]) error {
			_, err := state.TimersOf(k, "s")
			return err
		},
	}
	for name, declare := range declarations {
		t.Run(name, func(t *testing.T) {
			for _, k := range []*state.Keyed[string]{nil, {}} {
				err := declare(k)
				require.ErrorIs(t, err, state.ErrInvalid)
				require.ErrorContains(t, err, `"s"`)
			}
		})
	}
}
