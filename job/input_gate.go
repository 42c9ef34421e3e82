package job

import (
	"context"
	"math"
	"time"

	"github.com/weirstate/weir/checkpoint"
)

// inputGate receives the messages of all senders of a subtask and passes them to the
// subtask, one at a time.
//
// The problem: a checkpoint must be a consistent cut. The state that a subtask writes must
// contain the effect of every element that its senders sent before their barriers, and of no
// element sent after. The senders run at different speeds, so their barriers arrive at
// different times. The gate therefore aligns them: after the barrier of one sender it sets
// the later messages of this sender aside (the channel is blocked) and reads on from the
// others, until the last barrier arrives.
//
//	sender 0   e e e |n e e e        |n is the barrier of checkpoint n
//	sender 1   e e e e e e e |n e
//	                 ▲       ▲
//	                 │       └ aligned: snapshot, forward |n, then process the blocked e e e
//	                 └ sender 0 is blocked; the gate reads only from sender 1
//
// Alignment costs latency and no memory: a blocked sender soon has no free batch and waits
// (see inputChannel), so at most channelBatches messages per sender are set aside.
// Messages of a sender that is not blocked never wait for a blocked one.
//
// Invariant: messages of one sender reach the receiver in the order in which they were sent.
//
// Invariant: receiver.barrier(n) is called after every element that was sent before a
// barrier n, and before every element that was sent after one.
//
// Invariant: receiver.watermark is called with rising values only.
//
// The rules for watermarks, barriers and ends are in aligner, which does no input or output.
//
// Thread safety: the subtask's goroutine, except for the Go channels.
type inputGate[T any] struct {
	queue   chan message[T]
	free    []chan []Event[T] // by sender: batches that it may fill
	aligner *aligner
	blocked []message[T] // messages of blocked senders, in order of arrival
}

func newInputGate[T any](senders int) *inputGate[T] {
	gate := &inputGate[T]{
		queue:   make(chan message[T], senders*channelBatches),
		free:    make([]chan []Event[T], senders),
		aligner: newAligner(senders),
	}
	for s := range gate.free {
		gate.free[s] = make(chan []Event[T], channelBatches)
		for range channelBatches {
			gate.free[s] <- nil
		}
	}
	return gate
}

// restoreWatermark sets the watermark to that of the restored checkpoint. It stays until
// every sender has sent a higher one: one sender may be silent for long, and elements of the
// other senders must not see a lower watermark than before the restart. A restored
// math.MaxInt64 becomes one less, so that the final watermark can still rise: new
// partitions may bring elements, whose timers must fire at the end.
func (g *inputGate[T]) restoreWatermark(watermark int64) {
	g.aligner.watermark = min(watermark, math.MaxInt64-1)
}

// receiver is a subtask that an input gate feeds.
type receiver[T any] interface {
	// events processes a batch from one sender. The gate reuses the slice after the call.
	events([]Event[T]) error
	// watermark is called when the lowest watermark of all senders has risen.
	watermark(int64) error
	// barrier is called when the barriers of all senders have arrived.
	barrier(checkpoint.ID) error
	// tick is called between two messages, approx. every tickEvery, later if the processing
	// of a message takes longer.
	tick(time.Time) error
	// idle is called when the queue is empty.
	idle() error
}

// deliver passes messages to the receiver until all senders have ended or ctx has.
func (g *inputGate[T]) deliver(ctx context.Context, ticks <-chan time.Time, to receiver[T]) error {
	for {
		if err := endCause(ctx); err != nil {
			return err
		}
		m, ok := g.takeUnblocked()
		if !ok {
			select {
			case m = <-g.queue:
				if g.aligner.isBlocked(m.from) {
					g.blocked = append(g.blocked, m)
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
		if ended, err := g.process(m, to); err != nil || ended {
			return err
		}
	}
}

// takeUnblocked removes and returns the first message in g.blocked whose sender is no
// longer blocked.
func (g *inputGate[T]) takeUnblocked() (m message[T], ok bool) {
	for i, m := range g.blocked {
		if !g.aligner.isBlocked(m.from) {
			copy(g.blocked[i:], g.blocked[i+1:])
			g.blocked[len(g.blocked)-1] = message[T]{}
			g.blocked = g.blocked[:len(g.blocked)-1]
			return m, true
		}
	}
	return m, false
}

// process passes the events of m to the receiver, returns the batch to its sender, and
// handles the control event. It reports whether all senders have ended.
func (g *inputGate[T]) process(m message[T], to receiver[T]) (ended bool, err error) {
	if len(m.events) > 0 {
		if err := to.events(m.events); err != nil {
			return false, err
		}
	}
	clear(m.events) // drop the references to the values
	g.free[m.from] <- m.events[:0]
	for _, c := range g.aligner.receive(m.from, m.control) {
		switch c.kind {
		case watermarkControl:
			err = to.watermark(c.watermark)
		case barrierControl:
			err = to.barrier(c.checkpoint)
		case endControl:
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	if len(g.queue) == 0 {
		err = to.idle()
	}
	return false, err
}
