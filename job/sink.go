package job

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstate/weir/checkpoint"
)

// Sink takes a stream out of the job. What may take long in it, Write and the function
// that Snapshot returns most of all, must return an error when the context has ended
// that it was opened with: the job waits for it.
//
// Thread safety: one goroutine, but for what Snapshot returns.
type Sink[T any] interface {
	Write(Event[T]) error
	// Snapshot returns what it takes to go back to this moment, and a function
	// that makes durable what was written before it; that is called from
	// another goroutine, before the checkpoint can be complete. It may be nil.
	// Its error ends the attempt: what it was to make durable may be lost.
	Snapshot() (data []byte, sync func() error, err error)
	// Close ends the sink, when no sync is under way. The context has then ended,
	// unless the job has finished. Finished says that the
	// job has come to its end: everything that was written must then be
	// durable.
	Close(finished bool) error
}

// AddSink adds a sink of one subtask. Open is called in each attempt with what
// Snapshot returned for the checkpoint to go back to, nil at the beginning and
// never nil else: the sink must forget what was written after that. The context is
// that of the attempt, and the sink may keep it: it ends when the job is canceled or
// the attempt fails.
func AddSink[T any](s Stream[T], name string, open func(ctx context.Context, restored []byte) (Sink[T], error)) {
	if s.stream == nil {
		return
	}
	s.graph.add(sinkNode, name, open != nil)
	s.consumers = append(s.consumers, func(a *attempt, senders int) []outlet[T] {
		inboxes, ways := newExchange[T](a.ctx, senders, 1)
		a.add(name, 0, &writing[T]{attempt: a, name: name, open: open, in: inboxes[0]})
		outs := make([]outlet[T], senders)
		for i, way := range ways {
			outs[i] = soleOutlet[T]{way}
		}
		return outs
	})
}

// writing is the subtask of a sink.
//
// Thread safety: one goroutine.
type writing[T any] struct {
	attempt *attempt
	name    string
	open    func(context.Context, []byte) (Sink[T], error)
	in      *inbox[T]
	sink    Sink[T]
}

// begin implements task.
func (w *writing[T]) begin(ctx context.Context) error {
	data, err := w.attempt.restored.sink(w.name)
	if err != nil {
		return err
	}
	sink, err := w.open(ctx, data)
	if err != nil {
		return err
	}
	if sink == nil {
		return fmt.Errorf("%w: open returned no sink", ErrInvalid)
	}
	w.sink = sink
	return nil
}

// run implements task.
func (w *writing[T]) run(ctx context.Context) error { return w.in.deliver(ctx, nil, w) }

// events implements receiver.
func (w *writing[T]) events(batch []Event[T]) error {
	for _, e := range batch {
		if err := ended(w.attempt.ctx); err != nil {
			return err
		}
		if err := w.sink.Write(e); err != nil {
			return err
		}
	}
	return nil
}

// barrier implements receiver.
func (w *writing[T]) barrier(id checkpoint.ID) error {
	u := w.attempt.checkpoints.Upload(id, w.name, 0)
	if u.Context().Err() != nil {
		return nil
	}
	data, sync, err := w.sink.Snapshot()
	if err != nil {
		return err
	}
	w.attempt.aside(func() error {
		if sync != nil {
			if err := sync(); err != nil {
				return fmt.Errorf("sink %q: sync: %w", w.name, err)
			}
		}
		acknowledge(u, nil, append([]byte{sinkData}, data...))
		return nil
	})
	return nil
}

// watermark, tick and idle implement receiver: a sink has no use for them.
func (w *writing[T]) watermark(int64) error { return nil }
func (w *writing[T]) tick(time.Time) error  { return nil }
func (w *writing[T]) idle() error           { return nil }

// close implements task.
func (w *writing[T]) close(finished bool) error {
	if w.sink == nil {
		return nil
	}
	return w.sink.Close(finished)
}
