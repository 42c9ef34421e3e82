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

// Options configures a Coordinator. Job and Storage are required.
type Options struct {
	// Job is the name of the job; it must pass snapshot.CheckName. It names the job's folder in
	// the storage.
	Job string
	// Storage holds the objects of the job's checkpoints.
	Storage *Storage
	// Completed is the completed store. Close closes it. If it implements LockChecker, the
	// coordinator changes objects only while the store says that it leads the job; otherwise
	// only the fencing of the store excludes a second coordinator. Default: the store of
	// StorageOptions.Completed. Without that, entries are objects in Storage, and the
	// coordinator locks the job if the objects implement Locker.
	Completed Completed
	// Interval is the time between two triggers. Default 0: only calls of Attempt.Trigger and
	// Attempt.TriggerAndWait trigger checkpoints.
	Interval time.Duration
	// MinPause is the minimum time between the end of a checkpoint and the next trigger.
	// Default 0.
	MinPause time.Duration
	// Timeout is the time after which an unfinished checkpoint is aborted. Default 10 min.
	Timeout time.Duration
	// MaxConcurrent is the maximum number of checkpoints in progress. Default 1.
	MaxConcurrent int
	// TolerableFailures is the number of consecutive checkpoints that may fail. One more fails
	// the job. Default 0.
	TolerableFailures int
	// Retain is the number of complete checkpoints to keep. Default 1.
	Retain int
	// AllowUnclaimed permits a restore to drop state: of operators that the job does not have,
	// and in Attempt.Restore of states that are not declared. Default false: such state is an
	// error, ErrOperator or backend.ErrUnknownState.
	AllowUnclaimed bool
	// Logger receives messages for the people who run the job: skipped checkpoints, removals
	// that failed. The completed store of the storage uses it too. Default: messages are discarded.
	Logger *slog.Logger

	now   func() time.Time // the clock, replaced by simulations; default time.Now
	spawn func(func())     // starts a function in the background, replaced by tests; default go
}

const defaultTimeout = 10 * time.Minute

// complete checks the options and returns them with defaults filled in.
func (o Options) complete() (Options, error) {
	switch {
	case o.Storage == nil:
		return o, fmt.Errorf("Storage is nil: %w", ErrInvalidOption)
	case o.Interval < 0, o.MinPause < 0, o.Timeout < 0:
		return o, fmt.Errorf("Interval is %v, MinPause %v, Timeout %v: want none below zero: %w",
			o.Interval, o.MinPause, o.Timeout, ErrInvalidOption)
	case o.MaxConcurrent < 0, o.TolerableFailures < 0, o.Retain < 0:
		return o, fmt.Errorf("MaxConcurrent is %d, TolerableFailures %d, Retain %d: want none below zero: %w",
			o.MaxConcurrent, o.TolerableFailures, o.Retain, ErrInvalidOption)
	}
	if err := snapshot.CheckName(o.Job); err != nil {
		return o, fmt.Errorf("job name: %w: %w", ErrInvalidOption, err)
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

// Tasks is the coordinator's view of a running job. The coordinator calls the methods one at a
// time, in the order of the events, from a goroutine of its own. They must return soon: the
// next event waits for them.
type Tasks interface {
	// Trigger asks the sources to send a barrier.
	Trigger(Trigger)
	// Complete reports that a checkpoint is complete.
	Complete(Stats)
	// Aborted reports that a checkpoint will not be complete, and the reason.
	Aborted(ID, error)
	// Fail asks the job to fail, because too many checkpoints failed or the lock is lost.
	Fail(error)
}

// Trigger describes a checkpoint that has been started.
type Trigger struct {
	// ID is the number of the new checkpoint.
	ID ID
	// Base is the newest complete checkpoint, or 0. The new checkpoint may refer to its shared
	// files again, so they are kept until the new checkpoint ends.
	Base ID
}

// Stats describes a complete checkpoint.
type Stats struct {
	// ID is the number of the checkpoint.
	ID ID
	// Bytes is the size of all files and other data that the subtasks acknowledged.
	Bytes int64
	// NewBytes is the part of Bytes that this checkpoint wrote; the rest is shared with earlier
	// checkpoints.
	NewBytes int64
	// Took is the time from the trigger to the commit.
	Took time.Duration
}

// Subtasks names an operator of the job and gives its parallelism.
type Subtasks struct {
	// Operator is the name of the operator.
	Operator string
	// Parallelism is the number of its subtasks, at least 1.
	Parallelism int
}

// Coordinator runs the checkpoints of one job, through all its attempts. A job has one
// coordinator at a time, which holds the job's lock (see Options.Completed for the exceptions).
//
// Problem: the subtasks write their parts independently, and any of them, the storage or the
// process may fail at any time. After a failure there must be exactly one answer to the
// question from which checkpoint the job continues. The coordinator therefore gives every
// checkpoint one commit point, an entry in the completed store, and makes everything before it
// removable and everything after it durable.
//
// A checkpoint passes through these states (see pending):
//
//	 Trigger
//	    v
//	collecting ------------ decline, timeout, end of attempt, later one complete ----.
//	    | last acknowledgement                                                       |
//	    v                                                                            |
//	 queued --------------- timeout, Cancel, later one complete --------------------.|
//	    | queue of commits                                                          ||
//	    v                                                                           vv
//	writing packs, metadata  error, timeout, Cancel -------------------------->   aborted
//	    |                                                          files of this attempt removed
//	    v
//	committing ------------ error -------------------> aborted, but in doubt
//	    | the entry is durable: the commit point            files kept until the next attempt
//	    v
//	complete -> Tasks.Complete -> older complete checkpoints removed
//
// If the metadata object exists already (fs.ErrExist), another process wrote it; the checkpoint is
// then in doubt too.
//
// Invariant: a checkpoint commits only after all its subtasks have acknowledged. An acknowledgement
// lists only files that are durable, or lie in a pack of the checkpoint; the pack is durable before
// the metadata is written.
//
// Invariant: checkpoints commit in ascending order of IDs. Committing one aborts all earlier
// ones that are still in progress.
//
// Invariant: the base of a checkpoint in progress is not removed, nor the files that it shares.
//
// Invariant: at most one attempt is current. Calls on an earlier one have no effect
// (ErrFenced), and its Tasks are not called any more. Across processes the completed store
// fences earlier attempts.
//
// Invariant: once the lock is found to be lost, no object is created, committed or removed.
//
// Four queues work in the background, each in order: commits (metadata and entry), removals,
// calls of Tasks, and reservations of checkpoint IDs (see reservedIDs). The mutex is never held
// during I/O or during a call of Tasks, so that Trigger and Acknowledge do not wait for the storage.
//
// Source: asynchronous barrier snapshots as in Flink (Carbone et al., "Lightweight Asynchronous
// Snapshots for Distributed Dataflows", 2015), with the coordinator's two-phase commit to an
// external store of completed checkpoints.
//
// Thread safety: safe for concurrent use.
type Coordinator struct {
	o         Options
	objects   Objects // of the job; checks the job's lock before each change
	completed Completed
	layout    layout

	commits, removals, calls, reservations *queue

	reserving     context.Context // context of the reservations of checkpoint IDs
	stopReserving context.CancelFunc

	removing     context.Context // context of all removals except those of Discard and Collect
	stopRemoving context.CancelFunc

	leftovers bool // a removal failed, and left orphans; the queue of removals owns it

	beginning sync.Mutex     // serializes Begin
	writers   sync.WaitGroup // snapshots that Upload.Snapshot started; nothing is added once closed is set

	mu           sync.Mutex
	closed       bool
	canceled     bool            // Cancel was called: no attempt begins
	lost         error           // nil, or why the lock of the job is lost
	attempt      *Attempt        // nil, or the newest attempt, which may have ended
	nextID       ID              // higher than every ID used or found in the storage
	ids          reservedIDs     // the IDs of the next checkpoints
	latest       ID              // newest complete checkpoint, or 0
	confirmed    confirmedFiles  // shared files of latest
	pending      []*pending      // checkpoints in progress
	inDoubt      map[ID]bool     // commit failed in this attempt, but the entry may exist
	unrestorable map[ID]error    // complete, but known to be damaged
	contents     map[ID]contents // cache: names of the objects of complete checkpoints
	known        knownEntries    // of the completed store
	failures     int             // consecutive failed checkpoints
	triggered    time.Time       // time of the last trigger
	ended        time.Time       // time when the last checkpoint ended
	room         chan struct{}   // closed by wakeQueued; nil if no TriggerAndWait waits for room
}

// NewCoordinator locks the job's folder and returns its coordinator. It returns ErrLocked if
// another coordinator has the lock. With a completed store of its own (Options.Completed,
// StorageOptions.Completed) that store decides who works on the job, and NewCoordinator takes no
// other lock. Neither does it if the storage does not implement Locker.
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
	if completed == nil && o.Storage.completed != nil {
		if completed, err = o.Storage.completed(ctx, CompletedOptions{Job: o.Job, Logger: o.Logger}); err != nil {
			return nil, fmt.Errorf("coordinator of job %q: completed store: %w", o.Job, err)
		}
	}
	if completed != nil {
		objects = guard(objects, completed)
	} else {
		entries, err := openEntries(ctx, objects, o.Job)
		if err != nil {
			return nil, fmt.Errorf("coordinator of job %q: %w", o.Job, err)
		}
		completed, objects = entries, entries.objects
	}
	removing, stopRemoving := context.WithCancel(context.Background())
	reserving, stopReserving := context.WithCancel(context.Background())
	reserver, _ := completed.(IDReserver)
	c := &Coordinator{
		removing: removing, stopRemoving: stopRemoving, reserving: reserving, stopReserving: stopReserving,
		o: o, objects: objects, completed: completed, layout: layout{o.Job},
		commits: newQueue(o.spawn), removals: newQueue(o.spawn), calls: newQueue(o.spawn),
		reservations: newQueue(o.spawn), ids: reservedIDs{from: reserver},
		nextID: 1, unrestorable: make(map[ID]error), contents: make(map[ID]contents),
	}
	if g, ok := objects.(*guarded); ok {
		g.tell = c.endForLostLock
	}
	return c, nil
}

// endForLostLock records that the job's lock is lost, asks the job to fail and ends the
// attempt.
func (c *Coordinator) endForLostLock(reason error) {
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

// MarkUnrestorable makes later attempts skip a complete checkpoint whose files turned out to be
// missing or damaged, and logs the reason. The checkpoint is kept, does not count towards
// Options.Retain, and is listed by Attempt.Skipped. The mark is in memory only: a new
// coordinator tries the checkpoint again.
func (c *Coordinator) MarkUnrestorable(id ID, reason error) {
	c.o.Logger.Error("checkpoint cannot be restored", "job", c.o.Job, "checkpoint", id, "reason", reason)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unrestorable[id] = reason
}

// Cancel ends the attempt and gives up all checkpoints in progress, so that Close does not wait
// for a slow storage. A checkpoint whose commit was already sent may still become complete; the
// next coordinator finds its entry. Removals stop 50 ms later; files that are left are orphans,
// which the next coordinator collects. Begin returns ErrClosed from then on; Discard still
// works. A job calls Cancel when its context ends.
func (c *Coordinator) Cancel() {
	time.AfterFunc(removalGrace, c.stopRemoving)
	c.stopReserving()
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
	for _, p := range slices.Clone(c.pending) { // End has aborted those that miss acknowledgements
		if p.finishing {
			p.cancel(ErrEnded) // finish then aborts it
		} else {
			c.abort(p, ErrEnded, false)
		}
	}
}

// removalGrace is the time for which removals continue after Cancel. A canceled job must end
// within 100 ms; a local disk removes the files of one aborted checkpoint within this time.
const removalGrace = 50 * time.Millisecond

// Close ends the attempt, waits until queued commits, removals and calls of Tasks are done, and
// releases the job's lock. It removes only checkpoints that are no longer retained. It returns
// ErrLockLost if the lock was lost.
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
	c.stopReserving()
	c.writers.Wait() // End has canceled their contexts
	for _, q := range []*queue{c.commits, c.removals, c.calls, c.reservations} {
		_ = q.drain(context.Background())
	}
	c.stopRemoving()
	return errors.Join(checkLock(c.objects), c.completed.Close())
}

// Discard removes all checkpoints of a job that is over. It returns ErrInvalidOption before the
// first attempt has begun, and ErrBusy while one runs. It keeps links, named pipes and
// directories that have the name of an object, and returns snapshot.ErrNotRegular for them, as
// Collect does.
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
	entries, err := c.listCompleted(ctx)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(entries) { // newest first: if Discard stops early, the rest can be restored
		if errors.Is(e.Err, snapshot.ErrNotRegular) {
			continue // Collect keeps the files that it may refer to, and reports them
		}
		if err := c.removeEntry(ctx, e.ID); err != nil {
			return err
		}
		if err := c.removeFolder(ctx, e.ID, func(owner) bool { return true }); err != nil {
			return err
		}
	}
	c.mu.Lock()
	clear(c.inDoubt) // List has shown whether their entries exist
	c.mu.Unlock()
	_, err = c.Collect(ctx, false)
	return err
}

// find returns the checkpoint in progress with the given ID, or nil. The mutex is held.
func (c *Coordinator) find(id ID) *pending {
	for _, p := range c.pending {
		if p.id == id {
			return p
		}
	}
	return nil
}

// finish writes the metadata of a checkpoint that all subtasks have acknowledged, and commits
// it. It runs in the queue of commits.
func (c *Coordinator) finish(p *pending) {
	c.mu.Lock()
	if p.over {
		c.mu.Unlock()
		return
	}
	p.finishing = true
	p.releaseMemory() // the metadata object takes this memory next
	c.mu.Unlock()

	// After the attempt has ended, Run no longer enforces the timeout.
	ctx, release := context.WithTimeoutCause(p.ctx, c.o.Timeout, ErrTimeout)
	defer release()
	defer context.AfterFunc(ctx, func() { p.cancel(context.Cause(ctx)) })() // ends the commit of the pack
	began := c.o.now()
	done, entry, err := c.commit(ctx, p)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.abort(p, err, true)
		return
	}
	stats := Stats{ID: p.id, Bytes: done.Bytes(), NewBytes: done.newBytes(), Took: c.o.now().Sub(p.triggered)}
	c.end(p, nil)
	c.known.committed(entry, began)
	c.latest, c.confirmed, c.failures = p.id, done.confirmedFiles(), 0
	c.contents[p.id] = done.contents()
	c.call(p.attempt, func(t Tasks) { t.Complete(stats) })
	c.announce(p, stats, nil)
	for _, older := range slices.Clone(c.pending) {
		if older.id < p.id {
			c.abort(older, ErrSubsumed, false)
		}
	}
	c.removals.add(c.removeOutdated)
}

// commit commits the open packs of a checkpoint, and then writes the metadata object and the entry.
func (c *Coordinator) commit(ctx context.Context, p *pending) (*Checkpoint, Entry, error) {
	for _, packs := range p.packs {
		if err := packs.finish(); err != nil {
			return nil, Entry{}, err
		}
	}
	checkpoint := p.checkpoint(c.o.Job)
	data, err := encode(checkpoint)
	if err != nil {
		return nil, Entry{}, err
	}
	if err := writeObject(ctx, c.objects, c.layout.metadata(p.id), data); err != nil {
		p.inDoubt = errors.Is(err, fs.ErrExist) // another process wrote it: do not remove it
		return nil, Entry{}, fmt.Errorf("metadata: %w", err)
	}
	p.inDoubt = true // Commit may fail after the entry was written
	entry := entryOf(checkpoint, data)
	if err := c.completed.Commit(ctx, entry); err != nil {
		return nil, Entry{}, fmt.Errorf("commit: %w", err)
	}
	return checkpoint, entry, nil
}

// abort ends a checkpoint without completing it; counts adds it to the consecutive failures.
// The mutex is held.
func (c *Coordinator) abort(p *pending, reason error, counts bool) {
	if p.over {
		return
	}
	reason = fmt.Errorf("checkpoint %d: %w", p.id, reason)
	c.end(p, reason)
	c.call(p.attempt, func(t Tasks) { t.Aborted(p.id, reason) })
	c.announce(p, Stats{}, reason)
	if p.inDoubt {
		c.inDoubt[p.id] = true
	} else {
		c.removals.add(func() { c.removeAborted(p) })
	}
	if !counts {
		return
	}
	if c.failures++; c.failures > c.o.TolerableFailures {
		err := fmt.Errorf("%w: %d in a row, last failure: %w", ErrTooManyFailures, c.failures, reason)
		c.call(p.attempt, func(t Tasks) { t.Fail(err) })
	}
}

// end removes a checkpoint from the list of those in progress. The mutex is held.
func (c *Coordinator) end(p *pending, reason error) {
	p.over = true
	p.releaseMemory()
	p.cancel(cmp.Or(reason, ErrEnded))
	c.pending = slices.DeleteFunc(c.pending, func(q *pending) bool { return q == p })
	c.ended = c.o.now()
	p.attempt.wakeRun()
	c.wakeQueued()
}

// call queues a call of an attempt's Tasks. The call is dropped if a later attempt has begun by
// then.
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
