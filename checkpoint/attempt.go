package checkpoint

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstate/weir/snapshot"
)

// Attempt is one run of the job, from a start or restart to its end or failure.
// Once a later one has begun, everything done to it is in vain: it is fenced.
//
// Thread safety: safe for concurrent use.
type Attempt struct {
	c        *Coordinator
	number   AttemptID
	tasks    Tasks
	subtasks []Subtasks
	restored *Checkpoint
	skipped  []error

	wake chan struct{} // Run is to look again
	done chan struct{} // closed when over is set
	over bool          // the coordinator's mutex
	// queued is how many calls of TriggerAndWait wait for room: Run triggers nothing
	// before them. The coordinator's mutex.
	queued int
}

// Begin ends the attempt before, if any, and begins a new one, which goes on
// from the newest complete checkpoint that can be read. It is ErrNotRestorable
// if there are some and none can, ErrOperator if the one to go on from has state
// of another operator, and ErrLockLost if the job is another owner's by now.
func (c *Coordinator) Begin(ctx context.Context, tasks Tasks, operators []Subtasks) (*Attempt, error) {
	if tasks == nil {
		return nil, fmt.Errorf("begin an attempt of job %q: tasks are required: %w", c.o.Job, ErrInvalidOption)
	}
	if err := checkSubtasks(operators); err != nil {
		return nil, err
	}
	c.beginning.Lock()
	defer c.beginning.Unlock()
	if err := c.clear(ctx); err != nil {
		return nil, err
	}
	number, err := c.completed.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin an attempt of job %q: %w", c.o.Job, err)
	}
	a := &Attempt{c: c, number: number, tasks: tasks, subtasks: operators,
		wake: make(chan struct{}, 1), done: make(chan struct{})}
	if err := c.choose(ctx, a); err != nil {
		return nil, fmt.Errorf("begin an attempt of job %q: %w", c.o.Job, err)
	}
	next, err := c.nextFree(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin an attempt of job %q: %w", c.o.Job, err)
	}
	return a, c.adopt(a, next)
}

// clear makes way for a new attempt.
func (c *Coordinator) clear(ctx context.Context) error {
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
	return c.commits.drain(ctx) // what has been acknowledged in full may become complete
}

// adopt makes a the current attempt.
func (c *Coordinator) adopt(a *Attempt, next ID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed, c.canceled:
		return ErrClosed
	case c.lost != nil:
		return c.lost
	}
	c.attempt, c.doubtful = a, make(map[ID]bool)
	c.nextID = max(c.nextID, next)
	c.latest, c.confirmed, c.failures = 0, nil, 0
	if a.restored != nil {
		c.latest, c.confirmed = a.restored.ID, a.restored.sharedFiles()
	}
	c.triggered, c.ended = c.o.now(), time.Time{}
	c.removals.add(c.collectLeftovers)
	return nil
}

func checkSubtasks(operators []Subtasks) error {
	seen := make(map[string]bool)
	for _, s := range operators {
		if err := snapshot.CheckName(s.Operator); err != nil {
			return fmt.Errorf("operator: %w", err)
		}
		switch {
		case len(s.Operator) > maxOperatorNameSize:
			return fmt.Errorf("operator %q: name of %d bytes, at most %d are allowed: %w",
				s.Operator, len(s.Operator), maxOperatorNameSize, ErrInvalidOption)
		case seen[s.Operator]:
			return fmt.Errorf("operator %q: the name is taken: %w", s.Operator, ErrInvalidOption)
		case s.Parallelism < 1:
			return fmt.Errorf("operator %q: parallelism %d, at least 1 is needed: %w", s.Operator, s.Parallelism, ErrInvalidOption)
		}
		seen[s.Operator] = true
	}
	if len(seen) == 0 {
		return fmt.Errorf("no operators: %w", ErrInvalidOption)
	}
	return nil
}

// maxOperatorNameSize leaves room in a file name for what Upload.Name adds and
// what a backend may add to that.
const maxOperatorNameSize = 100

// ID returns the ID of the attempt.
func (a *Attempt) ID() AttemptID { return a.number }

// Restored is the checkpoint to go on from, nil if the job is to begin.
func (a *Attempt) Restored() *Checkpoint { return a.restored }

// Skipped says which newer checkpoints were passed over, and why.
func (a *Attempt) Skipped() []error { return a.skipped }

// Source gives the files of the restored checkpoint.
func (a *Attempt) Source() snapshot.Source {
	return newSource(a.c.objects, a.c.layout, a.restored)
}

// Run triggers checkpoints and watches their time until the context ends or the
// attempt does. Without it nothing times out.
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

// lookAgain wakes Run.
func (a *Attempt) lookAgain() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *Attempt) ended() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// idleStep is how long Run sleeps when no time is set for anything.
const idleStep = time.Hour

// step does what is due and returns how long nothing else will be.
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
		return next // the end of a checkpoint wakes Run, and so does a TriggerAndWait
	}
	wait := c.o.Interval - now.Sub(c.triggered)
	if !c.ended.IsZero() {
		wait = max(wait, c.o.MinPause-now.Sub(c.ended))
	}
	if wait <= 0 {
		a.trigger(now)
		wait = c.o.Interval
	}
	return min(next, wait)
}

// expire aborts the checkpoints that have taken too long, and returns the time until the
// next one has. The mutex is held.
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
			p.cancel(ErrTimeout) // finish sees to the rest
			i++
		default:
			c.abort(p, ErrTimeout, true) // takes it off the list
		}
	}
	return next
}

// Trigger starts a checkpoint now. It is ErrBusy if too many are under way.
func (a *Attempt) Trigger() (ID, error) {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	p, err := a.tryTrigger()
	if err != nil {
		return 0, err
	}
	return p.id, nil
}

// tryTrigger starts a checkpoint unless there is no room for one, or the attempt is over.
// The coordinator's mutex is held.
func (a *Attempt) tryTrigger() (*pending, error) {
	switch {
	case a.c.lost != nil || a.c.attempt != a || a.over:
		return nil, a.why()
	case len(a.c.pending) >= a.c.o.MaxConcurrent:
		return nil, ErrBusy
	}
	return a.trigger(a.c.o.now()), nil
}

// trigger starts a checkpoint. The coordinator's mutex is held.
func (a *Attempt) trigger(now time.Time) *pending {
	c := a.c
	ctx, cancel := context.WithCancelCause(context.Background())
	p := &pending{
		id: c.nextID, base: c.latest, confirmed: c.confirmed, attempt: a, triggered: now, ctx: ctx, cancel: cancel,
		parts: make(map[place]Part), release: c.o.Storage.release,
	}
	for _, s := range a.subtasks {
		p.missing += s.Parallelism
	}
	c.nextID++
	c.triggered = now
	c.pending = append(c.pending, p)
	a.lookAgain() // for its timeout
	c.call(a, func(t Tasks) { t.Trigger(Trigger{ID: p.id, Base: p.base}) })
	return p
}

// End aborts all checkpoints under way, without counting them as failed, and
// triggers no more. One that has all its parts may become complete yet.
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
			c.abort(p, ErrEnded, false) // takes it off the list
		} else {
			i++
		}
	}
}

// why says to a late caller why the attempt is over. The coordinator's mutex is
// held.
func (a *Attempt) why() error {
	switch {
	case a.c.lost != nil:
		return a.c.lost
	case a.c.attempt != a:
		return ErrFenced
	}
	return ErrEnded
}

// has says whether the attempt has a subtask.
func (a *Attempt) has(at place) bool {
	for _, s := range a.subtasks {
		if s.Operator == at.operator {
			return 0 <= at.subtask && at.subtask < s.Parallelism
		}
	}
	return false
}
