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

// cut is a receiver that counts, for each sender, the events before each
// barrier. An event's value is its sender, its time a running number.
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

// Senders run at random speeds and leave out random barriers, as sources do
// when a checkpoint is given up before they hear of it.
func TestCutIsWhatWasSentBeforeTheBarriers(t *testing.T) {
	const senders, checkpoints = 3, 12
	for seed := range uint64(60) {
		inboxes, ways := newExchange[int](t.Context(), senders, 1)
		before := make([]map[checkpoint.ID]int64, senders)
		var all sync.WaitGroup
		for s := range senders {
			random := rand.New(rand.NewPCG(seed, uint64(s)))
			before[s] = map[checkpoint.ID]int64{}
			all.Go(func() {
				sent := int64(0)
				for id := checkpoint.ID(1); id <= checkpoints; id++ {
					for range random.IntN(3 * batchEvents) {
						if err := ways[s][0].send(Event[int]{sent, s}); err != nil {
							t.Error(err)
						}
						sent++
					}
					if id < checkpoints && random.IntN(4) == 0 {
						continue
					}
					before[s][id] = sent
					if err := ways[s].mark(barrierOf(id)); err != nil {
						t.Error(err)
					}
				}
				if err := ways[s].mark(theEnd); err != nil {
					t.Error(err)
				}
			})
		}
		c := newCut(senders)
		require.NoError(t, inboxes[0].deliver(t.Context(), nil, c))
		all.Wait()
		require.Empty(t, inboxes[0].held)
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

// fill sends until the lane has no batch left and the context ends.
func fill(ctx context.Context, l *lane[int]) (sent int64, err error) {
	for ; ; sent++ {
		if err := l.send(Event[int]{sent, l.from}); err != nil {
			return sent, err
		}
	}
}

func TestSenderWaitsForItsReceiver(t *testing.T) {
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	inboxes, ways := newExchange[int](ctx, 2, 1)
	ended := make(chan int64)
	go func() {
		sent, err := fill(ctx, &ways[0][0])
		if !errors.Is(err, stop) {
			t.Error(err)
		}
		ended <- sent
	}()
	for len(inboxes[0].messages) < laneBatches { // nobody receives
		time.Sleep(time.Millisecond)
	}
	cancel(stop)
	require.EqualValues(t, laneBatches*batchEvents, <-ended)
}

// A held sender must not fill the memory, nor must it hold up the others.
func TestHeldSenderWaitsAndOthersDoNot(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	inboxes, ways := newExchange[int](ctx, 2, 1)
	go func() {
		if err := ways[0].mark(barrierOf(1)); err != nil {
			t.Error(err)
		}
		_, _ = fill(ctx, &ways[0][0])
	}()
	go func() {
		const many = 50 * laneBatches * batchEvents
		for i := range int64(many) {
			if err := ways[1][0].send(Event[int]{i, 1}); err != nil {
				t.Error(err)
			}
		}
		_ = ways[1].flush()
		for len(inboxes[0].messages) > 0 {
			time.Sleep(time.Millisecond)
		}
		cancel(errors.New("seen enough"))
	}()
	c := newCut(2)
	require.ErrorContains(t, inboxes[0].deliver(ctx, nil, c), "seen enough")
	require.Zero(t, c.next[0])
	require.NotZero(t, c.next[1])
	require.LessOrEqual(t, len(inboxes[0].held), laneBatches)
	require.Empty(t, c.barriers)
}

func TestBatchesAreUsedAgainAndKeepNothing(t *testing.T) {
	inboxes, ways := newExchange[*int](t.Context(), 1, 1)
	l, in := &ways[0][0], inboxes[0]
	for range 3 * laneBatches {
		require.NoError(t, l.send(Event[*int]{0, new(int)}))
		require.NoError(t, l.flush())
		m := <-in.messages
		_, err := in.hand(m, discard[*int]{})
		require.NoError(t, err)
		require.Nil(t, m.events[0].Value)
	}
	require.Len(t, in.free[0], laneBatches)
}

// discard is a receiver.
type discard[T any] struct{}

func (discard[T]) events([]Event[T]) error     { return nil }
func (discard[T]) watermark(int64) error       { return nil }
func (discard[T]) barrier(checkpoint.ID) error { return nil }
func (discard[T]) tick(time.Time) error        { return nil }
func (discard[T]) idle() error                 { return nil }
