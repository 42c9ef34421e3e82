package job

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

// cut is a receiver that records, for each barrier, how many events of each sender came
// before it. The value of an event is its sender, its time the number of the event.
type cut struct {
	next     []int64 // by sender
	barriers map[checkpoint.ID][]int64
	order    []checkpoint.ID
	batches  int
	hold     func()
}

func newCut(senders int) *cut {
	return &cut{next: make([]int64, senders), barriers: map[checkpoint.ID][]int64{}, hold: func() {}}
}

func (c *cut) events(batch []Event[int]) error {
	c.hold()
	c.batches++
	for _, e := range batch {
		if e.Time != c.next[e.Value] {
			return fmt.Errorf("event %d of sender %d in place of %d", e.Time, e.Value, c.next[e.Value])
		}
		c.next[e.Value]++
	}
	return nil
}

func (c *cut) barrier(id checkpoint.ID) error {
	c.barriers[id] = append([]int64{}, c.next...)
	c.order = append(c.order, id)
	return nil
}

func (c *cut) watermark(int64) error { return nil }
func (c *cut) tick(time.Time) error  { return nil }
func (c *cut) idle() error           { return nil }

// Senders run at random speeds and skip random barriers, as sources do when a checkpoint is
// aborted before they inject its barrier.
func TestBarriersSeparateTheEventsSentBeforeThemFromTheOthers(t *testing.T) {
	const senders, checkpoints = 3, 12
	for seed := range uint64(60) {
		gates, channels := newExchange[int](t.Context(), senders, 1)
		before := make([]map[checkpoint.ID]int64, senders)
		var all sync.WaitGroup
		for s := range senders {
			random := rand.New(rand.NewPCG(seed, uint64(s)))
			before[s] = map[checkpoint.ID]int64{}
			all.Go(func() {
				sent := int64(0)
				for id := checkpoint.ID(1); id <= checkpoints; id++ {
					for range random.IntN(3 * batchEvents) {
						if err := channels[s][0].send(Event[int]{sent, s}); err != nil {
							t.Error(err)
						}
						sent++
					}
					if id < checkpoints && random.IntN(4) == 0 {
						continue
					}
					before[s][id] = sent
					if err := channels[s].sendControl(barrierOf(id)); err != nil {
						t.Error(err)
					}
				}
				if err := channels[s].sendControl(theEnd); err != nil {
					t.Error(err)
				}
			})
		}
		c := newCut(senders)
		require.NoError(t, gates[0].deliver(t.Context(), nil, c))
		all.Wait()
		require.Empty(t, gates[0].blocked)
		require.IsIncreasing(t, append([]checkpoint.ID{0}, c.order...))
		require.Contains(t, c.barriers, checkpoint.ID(checkpoints))
		for id, counts := range c.barriers {
			for s, n := range counts {
				want, sent := before[s][id]
				require.True(t, sent, "sender %d sent no barrier %d", s, id)
				require.Equal(t, want, n, "seed %d: checkpoint %d, sender %d", seed, id, s)
			}
		}
	}
}

// fill sends until the channel has no free batch and the context ends.
func fill(ctx context.Context, c *inputChannel[int]) (sent int64, err error) {
	for ; ; sent++ {
		if err := c.send(Event[int]{sent, c.from}); err != nil {
			return sent, err
		}
	}
}

func TestSenderWaitsForItsReceiver(t *testing.T) {
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	gates, channels := newExchange[int](ctx, 2, 1)
	ended := make(chan int64)
	go func() {
		sent, err := fill(ctx, &channels[0][0])
		if !errors.Is(err, stop) {
			t.Error(err)
		}
		ended <- sent
	}()
	for len(gates[0].queue) < channelBatches { // no receiver runs
		time.Sleep(time.Millisecond)
	}
	cancel(stop)
	require.EqualValues(t, channelBatches*batchEvents, <-ended)
}

// A blocked sender fills no memory, and the other senders do not wait for it.
func TestBlockedSenderWaitsAndOthersDoNot(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	gates, channels := newExchange[int](ctx, 2, 1)
	go func() {
		if err := channels[0].sendControl(barrierOf(1)); err != nil {
			t.Error(err)
		}
		_, _ = fill(ctx, &channels[0][0])
	}()
	go func() {
		const many = 50 * channelBatches * batchEvents
		for i := range int64(many) {
			if err := channels[1][0].send(Event[int]{i, 1}); err != nil {
				t.Error(err)
			}
		}
		_ = channels[1].flush()
		for len(gates[0].queue) > 0 {
			time.Sleep(time.Millisecond)
		}
		cancel(errors.New("seen enough"))
	}()
	c := newCut(2)
	require.ErrorContains(t, gates[0].deliver(ctx, nil, c), "seen enough")
	require.Zero(t, c.next[0])
	require.NotZero(t, c.next[1])
	require.LessOrEqual(t, len(gates[0].blocked), channelBatches)
	require.Empty(t, c.barriers)
}

func TestBatchesAreReusedAndKeepNoReferences(t *testing.T) {
	gates, channels := newExchange[*int](t.Context(), 1, 1)
	c, gate := &channels[0][0], gates[0]
	for range 3 * channelBatches {
		require.NoError(t, c.send(Event[*int]{0, new(int)}))
		require.NoError(t, c.flush())
		m := <-gate.queue
		_, err := gate.process(m, discard[*int]{})
		require.NoError(t, err)
		require.Nil(t, m.events[0].Value)
	}
	require.Len(t, gate.free[0], channelBatches)
}

// discard is a receiver that does nothing.
type discard[T any] struct{}

func (discard[T]) events([]Event[T]) error     { return nil }
func (discard[T]) watermark(int64) error       { return nil }
func (discard[T]) barrier(checkpoint.ID) error { return nil }
func (discard[T]) tick(time.Time) error        { return nil }
func (discard[T]) idle() error                 { return nil }
