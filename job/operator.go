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

// Process adds an operator. Open is called for each subtask of each attempt,
// before state is restored: it declares states and timers on the task and
// returns what is called with each element, its key being the current one. The
// subtasks run at the same time, so what their functions share must bear that.
func Process[K, In, Out any](s KeyedStream[K, In], name string,
	open func(*Task[K, Out]) (process func(Event[In]) error, err error)) Stream[Out] {
	if s.stream == nil {
		return Stream[Out]{}
	}
	g := s.stream.graph
	g.add(operatorNode, name, s.key != nil && s.of != nil && open != nil)
	out := &stream[Out]{graph: g}
	s.stream.consumers = append(s.stream.consumers, func(a *attempt, senders int) []outlet[In] {
		inboxes, ways := newExchange[In](a.ctx, senders, a.parallelism)
		for i, outs := range out.connect(a, a.parallelism) {
			a.add(name, i, &operator[K, In, Out]{
				attempt: a, name: name, subtask: i, stream: s, open: open, in: inboxes[i], out: outs,
				task: &Task[K, Out]{ctx: a.ctx, subtask: i, watermark: math.MinInt64},
			})
		}
		return keyedOutlets(s, ways, a.owners)
	})
	return Stream[Out]{out}
}

// tickEvery is how exactly timers of processing time fire.
const tickEvery = 50 * time.Millisecond

// operator is a subtask of a keyed operator.
//
// Thread safety: one goroutine.
type operator[K, In, Out any] struct {
	attempt *attempt
	name    string
	subtask int
	stream  KeyedStream[K, In]
	open    func(*Task[K, Out]) (func(Event[In]) error, error)
	in      *inbox[In]
	out     outlets[Out]

	backend snapshot.Backend
	task    *Task[K, Out]
	process func(Event[In]) error
}

// begin implements task: it opens a backend, lets the program declare its
// states, and restores them.
func (o *operator[K, In, Out]) begin(ctx context.Context) error {
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
	o.in.resume(watermark)
	space := state.SubtaskKeyspace(o.subtask, o.attempt.parallelism, len(o.attempt.owners))
	backend, err := options.Open(state.Options{Keyspace: space, Limits: options.Limits})
	if err != nil {
		return fmt.Errorf("backend: %w", err)
	}
	o.backend = backend
	if o.task.keyed, err = state.NewKeyed(o.backend, o.stream.key); err != nil {
		return err
	}
	if o.process, err = o.open(o.task); err != nil {
		return err
	}
	if o.process == nil {
		return fmt.Errorf("%w: open returned no function", ErrInvalid)
	}
	if len(handles) == 0 {
		return nil
	}
	return o.attempt.restored.load(ctx, o.backend, handles, options.Checkpoints.AllowUnclaimed)
}

// declared implements declaring.
func (o *operator[K, In, Out]) declared() snapshot.Handle {
	registry := o.backend.Registry()
	return snapshot.Handle{Keyspace: registry.Keyspace(), States: registry.States()}
}

// run implements task.
func (o *operator[K, In, Out]) run(ctx context.Context) error {
	ticks := time.NewTicker(tickEvery)
	defer ticks.Stop()
	o.task.out, o.task.running = o.out, true
	if at := o.in.aligner.watermark; at > math.MinInt64 { // those after this one are at it as well
		if err := o.out.mark(mark{kind: watermarkMark, watermark: at}); err != nil {
			return err
		}
	}
	if err := o.in.deliver(ctx, ticks.C, o); err != nil {
		return err
	}
	return o.out.mark(mark{kind: endMark})
}

// events implements receiver.
func (o *operator[K, In, Out]) events(batch []Event[In]) error {
	keyed, of := o.task.keyed, o.stream.of
	for _, e := range batch {
		if err := ended(o.task.ctx); err != nil {
			return err
		}
		if err := keyed.SetKey(of(e.Value)); err != nil {
			return err
		}
		if err := o.process(e); err != nil {
			return err
		}
	}
	return o.task.failed
}

// watermark implements receiver: timers fire before those who come after hear
// of it.
func (o *operator[K, In, Out]) watermark(to int64) error {
	o.task.watermark = to
	if err := o.task.fire(state.EventTime, to); err != nil {
		return err
	}
	return o.out.mark(mark{kind: watermarkMark, watermark: to})
}

// tick implements receiver.
func (o *operator[K, In, Out]) tick(now time.Time) error {
	if err := o.task.fire(state.ProcessingTime, now.UnixMilli()); err != nil {
		return err
	}
	return o.idle()
}

// idle implements receiver.
func (o *operator[K, In, Out]) idle() error { return o.out.flush() }

// barrier implements receiver: the view of the state is taken before the
// barrier goes on, all else happens while the job does.
func (o *operator[K, In, Out]) barrier(id checkpoint.ID) error {
	u := o.attempt.checkpoints.Upload(id, o.name, o.subtask)
	if u.Context().Err() == nil {
		o.snapshot(id, u)
	}
	return o.out.mark(mark{kind: barrierMark, checkpoint: id})
}

func (o *operator[K, In, Out]) snapshot(id checkpoint.ID, u *checkpoint.Upload) {
	options := o.attempt.graph.options.Snapshot
	options.Name = u.Name()
	running, err := snapshot.Start(u.Context(), o.backend, u, options)
	if err != nil {
		u.Decline(err)
		return
	}
	o.attempt.paused(id, running.Pause())
	data := encodeWatermark(o.task.watermark)
	o.attempt.aside(func() error {
		handle, err := running.Wait()
		if err != nil {
			u.Decline(err)
		} else {
			acknowledge(u, &handle, data)
		}
		return nil
	})
}

// close implements task. No snapshot is running any more.
func (o *operator[K, In, Out]) close(bool) error {
	if o.backend == nil {
		return nil
	}
	return o.backend.Close()
}
