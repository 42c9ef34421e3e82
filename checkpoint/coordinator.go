package checkpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/weirstate/weir/snapshot"
)

// Options says how a Coordinator works. Job and Storage are required.
type Options struct {
	// Job names the job; snapshot.CheckName accepts it. It is a folder in the
	// storage.
	Job     string
	Storage *Storage
	// Completed is the completed store, which Close closes. Default: objects of
	// Storage.
	Completed Completed
	// Interval is the time from one trigger to the next. Default 0: only
	// Attempt.Trigger triggers.
	Interval time.Duration
	// MinPause is the least time between the end of a checkpoint and the next
	// trigger. Default 0.
	MinPause time.Duration
	// Timeout is the time after which a checkpoint is aborted. Default 10 min.
	Timeout time.Duration
	// MaxConcurrent is how many checkpoints may be under way. Default 1.
	MaxConcurrent int
	// TolerableFailures is how many consecutive checkpoints may fail before the
	// job does. Default 0.
	TolerableFailures int
	// Retain is how many complete checkpoints are kept. Default 1.
	Retain int
	// AllowUnclaimed lets state of operators go that the job does not have, and in
	// Attempt.Restore states that are not declared. Default false: such state is ErrOperator
	// or backend.ErrUnknownState.
	AllowUnclaimed bool
	// Logger is told what a user of the job should know. Default: discards.
	Logger *slog.Logger

	now   func() time.Time // default time.Now
	spawn func(func())     // runs a function later; default go
}

const defaultTimeout = 10 * time.Minute

// complete checks the options and fills in defaults.
func (o Options) complete() (Options, error) {
	switch {
	case o.Storage == nil:
		return o, fmt.Errorf("a storage is required: %w", ErrInvalidOption)
	case o.Interval < 0, o.MinPause < 0, o.Timeout < 0:
		return o, fmt.Errorf("a time is below zero: %w", ErrInvalidOption)
	case o.MaxConcurrent < 0, o.TolerableFailures < 0, o.Retain < 0:
		return o, fmt.Errorf("a number is below zero: %w", ErrInvalidOption)
	}
	if err := snapshot.CheckName(o.Job); err != nil {
		return o, fmt.Errorf("job name: %w", err)
	}
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.MaxConcurrent = cmp.Or(o.MaxConcurrent, 1)
	o.Retain = cmp.Or(o.Retain, 1)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.now == nil {
		o.now = time.Now
	}
	if o.spawn == nil {
		o.spawn = func(f func()) { go f() }
	}
	return o, nil
}

// Tasks is the job as its coordinator sees it. The methods are called one at a
// time, in the order of what they tell, and must return soon.
type Tasks interface {
	// Trigger asks the sources to send a barrier.
	Trigger(Trigger)
	// Complete says that a checkpoint is complete.
	Complete(Stats)
	// Aborted says that a checkpoint will not be complete, and why.
	Aborted(ID, error)
	// Fail asks the job to fail: too many checkpoints did.
	Fail(error)
}

// Trigger starts a checkpoint.
type Trigger struct {
	ID ID
	// Base is the newest complete checkpoint, whose shared files may be reused;
	// 0 if there is none. Its files stay until this checkpoint has ended.
	Base ID
}

// Stats describes a complete checkpoint.
type Stats struct {
	ID ID
	// Bytes are those of all files and other data that the subtasks
	// acknowledged.
	Bytes int64
	// NewBytes are those of Bytes that were written for this checkpoint, and not for
	// one before.
	NewBytes int64
	// Took is the time from the trigger to the commit.
	Took time.Duration
}

// Subtasks is an operator of the job, with its parallelism.
type Subtasks struct {
	Operator    string
	Parallelism int
}

// Coordinator is what a job has one of, for all its attempts.
//
// Three lines of work go on beside the callers, each one thing after the other:
// commits, removals, and calls of Tasks. None holds the mutex during I/O or a
// call.
//
// Thread safety: safe for concurrent use.
type Coordinator struct {
	o         Options
	objects   Objects // of the job, guarded by its lock
	completed Completed
	layout    layout

	commits, removals, calls *queue

	removing     context.Context // of all removals but those of Discard and Collect
	stopRemoving context.CancelFunc

	beginning sync.Mutex     // held by Begin
	writers   sync.WaitGroup // snapshots that Upload.Snapshot began; added to while not closed

	mu         sync.Mutex
	closed     bool
	canceled   bool        // no attempt begins any more
	lost       error       // why the job is another owner's by now; nil if it is not
	attempt    *Attempt    // nil, or the newest; it may have ended
	nextID     ID          // above every ID that was ever seen
	latest     ID          // newest complete; 0 if there is none
	confirmed  sharedFiles // of the latest
	pending    []*pending
	doubtful   map[ID]bool            // of this attempt: failed, but maybe complete
	distrusted map[ID]error           // complete, but their files are not as they should be
	shared     map[ID]map[string]bool // names that complete checkpoints refer to, as far as known
	failures   int                    // consecutive
	triggered  time.Time              // the last one
	ended      time.Time              // the last one
	room       chan struct{}          // what wakeQueued closes; nil if nobody waits
}

// NewCoordinator takes over the checkpoints of a job. It fails with ErrLocked if
// another one has them.
func NewCoordinator(ctx context.Context, o Options) (*Coordinator, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("coordinator: %w", err)
	}
	objects, err := o.Storage.open(o.Job)
	if err != nil {
		return nil, fmt.Errorf("coordinator of job %q: %w", o.Job, err)
	}
	completed := o.Completed
	if completed == nil {
		entries, err := openEntries(ctx, objects, o.Job)
		if err != nil {
			return nil, fmt.Errorf("coordinator of job %q: %w", o.Job, err)
		}
		completed, objects = entries, entries.objects
	}
	removing, stopRemoving := context.WithCancel(context.Background())
	c := &Coordinator{
		removing: removing, stopRemoving: stopRemoving,
		o: o, objects: objects, completed: completed, layout: layout{o.Job},
		commits: newQueue(o.spawn), removals: newQueue(o.spawn), calls: newQueue(o.spawn),
		nextID: 1, distrusted: make(map[ID]error), shared: make(map[ID]map[string]bool),
	}
	if g, ok := objects.(*guarded); ok {
		g.tell = c.lose
	}
	return c, nil
}

// lose ends the attempt when the lock of the job is lost.
func (c *Coordinator) lose(reason error) {
	c.mu.Lock()
	c.lost = reason
	a := c.attempt
	if a != nil && !a.over {
		c.call(a, func(t Tasks) { t.Fail(reason) })
	}
	c.mu.Unlock()
	if a != nil {
		a.End()
	}
}

// MarkUnrestorable keeps later attempts from restoring a checkpoint whose files have
// turned out to be missing or damaged. It is kept, and reported.
func (c *Coordinator) MarkUnrestorable(id ID, reason error) {
	c.o.Logger.Error("checkpoint cannot be restored", "job", c.o.Job, "checkpoint", id, "reason", reason)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.distrusted[id] = reason
}

// Cancel ends the attempt and gives up even a checkpoint whose metadata or entry is
// being written, so that Close need not wait for a slow storage. That one may be complete
// all the same: the next coordinator finds out. Removals end 50 ms later; what they do not
// get to are orphans, for the next coordinator. Begin is ErrClosed from then on; Discard
// works as before. A job calls Cancel when its context ends.
func (c *Coordinator) Cancel() {
	time.AfterFunc(removalGrace, c.stopRemoving)
	c.mu.Lock()
	c.canceled = true
	attempt := c.attempt
	c.mu.Unlock()
	if attempt == nil {
		return
	}
	attempt.End()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range slices.Clone(c.pending) { // those that all have acknowledged
		if p.finishing {
			p.cancel(ErrEnded) // finish sees to the rest
		} else {
			c.abort(p, ErrEnded, false)
		}
	}
}

// removalGrace is how long removals may go on after Cancel. On a disk it is enough for
// what an aborted checkpoint wrote; a job is to end within 100 ms.
const removalGrace = 50 * time.Millisecond

// Close ends the attempt and waits for what is under way. It never removes a
// complete checkpoint. It is ErrLockLost if the job's lock is not where it was.
func (c *Coordinator) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	attempt := c.attempt
	c.mu.Unlock()
	if attempt != nil {
		attempt.End()
	}
	c.writers.Wait() // the end of the attempt has ended their contexts
	for _, q := range []*queue{c.commits, c.removals, c.calls} {
		_ = q.drain(context.Background()) // which never ends
	}
	c.stopRemoving()
	return errors.Join(checkLock(c.objects), c.completed.Close())
}

// Discard removes all checkpoints of the job: for a job that is over. An attempt
// must have begun, and ended. A link, named pipe or directory in the place of an
// object stays; Discard returns snapshot.ErrNotRegular for it, as Collect does.
func (c *Coordinator) Discard(ctx context.Context) error {
	c.mu.Lock()
	begun := c.attempt != nil
	running := begun && !c.attempt.over
	c.mu.Unlock()
	switch {
	case !begun:
		return fmt.Errorf("discard before an attempt has begun: %w", ErrInvalidOption)
	case running:
		return fmt.Errorf("discard the checkpoints of a job that runs: %w", ErrBusy)
	}
	if err := checkLock(c.objects); err != nil {
		return fmt.Errorf("discard the checkpoints: %w", err)
	}
	if err := c.commits.drain(ctx); err != nil {
		return err
	}
	if err := c.removals.drain(ctx); err != nil {
		return err
	}
	entries, err := c.completed.List(ctx)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(entries) { // whatever remains is complete
		if errors.Is(e.Err, snapshot.ErrNotRegular) {
			continue // Collect keeps what it may refer to, and reports it
		}
		if _, err := c.removeCheckpoint(ctx, e.ID); err != nil {
			return err
		}
	}
	c.mu.Lock()
	clear(c.doubtful) // the list has told
	c.mu.Unlock()
	_, err = c.Collect(ctx, false)
	return err
}

// find returns the pending checkpoint with an ID, nil if there is none.
func (c *Coordinator) find(id ID) *pending {
	for _, p := range c.pending {
		if p.id == id {
			return p
		}
	}
	return nil
}

// finish writes the metadata of a checkpoint that all have acknowledged, and
// commits. It runs in the queue of commits.
func (c *Coordinator) finish(p *pending) {
	c.mu.Lock()
	if p.over {
		c.mu.Unlock()
		return
	}
	p.finishing = true
	p.forget() // the metadata takes its place
	c.mu.Unlock()

	// Run watches the time no longer once the job has ended.
	ctx, release := context.WithTimeoutCause(p.ctx, c.o.Timeout, ErrTimeout)
	defer release()
	done, stats, err := c.commit(ctx, p)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.abort(p, err, true)
		return
	}
	c.end(p, nil)
	c.latest, c.confirmed, c.failures = p.id, done.sharedFiles(), 0
	c.shared[p.id] = done.sharedNames()
	c.call(p.attempt, func(t Tasks) { t.Complete(stats) })
	c.settle(p, stats, nil)
	for _, older := range slices.Clone(c.pending) {
		if older.id < p.id {
			c.abort(older, ErrSubsumed, false)
		}
	}
	c.removals.add(c.retire)
}

// commit makes a checkpoint complete.
func (c *Coordinator) commit(ctx context.Context, p *pending) (*Checkpoint, Stats, error) {
	checkpoint := p.checkpoint(c.o.Job)
	data, err := encode(checkpoint)
	if err != nil {
		return nil, Stats{}, err
	}
	if err := writeObject(ctx, c.objects, c.layout.metadata(p.id), data); err != nil {
		p.inDoubt = errors.Is(err, fs.ErrExist) // whose it is, nobody knows
		return nil, Stats{}, fmt.Errorf("metadata: %w", err)
	}
	p.inDoubt = true // an error may come after the fact
	if err := c.completed.Commit(ctx, entryOf(checkpoint, data)); err != nil {
		return nil, Stats{}, fmt.Errorf("commit: %w", err)
	}
	return checkpoint, Stats{
		ID: p.id, Bytes: checkpoint.Bytes(), NewBytes: checkpoint.newBytes(), Took: c.o.now().Sub(p.triggered),
	}, nil
}

// abort ends a checkpoint that will not be complete. The mutex is held.
func (c *Coordinator) abort(p *pending, reason error, counts bool) {
	if p.over {
		return
	}
	reason = fmt.Errorf("checkpoint %d: %w", p.id, reason)
	c.end(p, reason)
	c.call(p.attempt, func(t Tasks) { t.Aborted(p.id, reason) })
	c.settle(p, Stats{}, reason)
	if p.inDoubt {
		c.doubtful[p.id] = true
	} else {
		c.removals.add(func() { c.removeAborted(p) })
	}
	if !counts {
		return
	}
	if c.failures++; c.failures > c.o.TolerableFailures {
		err := fmt.Errorf("%w: %d in a row, the last: %w", ErrTooManyFailures, c.failures, reason)
		c.call(p.attempt, func(t Tasks) { t.Fail(err) })
	}
}

// end takes a checkpoint off the list. The mutex is held.
func (c *Coordinator) end(p *pending, reason error) {
	p.over = true
	p.forget()
	p.cancel(cmp.Or(reason, ErrEnded))
	c.pending = slices.DeleteFunc(c.pending, func(q *pending) bool { return q == p })
	c.ended = c.o.now()
	p.attempt.lookAgain()
	c.wakeQueued()
}

// call tells the tasks of an attempt, unless a later one has begun.
func (c *Coordinator) call(a *Attempt, tell func(Tasks)) {
	c.calls.add(func() {
		c.mu.Lock()
		current := c.attempt == a
		c.mu.Unlock()
		if current {
			tell(a.tasks)
		}
	})
}
