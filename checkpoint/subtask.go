package checkpoint

import (
	"bytes"
	"context"
	"fmt"

	"github.com/weirstate/weir/snapshot"
)

// Restore loads into an empty backend, on which the states of the program are declared, its
// key groups of an operator of the restored checkpoint, at any parallelism: see
// snapshot.Restore, whose errors it returns. It does nothing if the job begins, or if the
// operator left no state. It returns ErrInvalidOption for an operator that Begin was not told of.
func (a *Attempt) Restore(ctx context.Context, b snapshot.Backend, operator string) error {
	if !a.has(place{operator, 0}) {
		return fmt.Errorf("restore operator %q: the attempt has no operator of that name: %w", operator, ErrInvalidOption)
	}
	if a.restored == nil {
		return nil
	}
	o, _ := a.restored.Operator(operator)
	var handles []snapshot.Handle
	for _, part := range o.Parts {
		if part.Handle != nil {
			handles = append(handles, *part.Handle)
		}
	}
	if len(handles) == 0 {
		return nil
	}
	if _, err := snapshot.Restore(ctx, b, a.Source(), handles, snapshot.RestoreOptions{AllowUnclaimed: a.c.o.AllowUnclaimed}); err != nil {
		return fmt.Errorf("operator %q of checkpoint %d: %w", operator, a.restored.ID, err)
	}
	return nil
}

// Snapshot takes the subtask's part of the checkpoint: the view of its backend at once, on
// the caller's goroutine, which must be the backend's; the rest on others, which write the
// files and hand them in with the subtask's other data. What goes wrong declines the
// checkpoint. Close of the Coordinator waits for the others, so close the backend after it.
// The snapshot that is returned tells of the pause and the progress; it is nil with an error.
// Options.Name is set by the Upload.
func (u *Upload) Snapshot(b snapshot.Backend, o snapshot.Options, data []byte) (*snapshot.Running, error) {
	if u.ctx.Err() != nil {
		return nil, context.Cause(u.ctx)
	}
	if !u.c.addWriter() {
		return nil, ErrClosed
	}
	o.Name = u.Name()
	running, err := snapshot.Start(u.ctx, b, u, o)
	if err != nil {
		u.c.writers.Done()
		u.Decline(err)
		return nil, err
	}
	data = bytes.Clone(data)
	go func() {
		defer u.c.writers.Done()
		h, err := running.Wait()
		if err == nil {
			err = u.Acknowledge(&h, data)
		}
		if err != nil {
			u.Decline(err)
		}
	}()
	return running, nil
}

// addWriter counts a snapshot that Close is to wait for, unless it waits already.
func (c *Coordinator) addWriter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.writers.Add(1)
	return true
}
