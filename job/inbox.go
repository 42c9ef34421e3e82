package job

import (
	"context"
	"math"
	"time"

	"github.com/weirstate/weir/checkpoint"
)

// inbox is where a subtask gets the messages of all its senders.
//
// Thread safety: the subtask's goroutine, but for the channels.
type inbox[T any] struct {
	messages chan message[T]
	free     []chan []Event[T] // by sender: batches to be filled again
	aligner  *aligner
	held     []message[T] // of senders that are ahead of the others; in order
}

func newInbox[T any](senders int) *inbox[T] {
	in := &inbox[T]{
		messages: make(chan message[T], senders*laneBatches),
		free:     make([]chan []Event[T], senders),
		aligner:  newAligner(senders),
	}
	for s := range in.free {
		in.free[s] = make(chan []Event[T], laneBatches)
		for range laneBatches {
			in.free[s] <- nil
		}
	}
	return in
}

// resume makes the watermark of a checkpoint that of all senders, until each has sent a
// higher one: a sender may be silent for long, and what the others send meanwhile must
// not find an earlier time than before. That of the end stays to come: new partitions
// may bring more, and their timers are to fire at the end of them.
func (in *inbox[T]) resume(watermark int64) {
	in.aligner.watermark = min(watermark, math.MaxInt64-1)
}

// receiver is a subtask as its inbox sees it.
type receiver[T any] interface {
	// events come in the order of each sender. The slice is good until the call
	// returns.
	events([]Event[T]) error
	// watermark is that of all senders; it only rises.
	watermark(int64) error
	// barrier comes when all that was sent before it has come, and nothing
	// that was sent after it.
	barrier(checkpoint.ID) error
	// tick comes regularly.
	tick(time.Time) error
	// idle says that no message is waiting.
	idle() error
}

// deliver hands messages on until all senders have ended.
func (in *inbox[T]) deliver(ctx context.Context, ticks <-chan time.Time, to receiver[T]) error {
	for {
		if err := ended(ctx); err != nil {
			return err
		}
		m, ok := in.released()
		if !ok {
			select {
			case m = <-in.messages:
				if in.aligner.holds(m.from) {
					in.held = append(in.held, m)
					continue
				}
			case now := <-ticks:
				if err := to.tick(now); err != nil {
					return err
				}
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if ended, err := in.hand(m, to); err != nil || ended {
			return err
		}
	}
}

// released takes out the first message that is held no longer.
func (in *inbox[T]) released() (m message[T], ok bool) {
	for i, m := range in.held {
		if !in.aligner.holds(m.from) {
			copy(in.held[i:], in.held[i+1:])
			in.held[len(in.held)-1] = message[T]{}
			in.held = in.held[:len(in.held)-1]
			return m, true
		}
	}
	return m, false
}

func (in *inbox[T]) hand(m message[T], to receiver[T]) (ended bool, err error) {
	if len(m.events) > 0 {
		if err := to.events(m.events); err != nil {
			return false, err
		}
	}
	clear(m.events) // what they point to is not to stay
	in.free[m.from] <- m.events[:0]
	for _, reached := range in.aligner.take(m.from, m.mark) {
		switch reached.kind {
		case watermarkMark:
			err = to.watermark(reached.watermark)
		case barrierMark:
			err = to.barrier(reached.checkpoint)
		case endMark:
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	if len(in.messages) == 0 {
		err = to.idle()
	}
	return false, err
}
