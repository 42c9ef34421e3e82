package heapstate_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// A reader of rows and readers by key begin with the same state of a view at the same time. They
// must not share memory that a read writes to. Run it with the race detector.
func TestAViewIsReadByKeyWhileItsRowsAreRead(t *testing.T) {
	both(t, oneGroup, func(t *testing.T, b *heapstate.Backend, k *state.Keyed[string]) {
		text := codec.String[string]()
		const states, keys, readers = 20, 200, 3
		descriptor := func(n int) state.ValueDescriptor[string] {
			return state.ValueDescriptor[string]{Name: fmt.Sprint("value ", n), Codec: text}
		}
		for n := range states {
			s, err := state.ValueOf(k, descriptor(n))
			require.NoError(t, err)
			for i := range keys {
				require.NoError(t, errors.Join(k.SetKey(fmt.Sprint(i)), s.Set(fmt.Sprint(n, i))))
			}
		}
		v, err := b.View()
		require.NoError(t, err)
		defer v.Close()
		var all sync.WaitGroup
		wrong := make(chan string, readers+1)
		begin := make(chan struct{})
		all.Go(func() {
			<-begin
			rows := 0
			err := v.Rows(0, func(_, _ []byte) error { rows++; return nil })
			if err != nil || rows != states*keys {
				wrong <- fmt.Sprintf("%d rows of %d, %v", rows, states*keys, err)
			}
		})
		for reader := range readers {
			all.Go(func() {
				<-begin
				for n := range states {
					q, err := state.QueryValue(v, text, descriptor(n))
					if err != nil {
						wrong <- err.Error()
						return
					}
					for i := reader; i < keys; i += readers {
						got, ok, err := q.Get(fmt.Sprint(i), nil)
						if err != nil || !ok || got != fmt.Sprint(n, i) {
							wrong <- fmt.Sprintf("value %d of key %d: %q %v %v", n, i, got, ok, err)
							return
						}
					}
				}
			})
		}
		close(begin)
		all.Wait()
		require.Empty(t, wrong)
	})
}
