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

// Running is a job that was started. It makes attempts, one at a time, until one of them
// finishes, the job is canceled, or too many have failed:
//
//	Start ──▶ attempt 1 ──▶ failure ──▶ RestartDelay ──▶ attempt 2 ──▶ … ──▶ end of all sources
//
// Each attempt restores the newest complete checkpoint, which may come from an earlier run. It
// begins from the first element if the job has no complete checkpoint.
//
//	an attempt ends with                   and then the job
//	no error                               finishes
//	the end of the context of Start        ends with the cause of the context
//	a damaged checkpoint, before it began  tries the next older checkpoint, without a restart
//	an error that a restart would repeat   fails
//	any other error                        restarts, at most MaxRestarts times
//
// Checkpoints of different attempts cannot mix: the coordinator gives each attempt a number
// and refuses acknowledgements of older attempts.
//
// Invariant: at most one attempt exists at a time, and it has no goroutine left when the next
// attempt begins.
//
// Invariant: Options.OnCheckpoint and OnRestore are called one at a time.
//
// Thread safety: safe for concurrent use.
type Running struct {
	graph       *Graph
	coordinator *checkpoint.Coordinator // nil without a storage
	records     atomic.Int64
	begun       bool       // an attempt was prepared; used by run only
	reports     sync.Mutex // held during OnCheckpoint and OnRestore

	mu             sync.Mutex
	current        *attempt // nil between attempts
	pendingFailure error    // of Fail between attempts
	restores       []RestoreReport

	done chan struct{}
	err  error // valid after done is closed
}

// Wait waits for the end of the job. The error is nil if all sources were read to their end and
// all sinks were closed. Otherwise it is the last failure, or the cause of the context.
func (r *Running) Wait() (Report, error) {
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	return Report{Records: r.records.Load(), Restores: slices.Clone(r.restores)}, r.err
}

// Records returns the number of records that all attempts have read so far.
func (r *Running) Records() int64 { return r.records.Load() }

// Checkpoint triggers a checkpoint and does not wait for it; OnCheckpoint reports its end.
// Checkpoint returns ErrNoCheckpoints without a storage, ErrNotRunning between attempts, and
// checkpoint.ErrBusy while MaxConcurrent checkpoints are pending.
func (r *Running) Checkpoint() (checkpoint.ID, error) {
	if r.coordinator == nil {
		return 0, ErrNoCheckpoints
	}
	a := r.currentAttempt()
	if a == nil {
		return 0, ErrNotRunning
	}
	return a.checkpoints.Trigger()
}

// CheckpointAndWait triggers a checkpoint and returns after it is complete and OnCheckpoint
// has returned. Call it before you cancel the job, so that the next run replays few elements.
// While MaxConcurrent checkpoints are pending, CheckpointAndWait waits for one of them to end
// before it triggers its own.
//
// CheckpointAndWait returns the reason if the checkpoint is aborted, such as
// checkpoint.ErrTimeout, or checkpoint.ErrEnded if the attempt ends first. It returns
// ErrNoCheckpoints without a storage and ErrNotRunning between attempts. When ctx ends, it
// returns the cause of ctx, and the checkpoint continues. OnCheckpoint and OnRestore must not
// call CheckpointAndWait.
func (r *Running) CheckpointAndWait(ctx context.Context) (checkpoint.Stats, error) {
	if r.coordinator == nil {
		return checkpoint.Stats{}, ErrNoCheckpoints
	}
	a := r.currentAttempt()
	if a == nil {
		return checkpoint.Stats{}, ErrNotRunning
	}
	return a.checkpoints.TriggerAndWait(ctx)
}

// Fail makes the current attempt fail as if a subtask had failed. Between attempts, it makes
// the next attempt fail.
func (r *Running) Fail(reason error) {
	if reason == nil {
		reason = errNoReason
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current == nil {
		r.pendingFailure = reason
		return
	}
	r.current.fail(reason)
}

// currentAttempt returns the current attempt, or nil between attempts.
func (r *Running) currentAttempt() *attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

// setCurrent makes a the current attempt.
func (r *Running) setCurrent(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = a
	if r.pendingFailure != nil {
		a.fail(r.pendingFailure)
		r.pendingFailure = nil
	}
}

// clearCurrent makes no attempt current.
func (r *Running) clearCurrent() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = nil
}

// run runs the job from its start to its end.
func (r *Running) run(ctx context.Context) {
	defer close(r.done)
	var watching sync.WaitGroup
	over := make(chan struct{})
	watching.Go(func() { r.cancelCheckpoints(ctx, over) })
	defer watching.Wait()
	defer close(over)
	err := r.runAttempts(ctx)
	closeErr := r.closeCheckpoints(ctx, err)
	reported := errors.Is(err, checkpoint.ErrLockLost) && errors.Is(closeErr, checkpoint.ErrLockLost)
	if closeErr != nil && !reported {
		err = errors.Join(err, closeErr)
	}
	r.err = err
}

// cancelCheckpoints cancels the coordinator when ctx ends, so that the end of the job does
// not wait for a slow storage.
func (r *Running) cancelCheckpoints(ctx context.Context, over <-chan struct{}) {
	select {
	case <-ctx.Done():
		if r.coordinator != nil {
			r.coordinator.Cancel()
		}
	case <-over:
	}
}

// closeCheckpoints discards the checkpoints if DiscardCheckpoints asks for it, and closes the
// coordinator.
func (r *Running) closeCheckpoints(ctx context.Context, failure error) (err error) {
	if r.coordinator == nil {
		return nil
	}
	over := failure == nil || ctx.Err() != nil
	if over && r.begun && r.graph.options.DiscardCheckpoints {
		err = r.coordinator.Discard(context.WithoutCancel(ctx))
	}
	return errors.Join(err, r.coordinator.Close())
}

// runAttempts makes attempts until one finishes or no restart is allowed.
func (r *Running) runAttempts(ctx context.Context) error {
	o := r.graph.options
	var cause error
	for restarts := 0; ; restarts++ {
		err, final := r.runAttempt(ctx, checkpoint.AttemptID(restarts+1), cause)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case final, restarts == o.MaxRestarts:
			return fmt.Errorf("job %q failed after %d restarts: %w", o.Name, restarts, err)
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

// runAttempt makes one attempt. If the restored checkpoint is damaged, it marks the checkpoint
// and makes another attempt from an older one. Final reports whether a restart would fail with
// the same error.
func (r *Running) runAttempt(ctx context.Context, number checkpoint.AttemptID, cause error) (err error, final bool) {
	a := newAttempt(ctx, r)
	defer a.cancel(nil)
	a.number = number
	if err := a.prepare(); err != nil {
		return err, isFinal(err)
	}
	r.begun = true
	r.setCurrent(a)
	err = a.run(cause)
	r.clearCurrent()
	if !a.begun && isDamaged(err) {
		r.coordinator.MarkUnrestorable(a.restored.id(), err)
		return r.runAttempt(ctx, number, err) // ends: each attempt has one checkpoint less
	}
	return err, !a.begun && isFinal(err) || errors.Is(err, checkpoint.ErrLockLost)
}

// reportRestore records and logs the beginning of an attempt, and calls OnRestore.
func (r *Running) reportRestore(a *attempt, report RestoreReport) {
	r.mu.Lock()
	r.restores = append(r.restores, report)
	r.mu.Unlock()
	log := r.graph.options.Logger
	if report.Checkpoint == 0 {
		log.Info("job begins from the first element", "attempt", report.Attempt, "cause", report.Cause)
	} else {
		log.Info("job continues from a checkpoint", "attempt", report.Attempt, "checkpoint", report.Checkpoint,
			"offset", report.Offset, "took", report.Took, "cause", report.Cause)
	}
	r.callReport(a, func() { r.graph.options.OnRestore(report) })
}

// reportCheckpoint calls OnCheckpoint.
func (r *Running) reportCheckpoint(a *attempt, report CheckpointReport) {
	r.callReport(a, func() { r.graph.options.OnCheckpoint(report) })
}

// callReport calls OnCheckpoint or OnRestore. A panic fails the attempt.
func (r *Running) callReport(a *attempt, call func()) {
	r.reports.Lock()
	defer r.reports.Unlock()
	if err := callGuarded(func() error { call(); return nil }); err != nil {
		a.fail(fmt.Errorf("OnCheckpoint or OnRestore: %w", err))
	}
}
