package job

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// Process adds an operator on keyed state. Each attempt calls open once per subtask, before
// it restores state: open declares states and timers on the task and returns the function
// that processes an element. The job calls process with the element's key as the current
// key. Subtasks run concurrently, so open and process must synchronize data that they share.
func Process[K, In, Out any](s KeyedStream[K, In], name string,
	open func(*Task[K, Out]) (process func(Event[In]) error, err error)) Stream[Out] {
	if s.stream == nil {
		return Stream[Out]{}
	}
	g := s.stream.graph
	g.addNode(operatorNode, name, s.key != nil && s.keyOf != nil && open != nil)
	out := &stream[Out]{graph: g}
	s.stream.consumers = append(s.stream.consumers, func(a *attempt, senders int) []output[In] {
		gates, channels := newExchange[In](a.ctx, senders, a.parallelism)
		for i, outs := range out.connect(a, a.parallelism) {
			a.addSubtask(name, i, &operatorTask[K, In, Out]{
				attempt: a, name: name, subtask: i, stream: s, open: open, in: gates[i], out: outs,
				task: &Task[K, Out]{ctx: a.ctx, subtask: i, watermark: math.MinInt64},
			})
		}
		return keyedOutputs(s, channels, a.owners)
	})
	return Stream[Out]{out}
}

// tickEvery is the time between two checks for processing-time timers that are due.
const tickEvery = 50 * time.Millisecond

// operatorTask is a subtask of a keyed operator.
//
// Thread safety: one goroutine.
type operatorTask[K, In, Out any] struct {
	attempt *attempt
	name    string
	subtask int
	stream  KeyedStream[K, In]
	open    func(*Task[K, Out]) (func(Event[In]) error, error)
	in      *inputGate[In]
	out     outputs[Out]

	backend snapshot.Backend
	task    *Task[K, Out]
	process func(Event[In]) error
}

// begin implements task: it opens a backend, lets the operator declare its states, and
// restores them.
func (o *operatorTask[K, In, Out]) begin(ctx context.Context) error {
	options := o.attempt.graph.options
	handles, err := o.attempt.restored.handles(o.name)
	if err != nil {
		return err
	}
	watermark, err := o.attempt.restored.watermark(o.name)
	if err != nil {
		return err
	}
	o.task.watermark = watermark
	o.in.restoreWatermark(watermark)
	keyspace := state.SubtaskKeyspace(o.subtask, o.attempt.parallelism, len(o.attempt.owners))
	backend, err := options.Open(state.Options{Keyspace: keyspace, Limits: options.Limits})
	if err != nil {
		return fmt.Errorf("open backend: %w", err)
	}
	o.backend = backend
	if o.task.keyed, err = state.NewKeyed(o.backend, o.stream.key); err != nil {
		return err
	}
	if o.process, err = o.open(o.task); err != nil {
		return err
	}
	if o.process == nil {
		return fmt.Errorf("%w: open returned a nil function", ErrInvalid)
	}
	if len(handles) == 0 {
		return nil
	}
	return o.attempt.restored.load(ctx, o.backend, handles, options.Checkpoints.AllowUnclaimed)
}

// declaredHandle implements stateDeclarer.
func (o *operatorTask[K, In, Out]) declaredHandle() snapshot.Handle {
	registry := o.backend.Registry()
	return snapshot.Handle{Keyspace: registry.Keyspace(), States: registry.States()}
}

// run implements task.
func (o *operatorTask[K, In, Out]) run(ctx context.Context) error {
	ticks := time.NewTicker(tickEvery)
	defer ticks.Stop()
	o.task.out, o.task.running = o.out, true
	if restored := o.in.aligner.watermark; restored > math.MinInt64 { // operators after this one had reached it too
		if err := o.out.sendControl(controlEvent{kind: watermarkControl, watermark: restored}); err != nil {
			return err
		}
	}
	if err := o.in.deliver(ctx, ticks.C, o); err != nil {
		return err
	}
	return o.out.sendControl(controlEvent{kind: endControl})
}

// events implements receiver.
func (o *operatorTask[K, In, Out]) events(batch []Event[In]) error {
	keyed, keyOf := o.task.keyed, o.stream.keyOf
	for _, e := range batch {
		if err := endCause(o.task.ctx); err != nil {
			return err
		}
		if err := keyed.SetKey(keyOf(e.Value)); err != nil {
			return err
		}
		if err := o.process(e); err != nil {
			return err
		}
	}
	return o.task.failed
}

// watermark implements receiver. It fires timers before it forwards the watermark, so that
// elements that timers emit are not late.
func (o *operatorTask[K, In, Out]) watermark(to int64) error {
	o.task.watermark = to
	if err := o.task.fire(state.EventTime, to); err != nil {
		return err
	}
	return o.out.sendControl(controlEvent{kind: watermarkControl, watermark: to})
}

// tick implements receiver.
func (o *operatorTask[K, In, Out]) tick(now time.Time) error {
	if err := o.task.fire(state.ProcessingTime, now.UnixMilli()); err != nil {
		return err
	}
	return o.idle()
}

// idle implements receiver.
func (o *operatorTask[K, In, Out]) idle() error { return o.out.flush() }

// barrier implements receiver. It takes the view of the state before it forwards the
// barrier; other goroutines write the view while the subtask continues.
func (o *operatorTask[K, In, Out]) barrier(id checkpoint.ID) error {
	u := o.attempt.checkpoints.Upload(id, o.name, o.subtask)
	if u.Context().Err() == nil {
		o.startSnapshot(id, u)
	}
	return o.out.sendControl(controlEvent{kind: barrierControl, checkpoint: id})
}

// startSnapshot takes the view of the state. A failure declines the checkpoint and does not
// fail the attempt.
func (o *operatorTask[K, In, Out]) startSnapshot(id checkpoint.ID, u *checkpoint.Upload) {
	options := o.attempt.graph.options.Snapshot
	options.Name = u.Name()
	running, err := snapshot.Start(u.Context(), o.backend, u, options)
	if err != nil {
		u.Decline(err)
		return
	}
	o.attempt.addPause(id, running.Pause())
	data := encodeWatermark(o.task.watermark)
	o.attempt.runAsync(func() error {
		handle, err := running.Wait()
		if err != nil {
			u.Decline(err)
		} else {
			acknowledge(u, &handle, data)
		}
		return nil
	})
}

// close implements task. No snapshot of the backend is running.
func (o *operatorTask[K, In, Out]) close(bool) error {
	if o.backend == nil {
		return nil
	}
	return o.backend.Close()
}
