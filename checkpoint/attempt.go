package checkpoint

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstate/weir/snapshot"
)

// Attempt is one run of the job, from a start or restart to its end or failure. The host of the
// job uses it to restore state, to trigger checkpoints and to hand in the parts of the
// subtasks. Once a later attempt has begun, this one is fenced: its calls return ErrFenced and
// have no effect.
//
// Thread safety: safe for concurrent use.
type Attempt struct {
	c        *Coordinator
	number   AttemptID
	tasks    Tasks
	subtasks []Subtasks
	restored *Checkpoint
	skipped  []error

	wake chan struct{} // makes Run check again what is due
	done chan struct{} // closed when over is set
	over bool          // guarded by the coordinator's mutex
	// queued counts the calls of TriggerAndWait that wait for room; Run triggers nothing while
	// there are any. Guarded by the coordinator's mutex.
	queued int
}

// Begin ends the previous attempt, if any, and begins a new one. The new attempt restores the
// newest complete checkpoint that can be read: see Attempt.Restored. Begin returns
// ErrNotRestorable if there are complete checkpoints and none can be read, or if the completed store
// is not the one in which they are listed (see NewJobChecker), ErrOperator if the
// restored one has state of an operator that is not in operators, ErrLockLost if the job's lock
// is lost, and ErrClosed after Close or Cancel.
func (c *Coordinator) Begin(ctx context.Context, tasks Tasks, operators []Subtasks) (*Attempt, error) {
	if tasks == nil {
		return nil, fmt.Errorf("begin an attempt of job %q: tasks are nil: %w", c.o.Job, ErrInvalidOption)
	}
	if err := checkSubtasks(operators); err != nil {
		return nil, err
	}
	c.beginning.Lock()
	defer c.beginning.Unlock()
	if err := c.endPrevious(ctx); err != nil {
		return nil, err
	}
	if err := c.checkCompletedStore(ctx); err != nil {
		return nil, fmt.Errorf("begin an attempt of job %q: %w", c.o.Job, err)
	}
	number, err := c.completed.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin an attempt of job %q: %w", c.o.Job, err)
	}
	c.forgetCompleted()
	a := &Attempt{c: c, number: number, tasks: tasks, subtasks: operators,
		wake: make(chan struct{}, 1), done: make(chan struct{})}
	if err := c.chooseRestored(ctx, a); err != nil {
		return nil, fmt.Errorf("begin an attempt of job %q: %w", c.o.Job, err)
	}
	next, err := c.nextFree(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin an attempt of job %q: %w", c.o.Job, err)
	}
	ids, err := c.firstIDs(ctx, next)
	if err != nil {
		return nil, fmt.Errorf("begin an attempt of job %q: %w", c.o.Job, err)
	}
	return a, c.install(a, ids)
}

// endPrevious ends the previous attempt and waits for its queued commits: a checkpoint that all
// subtasks have acknowledged may still become complete.
func (c *Coordinator) endPrevious(ctx context.Context) error {
	c.mu.Lock()
	closed, before := c.closed || c.canceled, c.attempt
	c.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if err := checkLock(c.objects); err != nil {
		return fmt.Errorf("begin an attempt of job %q: %w", c.o.Job, err)
	}
	if before != nil {
		before.End()
	}
	return c.commits.drain(ctx)
}

// install makes a the current attempt. Its checkpoints get the given IDs.
func (c *Coordinator) install(a *Attempt, ids idBlock) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed, c.canceled:
		return ErrClosed
	case c.lost != nil:
		return c.lost
	}
	c.attempt, c.inDoubt = a, make(map[ID]bool)
	c.setIDs(ids)
	c.latest, c.confirmed, c.failures = 0, confirmedFiles{}, 0
	if a.restored != nil {
		c.latest, c.confirmed = a.restored.ID, a.restored.confirmedFiles()
	}
	c.triggered, c.ended = c.o.now(), time.Time{}
	c.removals.add(c.collectLeftovers)
	return nil
}

// checkSubtasks returns an error unless operators has at least one operator, all names are
// valid and distinct, and every parallelism is at least 1.
func checkSubtasks(operators []Subtasks) error {
	seen := make(map[string]bool)
	for _, s := range operators {
		if err := snapshot.CheckName(s.Operator); err != nil {
			return fmt.Errorf("operator: %w", err)
		}
		switch {
		case len(s.Operator) > maxOperatorNameSize:
			return fmt.Errorf("operator %q: the name has %d bytes, want at most %d: %w",
				s.Operator, len(s.Operator), maxOperatorNameSize, ErrInvalidOption)
		case seen[s.Operator]:
			return fmt.Errorf("operator %q is listed twice: %w", s.Operator, ErrInvalidOption)
		case s.Parallelism < 1:
			return fmt.Errorf("operator %q: parallelism is %d, want at least 1: %w", s.Operator, s.Parallelism, ErrInvalidOption)
		}
		seen[s.Operator] = true
	}
	if len(seen) == 0 {
		return fmt.Errorf("the list of operators is empty: %w", ErrInvalidOption)
	}
	return nil
}

// maxOperatorNameSize is the maximum length of an operator's name in bytes. It leaves room in a
// file name for the rest of Upload.Name and for the suffix of a backend.
const maxOperatorNameSize = 100

// ID returns the ID of the attempt.
func (a *Attempt) ID() AttemptID { return a.number }

// Restored returns the checkpoint that the job must continue from, or nil if the job starts
// empty.
func (a *Attempt) Restored() *Checkpoint { return a.restored }

// Skipped returns one error for each complete checkpoint that is newer than the restored one
// and could not be read.
func (a *Attempt) Skipped() []error { return a.skipped }

// Source returns a source of the files of the restored checkpoint. It has no files if Restored
// is nil.
func (a *Attempt) Source() snapshot.Source {
	return newSource(a.c.objects, a.c.layout, a.restored)
}

// Run triggers checkpoints at Options.Interval and aborts those that exceed Options.Timeout,
// until the context or the attempt ends. Without Run, checkpoints time out only while a
// TriggerAndWait waits.
func (a *Attempt) Run(ctx context.Context) {
	for {
		timer := time.NewTimer(a.step())
		select {
		case <-timer.C:
		case <-a.wake:
		case <-a.done:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil || a.ended() {
			return
		}
	}
}

// wakeRun makes Run check again what is due.
func (a *Attempt) wakeRun() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// ended reports whether the attempt has ended.
func (a *Attempt) ended() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// idleStep is the time that Run sleeps when nothing is scheduled.
const idleStep = time.Hour

// step does everything that is due and returns the time until the next thing is.
func (a *Attempt) step() time.Duration {
	c := a.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempt != a || a.over {
		return idleStep
	}
	now := c.o.now()
	next := c.expire(now)
	if c.o.Interval == 0 || len(c.pending) >= c.o.MaxConcurrent || a.queued > 0 {
		return next // wakeRun is called when a checkpoint or a wait for room ends
	}
	wait := c.o.Interval - now.Sub(c.triggered)
	if !c.ended.IsZero() {
		wait = max(wait, c.o.MinPause-now.Sub(c.ended))
	}
	if wait <= 0 {
		if _, err := a.tryTrigger(); err != nil {
			return next // wakeRun is called when IDs are reserved
		}
		wait = c.o.Interval
	}
	return min(next, wait)
}

// expire aborts the checkpoints that exceed the timeout, and returns the time until the next
// one will. The mutex is held.
func (c *Coordinator) expire(now time.Time) time.Duration {
	next := idleStep
	for i := 0; i < len(c.pending); {
		p := c.pending[i]
		left := c.o.Timeout - now.Sub(p.triggered)
		switch {
		case left > 0:
			next = min(next, left)
			i++
		case p.finishing:
			p.cancel(ErrTimeout) // finish then aborts it
			i++
		default:
			c.abort(p, ErrTimeout, true) // removes it from c.pending
		}
	}
	return next
}

// Trigger starts a checkpoint now and returns its ID. It returns ErrBusy if
// Options.MaxConcurrent checkpoints are in progress, ErrNoID if the completed store has not
// reserved an ID yet, and ErrEnded, ErrFenced or ErrLockLost if the attempt is over.
func (a *Attempt) Trigger() (ID, error) {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	p, err := a.tryTrigger()
	if err != nil {
		return 0, err
	}
	return p.id, nil
}

// tryTrigger starts a checkpoint, or returns ErrBusy, ErrNoID or the reason why the attempt is
// over. The coordinator's mutex is held.
func (a *Attempt) tryTrigger() (*pending, error) {
	switch {
	case a.c.lost != nil || a.c.attempt != a || a.over:
		return nil, a.endReason()
	case len(a.c.pending) >= a.c.o.MaxConcurrent:
		return nil, ErrBusy
	}
	id, ok := a.c.takeID(a)
	if !ok {
		return nil, ErrNoID
	}
	return a.trigger(id, a.c.o.now()), nil
}

// trigger starts a checkpoint. The coordinator's mutex is held.
func (a *Attempt) trigger(id ID, now time.Time) *pending {
	c := a.c
	ctx, cancel := context.WithCancelCause(context.Background())
	p := &pending{
		id: id, base: c.latest, confirmed: c.confirmed, attempt: a, triggered: now, ctx: ctx, cancel: cancel,
		parts: make(map[subtaskID]Part), release: c.o.Storage.release,
	}
	p.packs = [2]*packWriter{newPackWriter(c, p, false), newPackWriter(c, p, true)}
	for _, s := range a.subtasks {
		p.missing += s.Parallelism
	}
	c.triggered = now
	c.pending = append(c.pending, p)
	a.wakeRun() // Run must sleep no longer than the new timeout
	c.call(a, func(t Tasks) { t.Trigger(Trigger{ID: p.id, Base: p.base}) })
	return p
}

// End ends the attempt: it aborts all checkpoints in progress without counting them as
// failures, and triggers no more. A checkpoint that all subtasks have acknowledged may still
// become complete.
func (a *Attempt) End() {
	c := a.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.over {
		return
	}
	a.over = true
	close(a.done)
	c.wakeQueued()
	if c.attempt != a {
		return
	}
	for i := 0; i < len(c.pending); {
		if p := c.pending[i]; p.missing > 0 {
			c.abort(p, ErrEnded, false) // removes it from c.pending
		} else {
			i++
		}
	}
}

// endReason returns the error for calls after the attempt's end. The coordinator's mutex is
// held.
func (a *Attempt) endReason() error {
	switch {
	case a.c.lost != nil:
		return a.c.lost
	case a.c.attempt != a:
		return ErrFenced
	}
	return ErrEnded
}

// hasSubtask reports whether the attempt has the subtask.
func (a *Attempt) hasSubtask(at subtaskID) bool {
	for _, s := range a.subtasks {
		if s.Operator == at.operator {
			return 0 <= at.subtask && at.subtask < s.Parallelism
		}
	}
	return false
}
