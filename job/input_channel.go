package job

import (
	"context"
	"math"

	"github.com/weirstate/weir/checkpoint"
)

const (
	// batchEvents is the largest number of events in a batch. Waking a receiver costs as
	// much as processing some dozens of events.
	batchEvents = 512
	// channelBatches is the number of batches of an input channel: the sender fills one,
	// the receiver works on one, and two wait in between.
	channelBatches = 4
)

// controlKind is the kind of a control event.
type controlKind uint8

const (
	noControl        controlKind = iota // the message has no control event
	watermarkControl                    // the watermark of the sender rose
	barrierControl                      // the sender's part of a checkpoint ends here
	endControl                          // the sender sends nothing more
)

// controlEvent travels with the elements of a stream, in order with them.
type controlEvent struct {
	kind       controlKind
	watermark  int64         // of watermarkControl
	checkpoint checkpoint.ID // of barrierControl
}

// finalWatermark follows the last element of a source subtask.
var finalWatermark = controlEvent{kind: watermarkControl, watermark: math.MaxInt64}

// message is a batch of events and the control event after them. The holder of the message
// owns the batch; the receiver returns it to its input channel.
type message[T any] struct {
	from    int // index of the sender
	events  []Event[T]
	control controlEvent
}

// inputChannel is the path from one sender to one receiver. It has channelBatches batches.
// Each message carries one of them, and a sender without a batch waits until the receiver
// returns one. This is the backpressure: the batches bound the in-flight data, and the
// queue of the input gate has room for all of them, so sending to the queue never blocks.
//
//	sender ── fills batch ──▶ queue of the gate ──▶ receiver
//	   ▲                                               │
//	   └──────────────── free batches ◀────────────────┘
//
// Thread safety: the sender's goroutine.
type inputChannel[T any] struct {
	ctx      context.Context
	from     int // index of the sender
	queue    chan<- message[T]
	free     <-chan []Event[T]
	batch    []Event[T] // being filled
	hasBatch bool       // batch was taken from free
}

// send adds an event to the batch, and sends the batch if it is full.
func (c *inputChannel[T]) send(e Event[T]) error {
	if !c.hasBatch {
		if err := c.waitForBatch(); err != nil {
			return err
		}
	}
	c.batch = append(c.batch, e)
	if len(c.batch) < batchEvents {
		return nil
	}
	return c.sendControl(controlEvent{})
}

// sendControl sends the batch, which may be empty, with a control event after it.
func (c *inputChannel[T]) sendControl(control controlEvent) error {
	if !c.hasBatch {
		if err := c.waitForBatch(); err != nil {
			return err
		}
	}
	c.queue <- message[T]{c.from, c.batch, control}
	c.batch, c.hasBatch = nil, false
	return nil
}

// flush sends the batch if it has events.
func (c *inputChannel[T]) flush() error {
	if len(c.batch) == 0 {
		return nil
	}
	return c.sendControl(controlEvent{})
}

// waitForBatch waits for a free batch.
func (c *inputChannel[T]) waitForBatch() error {
	select {
	case c.batch = <-c.free:
		c.hasBatch = true
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// inputChannels are the channels from one sender to all subtasks of one consumer.
type inputChannels[T any] []inputChannel[T]

func (c inputChannels[T]) sendControl(control controlEvent) error {
	for i := range c {
		if err := c[i].sendControl(control); err != nil {
			return err
		}
	}
	return nil
}

func (c inputChannels[T]) flush() error {
	for i := range c {
		if err := c[i].flush(); err != nil {
			return err
		}
	}
	return nil
}

// newExchange connects every sender with every receiver. It returns the input gates of the
// receivers and the input channels of the senders.
func newExchange[T any](ctx context.Context, senders, receivers int) ([]*inputGate[T], []inputChannels[T]) {
	gates, channels := make([]*inputGate[T], receivers), make([]inputChannels[T], senders)
	for i := range channels {
		channels[i] = make(inputChannels[T], receivers)
	}
	for r := range gates {
		gate := newInputGate[T](senders)
		gates[r] = gate
		for s := range channels {
			channels[s][r] = inputChannel[T]{ctx: ctx, from: s, queue: gate.queue, free: gate.free[s]}
		}
	}
	return gates, channels
}
