package checkpoint

import (
	"bytes"
	"context"
	"fmt"

	"github.com/weirstate/weir/snapshot"
)

// Restore loads one subtask's share of an operator's state from the restored checkpoint into b.
// b must be empty, and the program must have declared its states on it. The keyspace of b selects
// the key groups to load. Restore does nothing if the job starts empty or the operator has no
// state.
//
// Problem: a checkpoint was written by n subtasks, and must be restored by m. A key must end up
// in the one subtask that owns it now, and the work per subtask must stay proportional to its
// own state.
//
// Idea: keys are hashed into a fixed number of key groups (the maximum parallelism, which never
// changes for a job). A subtask owns a contiguous range of groups, at any parallelism. Every
// file in a handle has the range of its groups (FileRef.Bounds). Restore passes the handles of
// all old subtasks to the new one, and snapshot.Restore reads only the files, and in them only
// the groups, that intersect its range:
//
//	key groups       0 ......................... 63 | 64 ........................ 127
//	written by       subtask 0 of 2                 | subtask 1 of 2
//	                 chk-7/3-count-0                | chk-7/3-count-1
//	                      |           \                   /            |
//	read by          0 ........ 42    | 43 ............. 85 |    86 ........ 127
//	                 subtask 0 of 3   | subtask 1 of 3      |    subtask 2 of 3
//
// Invariant: the handles of one operator have the same maximum parallelism, and their key group
// ranges are disjoint (Operator.validate), so that every group has one source.
//
// Invariant: when the handles of several old subtasks list the same shared file, Restore takes from
// it, for each handle, only the key groups that this old subtask owned. So a key that its owner has
// deleted does not come back through the handle of another subtask.
//
// Invariant: other data (Part.Data) is not split. The host redistributes it.
//
// Cost: portable snapshots read the sections of the subtask's groups; native ones link or copy
// the tables that reach into them.
//
// Restore returns the errors of snapshot.Restore, and ErrInvalidOption for an operator that was
// not passed to Begin.
func (a *Attempt) Restore(ctx context.Context, b snapshot.Backend, operator string) error {
	if !a.hasSubtask(subtaskID{operator, 0}) {
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

// Snapshot writes and acknowledges the subtask's part of the checkpoint. It takes the view of
// the backend at once, on the caller's goroutine, which must be the one that owns the backend.
// Other goroutines then write the files and acknowledge them together with a copy of data. An
// error declines the checkpoint. Coordinator.Close waits for these goroutines, so close the
// backend after it.
//
// The result reports the pause and the progress of the snapshot; it is nil if Snapshot returns
// an error. Options.Name is ignored: the Upload sets it.
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

// addWriter adds a snapshot to those that Close waits for. It returns false after Close.
func (c *Coordinator) addWriter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.writers.Add(1)
	return true
}
