package job

import (
	"context"
	"math"

	"github.com/weirstate/weir/checkpoint"
)

const (
	// batchEvents is how many events travel together at most: a message that
	// wakes its receiver costs as much as some dozens of events.
	batchEvents = 512
	// laneBatches is how many batches a lane has: one being filled, one being
	// worked on, and two between.
	laneBatches = 4
)

// markKind says what a mark is.
type markKind uint8

const (
	noMark markKind = iota
	watermarkMark
	barrierMark
	endMark // nothing follows
)

// mark is what travels between events.
type mark struct {
	kind       markKind
	watermark  int64
	checkpoint checkpoint.ID
}

var finalWatermark = mark{kind: watermarkMark, watermark: math.MaxInt64}

// message is a batch of events and the mark that follows them. The batch
// belongs to whoever has the message, and goes back to its lane.
type message[T any] struct {
	from   int // index of the sender
	events []Event[T]
	mark   mark
}

// lane is the way from one sender to one receiver. Each message takes one of
// its batches along, and a sender without one waits for the receiver: so the
// number of batches bounds what is under way, and the inbox has room for all.
//
// Thread safety: the sender's goroutine.
type lane[T any] struct {
	ctx   context.Context
	from  int
	inbox chan<- message[T]
	free  <-chan []Event[T]
	batch []Event[T] // being filled
	open  bool       // batch was taken from free
}

// send adds an event to the batch, which goes off when it is full.
func (l *lane[T]) send(e Event[T]) error {
	if !l.open {
		if err := l.take(); err != nil {
			return err
		}
	}
	l.batch = append(l.batch, e)
	if len(l.batch) < batchEvents {
		return nil
	}
	return l.mark(mark{})
}

// mark sends what the batch holds, and a mark behind it.
func (l *lane[T]) mark(m mark) error {
	if !l.open {
		if err := l.take(); err != nil {
			return err
		}
	}
	l.inbox <- message[T]{l.from, l.batch, m}
	l.batch, l.open = nil, false
	return nil
}

// flush sends what the batch holds, if anything.
func (l *lane[T]) flush() error {
	if len(l.batch) == 0 {
		return nil
	}
	return l.mark(mark{})
}

// take waits for a free batch.
func (l *lane[T]) take() error {
	select {
	case l.batch = <-l.free:
		l.open = true
		return nil
	case <-l.ctx.Done():
		return context.Cause(l.ctx)
	}
}

// lanes are those of one sender to all subtasks of one consumer.
type lanes[T any] []lane[T]

func (l lanes[T]) mark(m mark) error {
	for i := range l {
		if err := l[i].mark(m); err != nil {
			return err
		}
	}
	return nil
}

func (l lanes[T]) flush() error {
	for i := range l {
		if err := l[i].flush(); err != nil {
			return err
		}
	}
	return nil
}

// newExchange connects every sender with every receiver.
func newExchange[T any](ctx context.Context, senders, receivers int) ([]*inbox[T], []lanes[T]) {
	inboxes, ways := make([]*inbox[T], receivers), make([]lanes[T], senders)
	for i := range ways {
		ways[i] = make(lanes[T], receivers)
	}
	for r := range inboxes {
		in := newInbox[T](senders)
		inboxes[r] = in
		for s := range ways {
			ways[s][r] = lane[T]{ctx: ctx, from: s, inbox: in.messages, free: in.free[s]}
		}
	}
	return inboxes, ways
}
