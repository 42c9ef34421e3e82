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

// task is the work of one subtask in one attempt. The subtask's goroutine calls begin and
// run. Another goroutine calls close after run has returned in all subtasks and all work of
// attempt.runAsync is done.
type task interface {
	// begin opens the subtask and restores its part of the checkpoint.
	begin(context.Context) error
	// run processes the input until it ends or the context does.
	run(context.Context) error
	// close releases everything that begin opened, even if begin failed halfway. Finished
	// is true if no subtask has failed.
	close(finished bool) error
}

// attempt is one execution of the graph: a set of subtasks that open, run and end together.
// It implements checkpoint.Tasks, the interface through which the coordinator triggers
// checkpoints and reports their ends.
//
//	coordinator ── Trigger(n) ──▶ source 0   source 1      each injects barrier |n
//	     ▲                           │  ╲   ╱  │
//	     │                        |n ▼   ▼ ▼   ▼ |n        one input channel per pair
//	     │                      operator 0  operator 1     aligns |n, takes a view, forwards |n
//	     │                           ╲         ╱
//	     │                            ▼       ▼
//	     └── Upload.Acknowledge ────── sink                aligns |n, takes its position
//	         of every subtask
//
// A checkpoint does not stop the attempt. A subtask pauses only while it takes the view of
// its state, some microseconds; runAsync writes the view while the subtask continues. The
// coordinator completes the checkpoint when every subtask has acknowledged its part.
//
// The phases of an attempt:
//
//	prepare   choose the checkpoint to restore, create subtasks and channels
//	begin     all subtasks open and restore, in parallel
//	run       starts only after every subtask has begun, so a failed restore has no effects
//	end       wait for runAsync, then close the subtasks, sources first
//
// Invariant: the first failure ends ctx, and with it all subtasks; later failures are dropped,
// except that errors of close are logged.
//
// Invariant: run returns after all goroutines of the attempt have ended.
//
// Invariant: a subtask closes its backend after all snapshots of the backend have ended.
//
// Thread safety: safe for concurrent use after prepare.
type attempt struct {
	graph       *Graph
	running     *Running
	parallelism int
	owners      []uint16 // subtask by key group
	restored    restoredCheckpoint
	checkpoints *checkpoint.Attempt // nil without a storage
	number      checkpoint.AttemptID
	skipped     []error
	records     *atomic.Int64 // of all attempts

	ctx    context.Context // of all goroutines of the attempt; its cause is the failure
	cancel context.CancelCauseFunc
	tasks  []subtask // downstream subtasks before those that send to them
	begun  bool      // every subtask has begun

	sources         []chan<- struct{} // wakes the source subtasks
	newestTrigger   atomic.Uint64     // checkpoint.ID
	openSources     atomic.Int64      // source subtasks that have not ended
	allSourcesEnded chan struct{}     // closed when openSources is 0
	stopTriggers    context.CancelFunc
	async           sync.WaitGroup // of runAsync

	mu     sync.Mutex
	pauses map[checkpoint.ID][]time.Duration // of pending checkpoints
}

type subtask struct {
	operator string
	index    int
	task
}

func newAttempt(ctx context.Context, r *Running) *attempt {
	a := &attempt{
		graph: r.graph, running: r, parallelism: r.graph.options.Parallelism, records: &r.records,
		allSourcesEnded: make(chan struct{}), pauses: make(map[checkpoint.ID][]time.Duration),
	}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	return a
}

// addSubtask adds a subtask of a source, operator or sink.
func (a *attempt) addSubtask(operator string, index int, t task) {
	a.tasks = append(a.tasks, subtask{operator, index, t})
}

// prepare gets the checkpoint to restore from the coordinator, and creates all subtasks.
func (a *attempt) prepare() error {
	if c := a.running.coordinator; c != nil {
		var err error
		if a.checkpoints, err = c.Begin(a.ctx, a, a.graph.subtasks()); err != nil {
			return err
		}
		a.number, a.skipped = a.checkpoints.ID(), a.checkpoints.Skipped()
		a.restored = restoredCheckpoint{a.checkpoints.Restored(), a.checkpoints.Source()}
	}
	groups := cmp.Or(a.graph.options.MaxParallelism, a.restored.maxParallelism(), state.DefaultMaxParallelism(a.parallelism))
	if a.parallelism > groups {
		return errParallelism(a.parallelism, groups)
	}
	a.owners = ownersOf(a.parallelism, groups)
	for _, connect := range a.graph.sources {
		connect(a)
	}
	a.openSources.Store(int64(len(a.sources)))
	return nil
}

// run runs all subtasks until they have ended. Cause is the failure of the previous attempt.
func (a *attempt) run(cause error) error {
	started := time.Now()
	var opening, working sync.WaitGroup
	start := make(chan struct{})
	for _, s := range a.tasks {
		opening.Add(1)
		working.Go(func() { a.runSubtask(s, sync.OnceFunc(opening.Done), start) })
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
		a.running.reportRestore(a, RestoreReport{
			Attempt: a.number, Cause: cause, Checkpoint: a.restored.id(), Skipped: a.skipped,
			Offset: a.restored.offset(a.graph), Took: time.Since(started),
		})
		if a.checkpoints != nil {
			watching.Go(func() { a.checkpoints.Run(ctx) })
			watching.Go(func() { a.endCheckpointsOnFailure(worked) })
		}
		close(start)
	}
	working.Wait()
	stop()
	close(worked)
	watching.Wait()
	return a.closeSubtasks()
}

// stateDeclarer is a task with a backend.
type stateDeclarer interface {
	// declaredHandle returns a handle with the keyspace and the states of the backend, and
	// without files.
	declaredHandle() snapshot.Handle
}

// checkDeclared returns an error if the states that the subtasks declared are too many for
// any checkpoint.
func (a *attempt) checkDeclared() error {
	if a.checkpoints == nil || a.ctx.Err() != nil {
		return nil
	}
	handles := make(map[string][]snapshot.Handle)
	for _, s := range a.tasks { // subtasks of one operator in order
		if d, ok := s.task.(stateDeclarer); ok {
			handles[s.operator] = append(handles[s.operator], d.declaredHandle())
		}
	}
	return a.checkpoints.CheckDeclared(handles)
}

// endCheckpointsOnFailure aborts pending checkpoints when the attempt fails. A subtask that
// writes a snapshot synchronously then stops writing.
func (a *attempt) endCheckpointsOnFailure(worked <-chan struct{}) {
	select {
	case <-a.ctx.Done():
		a.checkpoints.End()
	case <-worked:
	}
}

// runSubtask begins a subtask, calls opened, and runs the subtask after start is closed. An
// error ends the attempt.
func (a *attempt) runSubtask(s subtask, opened func(), start <-chan struct{}) {
	defer opened()
	err := ErrPanic // stays if the program ends this goroutine
	defer func() {
		if err != nil {
			a.fail(fmt.Errorf("%q subtask %d: %w", s.operator, s.index, err))
		}
	}()
	err = recoverPanics(func() error {
		if err := s.begin(a.ctx); err != nil {
			return err
		}
		opened()
		select {
		case <-start:
			return s.run(a.ctx)
		case <-a.ctx.Done():
			return context.Cause(a.ctx)
		}
	})
}

// closeSubtasks waits for the work of runAsync, and then closes all subtasks: sources first,
// sinks last. It returns the failure of the attempt, or the first error of a close.
func (a *attempt) closeSubtasks() error {
	if a.checkpoints != nil {
		a.checkpoints.End()
	}
	a.async.Wait()
	failure := context.Cause(a.ctx) // a context that ends later does not matter
	for _, s := range slices.Backward(a.tasks) {
		err := callGuarded(func() error { return s.close(failure == nil) })
		switch {
		case err != nil && failure == nil:
			failure = fmt.Errorf("close %q subtask %d: %w", s.operator, s.index, err)
		case err != nil:
			a.graph.options.Logger.Warn("close failed", "operator", s.operator, "subtask", s.index, "err", err)
		}
	}
	return failure
}

// fail ends the attempt. Only the first call has an effect.
func (a *attempt) fail(reason error) { a.cancel(reason) }

// runAsync runs work on a goroutine that the attempt waits for. An error ends the attempt.
func (a *attempt) runAsync(work func() error) {
	a.async.Go(func() {
		err := ErrPanic // stays if the program ends this goroutine
		defer func() {
			if err != nil {
				a.fail(err)
			}
		}()
		err = recoverPanics(work)
	})
}

// acknowledge acknowledges the part of a subtask, and declines the checkpoint if that fails.
func acknowledge(u *checkpoint.Upload, h *snapshot.Handle, data []byte) {
	if err := u.Acknowledge(h, data); err != nil {
		u.Decline(err)
	}
}

// triggered returns the ID of the newest checkpoint that was triggered.
func (a *attempt) triggered() checkpoint.ID { return checkpoint.ID(a.newestTrigger.Load()) }

// sourceEnded notes that a source subtask has read all its partitions. After the last one it
// stops the triggers: only pending checkpoints can still become complete.
func (a *attempt) sourceEnded() {
	if a.openSources.Add(-1) == 0 {
		a.stopTriggers()
		close(a.allSourcesEnded)
	}
}

// addPause records how long a checkpoint stopped a subtask.
func (a *attempt) addPause(id checkpoint.ID, pause time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pauses[id] = append(a.pauses[id], pause)
}

// takePauses removes and returns the pauses of a checkpoint.
func (a *attempt) takePauses(id checkpoint.ID) []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	pauses := a.pauses[id]
	delete(a.pauses, id)
	return pauses
}

// Trigger implements checkpoint.Tasks.
func (a *attempt) Trigger(t checkpoint.Trigger) {
	a.newestTrigger.Store(uint64(t.ID))
	for _, wake := range a.sources {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// Complete implements checkpoint.Tasks.
func (a *attempt) Complete(s checkpoint.Stats) {
	a.running.reportCheckpoint(a, CheckpointReport{Stats: s, Pauses: a.takePauses(s.ID)})
}

// Aborted implements checkpoint.Tasks.
func (a *attempt) Aborted(id checkpoint.ID, reason error) {
	a.running.reportCheckpoint(a, CheckpointReport{
		Stats: checkpoint.Stats{ID: id}, Pauses: a.takePauses(id), Err: reason,
	})
}

// Fail implements checkpoint.Tasks.
func (a *attempt) Fail(reason error) { a.fail(reason) }
