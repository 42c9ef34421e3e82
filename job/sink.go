package job

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstate/weir/checkpoint"
)

// Sink writes a stream to the outside of the job. The job waits for its methods. Write and the
// sync function of Snapshot may take long, so they must return an error when the context that
// was passed to the sink's open function ends.
//
// Thread safety: one goroutine, except for the function that Snapshot returns.
type Sink[T any] interface {
	// Write writes one element.
	Write(Event[T]) error
	// Snapshot returns data that describes the current position of the sink, and a
	// function that makes everything written so far durable. The job calls sync, unless it
	// is nil, on another goroutine, and completes the checkpoint only after it. An error of
	// sync ends the attempt, since written elements may be lost.
	Snapshot() (data []byte, sync func() error, err error)
	// Close ends the sink. The job calls it while no sync function runs. If finished is
	// true, the job has processed all input, and Close must make everything written durable.
	// Otherwise the context of the sink has ended.
	Close(finished bool) error
}

// AddSink adds a sink with one subtask. Each attempt calls open with the data that Snapshot
// returned for the restored checkpoint: nil if the job begins from the first element, never
// nil otherwise. The sink must forget everything written after that Snapshot. The context is
// that of the attempt; it ends when the job is canceled or the attempt fails. The sink may
// keep it.
func AddSink[T any](s Stream[T], name string, open func(ctx context.Context, restored []byte) (Sink[T], error)) {
	if s.stream == nil {
		return
	}
	s.graph.addNode(sinkNode, name, open != nil)
	s.consumers = append(s.consumers, func(a *attempt, senders int) []output[T] {
		gates, channels := newExchange[T](a.ctx, senders, 1)
		a.addSubtask(name, 0, &sinkTask[T]{attempt: a, name: name, open: open, in: gates[0]})
		outs := make([]output[T], senders)
		for i, c := range channels {
			outs[i] = singleOutput[T]{c}
		}
		return outs
	})
}

// sinkTask is the subtask of a sink.
//
// Thread safety: one goroutine.
type sinkTask[T any] struct {
	attempt *attempt
	name    string
	open    func(context.Context, []byte) (Sink[T], error)
	in      *inputGate[T]
	sink    Sink[T]
}

// begin implements task.
func (s *sinkTask[T]) begin(ctx context.Context) error {
	data, err := s.attempt.restored.sinkData(s.name)
	if err != nil {
		return err
	}
	sink, err := s.open(ctx, data)
	if err != nil {
		return err
	}
	if sink == nil {
		return fmt.Errorf("%w: open returned a nil sink", ErrInvalid)
	}
	s.sink = sink
	return nil
}

// run implements task.
func (s *sinkTask[T]) run(ctx context.Context) error { return s.in.deliver(ctx, nil, s) }

// events implements receiver.
func (s *sinkTask[T]) events(batch []Event[T]) error {
	for _, e := range batch {
		if err := endCause(s.attempt.ctx); err != nil {
			return err
		}
		if err := s.sink.Write(e); err != nil {
			return err
		}
	}
	return nil
}

// barrier implements receiver.
func (s *sinkTask[T]) barrier(id checkpoint.ID) error {
	u := s.attempt.checkpoints.Upload(id, s.name, 0)
	if u.Context().Err() != nil {
		return nil
	}
	data, sync, err := s.sink.Snapshot()
	if err != nil {
		return err
	}
	s.attempt.runAsync(func() error {
		if sync != nil {
			if err := sync(); err != nil {
				return fmt.Errorf("sink %q: sync: %w", s.name, err)
			}
		}
		acknowledge(u, nil, append([]byte{sinkKind}, data...))
		return nil
	})
	return nil
}

// watermark, tick and idle implement receiver. A sink ignores them.
func (s *sinkTask[T]) watermark(int64) error { return nil }
func (s *sinkTask[T]) tick(time.Time) error  { return nil }
func (s *sinkTask[T]) idle() error           { return nil }

// close implements task.
func (s *sinkTask[T]) close(finished bool) error {
	if s.sink == nil {
		return nil
	}
	return s.sink.Close(finished)
}
