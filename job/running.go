package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstate/weir/checkpoint"
)

// Running is a job under way.
//
// Thread safety: safe for concurrent use.
type Running struct {
	graph       *Graph
	coordinator *checkpoint.Coordinator // nil without a storage
	records     atomic.Int64
	begun       bool       // an attempt has; belongs to run
	reports     sync.Mutex // held while a report is made

	mu       sync.Mutex
	current  *attempt // nil between attempts
	doomed   error    // what Fail said between attempts
	restores []RestoreReport

	done chan struct{}
	err  error // once done
}

// Wait waits for the end of the job: nil when all sources were read to their
// end and everything is out; else the failure that was one too many, or the
// context's cause.
func (r *Running) Wait() (Report, error) {
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	return Report{Records: r.records.Load(), Restores: slices.Clone(r.restores)}, r.err
}

// Records is the number of records read by all attempts so far.
func (r *Running) Records() int64 { return r.records.Load() }

// Checkpoint triggers a checkpoint now. OnCheckpoint tells how it went. It is
// ErrNoCheckpoints without a storage, ErrNotRunning between attempts, and
// checkpoint.ErrBusy if too many are under way.
func (r *Running) Checkpoint() (checkpoint.ID, error) {
	if r.coordinator == nil {
		return 0, ErrNoCheckpoints
	}
	a := r.attempt()
	if a == nil {
		return 0, ErrNotRunning
	}
	return a.checkpoints.Trigger()
}

// CheckpointAndWait triggers a checkpoint and returns when it is complete and OnCheckpoint
// has been told. Called before the job is canceled, it lets the next run go on without
// reading much again. While too many checkpoints are under way, it waits for the end of
// one.
//
// It returns the reason if the checkpoint is aborted, such as checkpoint.ErrTimeout, or
// checkpoint.ErrEnded if the attempt fails or finishes meanwhile. It is ErrNoCheckpoints
// without a storage and ErrNotRunning between attempts. When the context ends it returns
// the context's cause; the checkpoint goes on. OnCheckpoint and OnRestore must not call it.
func (r *Running) CheckpointAndWait(ctx context.Context) (checkpoint.Stats, error) {
	if r.coordinator == nil {
		return checkpoint.Stats{}, ErrNoCheckpoints
	}
	a := r.attempt()
	if a == nil {
		return checkpoint.Stats{}, ErrNotRunning
	}
	return a.checkpoints.TriggerAndWait(ctx)
}

// Fail makes the current attempt fail, as a failing subtask would; between
// attempts, the next.
func (r *Running) Fail(reason error) {
	if reason == nil {
		reason = errNoReason
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		r.doomed = reason
		return
	}
	r.current.fail(reason)
}

// attempt is the current one.
func (r *Running) attempt() *attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

// enter makes an attempt the current one, leave ends that.
func (r *Running) enter(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = a
	if r.doomed != nil {
		a.fail(r.doomed)
		r.doomed = nil
	}
}

func (r *Running) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = nil
}

// run is the life of the job.
func (r *Running) run(ctx context.Context) {
	defer close(r.done)
	var watching sync.WaitGroup
	over := make(chan struct{})
	watching.Go(func() { r.cancelCheckpoints(ctx, over) })
	defer watching.Wait()
	defer close(over)
	err := r.repeat(ctx)
	closing := r.release(ctx, err)
	known := errors.Is(err, checkpoint.ErrLockLost) && errors.Is(closing, checkpoint.ErrLockLost)
	if closing != nil && !known {
		err = errors.Join(err, closing)
	}
	r.err = err
}

// cancelCheckpoints keeps the job from waiting for its storage after the end of the
// context.
func (r *Running) cancelCheckpoints(ctx context.Context, over <-chan struct{}) {
	select {
	case <-ctx.Done():
		if r.coordinator != nil {
			r.coordinator.Cancel()
		}
	case <-over:
	}
}

// release gives the job's checkpoints up.
func (r *Running) release(ctx context.Context, failure error) (err error) {
	if r.coordinator == nil {
		return nil
	}
	over := failure == nil || ctx.Err() != nil
	if over && r.begun && r.graph.options.DiscardCheckpoints {
		err = r.coordinator.Discard(context.WithoutCancel(ctx))
	}
	return errors.Join(err, r.coordinator.Close())
}

// repeat makes attempts until one finishes or there may be no more.
func (r *Running) repeat(ctx context.Context) error {
	o := r.graph.options
	var cause error
	for restarts := 0; ; restarts++ {
		err, final := r.once(ctx, checkpoint.Number(restarts+1), cause)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case final, restarts == o.MaxRestarts:
			return fmt.Errorf("job %q, after %d restarts: %w", o.Name, restarts, err)
		}
		o.Logger.Warn("job failed and restarts", "restart", restarts+1, "of", o.MaxRestarts, "cause", err)
		cause = err
		select {
		case <-time.After(o.RestartDelay):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// once makes one attempt, of which a damaged checkpoint is no end. Final says that
// another one would fail as well.
func (r *Running) once(ctx context.Context, number checkpoint.Number, cause error) (err error, final bool) {
	a := newAttempt(ctx, r)
	defer a.cancel(nil)
	a.number = number
	if err := a.prepare(); err != nil {
		return err, isFinal(err)
	}
	r.begun = true
	r.enter(a)
	err = a.run(cause)
	r.leave()
	if !a.begun && isDamage(err) {
		r.coordinator.Distrust(a.restored.id(), err)
		return r.once(ctx, number, err) // each time from an older checkpoint
	}
	return err, !a.begun && isFinal(err) || errors.Is(err, checkpoint.ErrLockLost)
}

// restored reports from where an attempt goes on.
func (r *Running) restored(a *attempt, report RestoreReport) {
	r.mu.Lock()
	r.restores = append(r.restores, report)
	r.mu.Unlock()
	log := r.graph.options.Logger
	if report.Checkpoint == 0 {
		log.Info("job begins", "attempt", report.Attempt, "cause", report.Cause)
	} else {
		log.Info("job goes on from a checkpoint", "attempt", report.Attempt, "checkpoint", report.Checkpoint,
			"offset", report.Offset, "took", report.Took, "cause", report.Cause)
	}
	r.tell(a, func() { r.graph.options.OnRestore(report) })
}

// ended reports how a checkpoint went.
func (r *Running) ended(a *attempt, report CheckpointReport) {
	r.tell(a, func() { r.graph.options.OnCheckpoint(report) })
}

// tell calls a function of the program, one at a time.
func (r *Running) tell(a *attempt, call func()) {
	r.reports.Lock()
	defer r.reports.Unlock()
	if err := apart(func() error { call(); return nil }); err != nil {
		a.fail(fmt.Errorf("report: %w", err))
	}
}
