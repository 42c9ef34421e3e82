package window_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/window"
)

// An element may be in a million windows, and may fire each of them.
func TestElementIsAddedToNoWindowAfterTheEndOfTheContext(t *testing.T) {
	enough := errors.New("enough")
	for name, watermark := range map[string]int64{"windows that fire": 1000, "windows that wait": -1000} {
		t.Run(name, func(t *testing.T) {
			task, err := newTask(backends["hash"], state.Options{})
			require.NoError(t, err)
			var cancel context.CancelCauseFunc
			task.ctx, cancel = context.WithCancelCause(t.Context())
			defer cancel(nil)
			calls := 0
			called := func() {
				if calls++; calls == 3 {
					cancel(enough)
				}
			}
			out := &output{}
			o := out.options(window.Sliding(1000, 1, 0), 10_000)
			emit := o.Emit
			o.Emit = func(r window.Result[string, []int64]) error {
				called()
				return emit(r)
			}
			d := gathering("windows")
			add := d.Add
			d.Add = func(a []int64, v int64) ([]int64, error) {
				if watermark < 0 {
					called()
				}
				return add(a, v)
			}
			w, err := window.Aggregate(task, o, d)
			require.NoError(t, err)
			require.NoError(t, task.advance(watermark))
			require.NoError(t, task.keyed.SetKey("a"))
			require.ErrorIs(t, w.Add(0, 1), enough)
			require.Equal(t, 3, calls)
		})
	}
}
