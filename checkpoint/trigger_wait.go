package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// outcome is the result of a checkpoint for the TriggerAndWait that started it.
type outcome struct {
	done  chan struct{} // closed when stats and err are set
	stats Stats
	err   error
}

// announce reports the result of a checkpoint to the TriggerAndWait that started it, after
// Tasks was called. The mutex is held.
func (c *Coordinator) announce(p *pending, stats Stats, err error) {
	if o := p.outcome; o != nil {
		c.calls.add(func() {
			o.stats, o.err = stats, err
			close(o.done)
		})
	}
}

// TriggerAndWait starts a checkpoint and waits until it is complete and Tasks.Complete has
// returned. From then on a restart restores the state that the subtasks had at their barriers,
// or a newer one. Use it for a clean shutdown. While Options.MaxConcurrent checkpoints are in
// progress, TriggerAndWait waits for one of them to end, and Run triggers no other checkpoint
// first. It enforces Options.Timeout itself and so does not need Run. The methods of Tasks must
// not call TriggerAndWait.
//
// If the checkpoint is aborted, TriggerAndWait returns the reason: the error with which a
// subtask declined it, ErrTimeout, ErrSubsumed if a later checkpoint became complete first, or
// ErrEnded if the attempt ended. If the attempt is already over it returns ErrFenced, ErrEnded
// or ErrLockLost.
//
// When the context ends, TriggerAndWait returns the context's cause, joined with ErrBusy if it
// had not started a checkpoint yet. A checkpoint that it has started continues and may become
// complete. If the context has already ended at the call, no checkpoint is started.
func (a *Attempt) TriggerAndWait(ctx context.Context) (Stats, error) {
	p, err := a.triggerWhenRoom(ctx)
	if err != nil {
		return Stats{}, err
	}
	if err := a.waitClosed(ctx, p.outcome.done); err != nil {
		return Stats{}, fmt.Errorf("wait for checkpoint %d: %w", p.id, err)
	}
	err = p.outcome.err
	if errors.Is(err, ErrEnded) {
		err = a.addEndReason(err)
	}
	return p.outcome.stats, err
}

// addEndReason adds to ErrEnded the reason for the end of the attempt, if it is known.
func (a *Attempt) addEndReason(err error) error {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	if reason := a.endReason(); reason != ErrEnded {
		return fmt.Errorf("%w: %w", err, reason)
	}
	return err
}

// triggerWhenRoom starts a checkpoint as soon as fewer than Options.MaxConcurrent are in
// progress.
func (a *Attempt) triggerWhenRoom(ctx context.Context) (*pending, error) {
	c := a.c
	c.mu.Lock()
	defer c.mu.Unlock()
	a.queued++
	defer func() {
		a.queued--
		a.wakeRun()
	}()
	for {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("trigger a checkpoint: %w", context.Cause(ctx))
		}
		p, err := a.tryTrigger()
		if err == nil {
			p.outcome = &outcome{done: make(chan struct{})}
			return p, nil
		}
		if !errors.Is(err, ErrBusy) {
			return nil, err
		}
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		c.mu.Unlock()
		waited := a.waitClosed(ctx, room)
		c.mu.Lock()
		if waited != nil {
			return nil, fmt.Errorf("trigger a checkpoint: %w: %w", err, waited)
		}
	}
}

// wakeQueued wakes the calls of TriggerAndWait that wait for room. The mutex is held.
func (c *Coordinator) wakeQueued() {
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// waitClosed waits until the channel is closed, or returns the context's cause. While it waits
// it aborts checkpoints that exceed the timeout.
func (a *Attempt) waitClosed(ctx context.Context, closed <-chan struct{}) error {
	c := a.c
	for {
		c.mu.Lock()
		next := c.expire(c.o.now())
		c.mu.Unlock()
		timer := time.NewTimer(next)
		select {
		case <-closed:
		case <-ctx.Done():
		case <-timer.C:
			continue
		}
		timer.Stop()
		select {
		case <-closed: // wins over the end of the context
			return nil
		default:
			return context.Cause(ctx)
		}
	}
}
