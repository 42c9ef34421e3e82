package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// outcome is how a checkpoint ended, for those who wait for that.
type outcome struct {
	known chan struct{} // closed when the rest is set
	stats Stats
	err   error
}

// settle tells those who wait how a checkpoint ended, after the tasks have heard of it.
// The mutex is held.
func (c *Coordinator) settle(p *pending, stats Stats, err error) {
	if o := p.outcome; o != nil {
		c.calls.add(func() {
			o.stats, o.err = stats, err
			close(o.known)
		})
	}
}

// TriggerAndWait starts a checkpoint and returns when it is complete and Tasks.Complete
// has returned: what the subtasks hold at their barriers is safe then. It is for a clean
// shutdown. While as many checkpoints are under way as Options.MaxConcurrent allows, it
// waits for the end of one, and Run triggers none before it. It needs no Run, and watches
// Options.Timeout itself.
//
// It returns the reason if the checkpoint is aborted: what a subtask declined it for,
// ErrTimeout, ErrSubsumed if a later one is complete before, which has all of it, or ErrEnded
// if the attempt ends meanwhile. It returns ErrFenced, ErrEnded or ErrLockLost if the attempt
// is over already. When the context ends it returns the context's cause, together with
// ErrBusy if no checkpoint could be started before; one that was started goes on and may
// become complete. With a context that has ended already it starts none, and returns the
// cause alone. Tasks must not call it.
func (a *Attempt) TriggerAndWait(ctx context.Context) (Stats, error) {
	p, err := a.triggerInTurn(ctx)
	if err != nil {
		return Stats{}, err
	}
	if err := a.awaitClosed(ctx, p.outcome.known); err != nil {
		return Stats{}, fmt.Errorf("wait for checkpoint %d: %w", p.id, err)
	}
	err = p.outcome.err
	if errors.Is(err, ErrEnded) {
		err = a.explain(err)
	}
	return p.outcome.stats, err
}

// explain adds to ErrEnded why the attempt has ended, as far as that is known.
func (a *Attempt) explain(err error) error {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	if why := a.why(); why != ErrEnded {
		return fmt.Errorf("%w: %w", err, why)
	}
	return err
}

// triggerInTurn starts a checkpoint as soon as there is room for it.
func (a *Attempt) triggerInTurn(ctx context.Context) (*pending, error) {
	c := a.c
	c.mu.Lock()
	defer c.mu.Unlock()
	a.queued++
	defer func() {
		a.queued--
		a.lookAgain()
	}()
	for {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("trigger a checkpoint: %w", context.Cause(ctx))
		}
		p, err := a.tryTrigger()
		if err == nil {
			p.outcome = &outcome{known: make(chan struct{})}
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
		waited := a.awaitClosed(ctx, room)
		c.mu.Lock()
		if waited != nil {
			return nil, fmt.Errorf("trigger a checkpoint: %w: %w", err, waited)
		}
	}
}

// wakeQueued lets those look again who wait for room. The mutex is held.
func (c *Coordinator) wakeQueued() {
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// awaitClosed waits until a channel is closed, or returns the context's cause. Meanwhile
// it aborts checkpoints that take too long.
func (a *Attempt) awaitClosed(ctx context.Context, closed <-chan struct{}) error {
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
		case <-closed: // even if the context has ended as well
			return nil
		default:
			return context.Cause(ctx)
		}
	}
}
