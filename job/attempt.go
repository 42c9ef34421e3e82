package job

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// task is what a subtask does in one attempt. Begin and run are called on its
// own goroutine, close on another when all subtasks have returned from run, and
// all that they left to do aside is done.
type task interface {
	// begin opens the subtask, as the restored checkpoint says.
	begin(context.Context) error
	// run works until the input has ended, or the context.
	run(context.Context) error
	// close releases what begin took, however far that came. Finished says that
	// no subtask has failed.
	close(finished bool) error
}

// attempt is one run of the graph: a set of subtasks that begin, go on and end
// together. It is the Tasks of the coordinator.
//
// Thread safety: safe for concurrent use once it runs.
type attempt struct {
	graph       *Graph
	running     *Running
	parallelism int
	owners      []uint16 // subtask by key group
	restored    restored
	checkpoints *checkpoint.Attempt // nil without a storage
	number      checkpoint.Number
	skipped     []error
	records     *atomic.Int64

	ctx    context.Context // of all that the attempt does
	cancel context.CancelCauseFunc
	tasks  []subtask // those further down the stream first
	begun  bool      // all subtasks were opened

	sources      []chan<- struct{} // wakes each
	trigger      atomic.Uint64     // newest checkpoint.ID that was triggered
	reading      atomic.Int64      // source subtasks that are not at their end
	allRead      chan struct{}     // closed when there are none
	stopTriggers context.CancelFunc
	asides       sync.WaitGroup

	mu     sync.Mutex
	pauses map[checkpoint.ID][]time.Duration // of checkpoints under way
}

type subtask struct {
	operator string
	index    int
	task
}

func newAttempt(ctx context.Context, r *Running) *attempt {
	a := &attempt{
		graph: r.graph, running: r, parallelism: r.graph.options.Parallelism, records: &r.records,
		allRead: make(chan struct{}), pauses: make(map[checkpoint.ID][]time.Duration),
	}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	return a
}

// add adds a subtask.
func (a *attempt) add(operator string, index int, t task) {
	a.tasks = append(a.tasks, subtask{operator, index, t})
}

// prepare asks the coordinator what to go back to, and lays the graph out for it.
func (a *attempt) prepare() error {
	if c := a.running.coordinator; c != nil {
		var err error
		if a.checkpoints, err = c.Begin(a.ctx, a, a.graph.subtasks()); err != nil {
			return err
		}
		a.number, a.skipped = a.checkpoints.Number(), a.checkpoints.Skipped()
		a.restored = restored{a.checkpoints.Restored(), a.checkpoints.Source()}
	}
	groups := cmp.Or(a.graph.options.MaxParallelism, a.restored.maxParallelism(), state.DefaultMaxParallelism(a.parallelism))
	if a.parallelism > groups {
		return errParallelism(a.parallelism, groups)
	}
	a.owners = ownersOf(a.parallelism, groups)
	for _, connect := range a.graph.sources {
		connect(a)
	}
	a.reading.Store(int64(len(a.sources)))
	return nil
}

// run runs the attempt to its end. No goroutine outlives it.
func (a *attempt) run(cause error) error {
	started := time.Now()
	var opening, working sync.WaitGroup
	begin := make(chan struct{})
	for _, s := range a.tasks {
		opening.Add(1)
		working.Go(func() { a.work(s, sync.OnceFunc(opening.Done), begin) })
	}
	opening.Wait()
	var watching sync.WaitGroup
	ctx, stop := context.WithCancel(a.ctx)
	worked := make(chan struct{})
	a.stopTriggers = stop
	if err := a.checkDeclared(); err != nil {
		a.fail(err)
	}
	if a.ctx.Err() == nil {
		a.begun = true
		a.running.restored(a, RestoreReport{
			Attempt: a.number, Cause: cause, Checkpoint: a.restored.id(), Skipped: a.skipped,
			Offset: a.restored.offset(a.graph), Took: time.Since(started),
		})
		if a.checkpoints != nil {
			watching.Go(func() { a.checkpoints.Run(ctx) })
			watching.Go(func() { a.endCheckpoints(worked) })
		}
		close(begin)
	}
	working.Wait()
	stop()
	close(worked)
	watching.Wait()
	return a.end()
}

// declaring is a subtask with a backend.
type declaring interface {
	// declared returns a handle of a snapshot of which only key groups and states are
	// known.
	declared() snapshot.Handle
}

// checkDeclared returns an error if no checkpoint could ever hold the states that the
// subtasks declared when they were opened.
func (a *attempt) checkDeclared() error {
	if a.checkpoints == nil || a.ctx.Err() != nil {
		return nil
	}
	handles := make(map[string][]snapshot.Handle)
	for _, s := range a.tasks { // those of an operator in their order
		if o, ok := s.task.(declaring); ok {
			handles[s.operator] = append(handles[s.operator], o.declared())
		}
	}
	return a.checkpoints.CheckDeclared(handles)
}

// endCheckpoints ends the checkpoints under way as soon as the attempt has failed:
// a subtask may be writing to one.
func (a *attempt) endCheckpoints(worked <-chan struct{}) {
	select {
	case <-a.ctx.Done():
		a.checkpoints.End()
	case <-worked:
	}
}

// work is the life of a subtask.
func (a *attempt) work(s subtask, opened func(), begin <-chan struct{}) {
	defer opened()
	err := ErrPanic // should the program end this goroutine
	defer func() {
		if err != nil {
			a.fail(fmt.Errorf("%q subtask %d: %w", s.operator, s.index, err))
		}
	}()
	err = guard(func() error {
		if err := s.begin(a.ctx); err != nil {
			return err
		}
		opened()
		select {
		case <-begin:
			return s.run(a.ctx)
		case <-a.ctx.Done():
			return context.Cause(a.ctx)
		}
	})
}

// end waits for what the subtasks left to do aside, and closes them: sources
// first, sinks last.
func (a *attempt) end() error {
	if a.checkpoints != nil {
		a.checkpoints.End()
	}
	a.asides.Wait()
	failure := context.Cause(a.ctx) // what comes later changes nothing
	for _, s := range slices.Backward(a.tasks) {
		err := apart(func() error { return s.close(failure == nil) })
		switch {
		case err != nil && failure == nil:
			failure = fmt.Errorf("close %q subtask %d: %w", s.operator, s.index, err)
		case err != nil:
			a.graph.options.Logger.Warn("close", "operator", s.operator, "subtask", s.index, "err", err)
		}
	}
	return failure
}

// fail ends the attempt. Only the first reason counts.
func (a *attempt) fail(reason error) { a.cancel(reason) }

// aside does what a subtask need not wait for.
func (a *attempt) aside(work func() error) {
	a.asides.Go(func() {
		err := ErrPanic // should the program end this goroutine
		defer func() {
			if err != nil {
				a.fail(err)
			}
		}()
		err = guard(work)
	})
}

// acknowledge hands in the part of a subtask.
func acknowledge(u *checkpoint.Upload, h *snapshot.Handle, data []byte) {
	if err := u.Acknowledge(h, data); err != nil {
		u.Decline(err)
	}
}

// triggered is the newest checkpoint that was triggered.
func (a *attempt) triggered() checkpoint.ID { return checkpoint.ID(a.trigger.Load()) }

// sourceAtEnd says that a subtask of a source has read everything. After the
// last of them there is nothing to go back to a checkpoint for but what is under
// way.
func (a *attempt) sourceAtEnd() {
	if a.reading.Add(-1) == 0 {
		a.stopTriggers()
		close(a.allRead)
	}
}

// paused notes how long a subtask was stopped.
func (a *attempt) paused(id checkpoint.ID, pause time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pauses[id] = append(a.pauses[id], pause)
}

func (a *attempt) takePauses(id checkpoint.ID) []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	pauses := a.pauses[id]
	delete(a.pauses, id)
	return pauses
}

// Trigger implements checkpoint.Tasks.
func (a *attempt) Trigger(t checkpoint.Trigger) {
	a.trigger.Store(uint64(t.ID))
	for _, wake := range a.sources {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// Complete implements checkpoint.Tasks.
func (a *attempt) Complete(s checkpoint.Stats) {
	a.running.ended(a, CheckpointReport{Stats: s, Pauses: a.takePauses(s.ID)})
}

// Aborted implements checkpoint.Tasks.
func (a *attempt) Aborted(id checkpoint.ID, reason error) {
	a.running.ended(a, CheckpointReport{
		Stats: checkpoint.Stats{ID: id}, Pauses: a.takePauses(id), Err: reason,
	})
}

// Fail implements checkpoint.Tasks.
func (a *attempt) Fail(reason error) { a.fail(reason) }
