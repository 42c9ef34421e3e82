package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/snapshot"
)

// chooseRestored sets a.restored to the newest complete checkpoint that can be read, and checks
// that the attempt has its operators. Checkpoints that can never be read are skipped. An error
// that may pass, such as an I/O error, fails the attempt instead: skipping that checkpoint
// would needlessly take the job back.
func (c *Coordinator) chooseRestored(ctx context.Context, a *Attempt) error {
	entries, err := c.listCompleted(ctx)
	if err != nil {
		return err
	}
	for i := len(entries) - 1; i >= 0 && a.restored == nil; i-- {
		if a.restored, err = c.load(ctx, entries[i]); err == nil {
			continue
		}
		lost := c.isUnrestorable(entries[i].ID, err)
		err = fmt.Errorf("checkpoint %d: %w", entries[i].ID, err)
		if !lost {
			return err
		}
		a.skipped = append(a.skipped, err)
	}
	for _, skipped := range a.skipped {
		c.o.Logger.Error("checkpoint skipped", "job", c.o.Job, "reason", skipped)
	}
	if a.restored == nil && len(entries) > 0 {
		return fmt.Errorf("%w: %w", ErrNotRestorable, errors.Join(a.skipped...))
	}
	return c.checkOperators(a)
}

// checkCompletedStore returns ErrNotRestorable if the completed store is not the one in which the job's
// checkpoints are listed. Either the storage has metadata of checkpoints of a job that the store has never
// seen; or the job has run with the default store, whose entries are objects in the storage, and now has another one.
func (c *Coordinator) checkCompletedStore(ctx context.Context) error {
	store, ok := c.completed.(NewJobChecker)
	if !ok {
		return nil
	}
	if _, isDefault := store.(*entries); !isDefault {
		unused, err := (&entries{objects: c.objects, layout: c.layout}).IsNewJob(ctx)
		if err != nil {
			return err
		}
		if !unused {
			return fmt.Errorf("the folder %q lists the job's checkpoints itself: use no other completed store, "+
				"or move the folder away: %w", c.layout.root(), ErrNotRestorable)
		}
	}
	isNew, err := store.IsNewJob(ctx)
	if err != nil || !isNew {
		return err
	}
	objects, err := c.objects.List(ctx, c.layout.root())
	for _, o := range objects {
		if id := c.layout.checkpointOf(o.nameOf()); id > 0 && o.Name == c.layout.metadata(id) {
			return fmt.Errorf("the storage has the metadata %q, but the completed store has never seen the job: "+
				"use the completed store that the job had, or move its folder away: %w", o.Name, ErrNotRestorable)
		}
	}
	return err
}

// isUnrestorable reports whether a checkpoint that could not be loaded never can be, and marks
// it so. Such a checkpoint is skipped and does not count towards Options.Retain. It returns
// false for errors that may pass, and for checkpoints that a newer program can read.
func (c *Coordinator) isUnrestorable(id ID, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unrestorable[id] == nil && isUnreadable(err) {
		c.unrestorable[id] = err
	}
	return c.unrestorable[id] != nil
}

// isUnreadable reports whether err means that an entry or metadata is damaged, missing, or not
// a regular file. Reading it again, or with another program, does not help.
func isUnreadable(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, snapshot.ErrNotRegular)
}

// load reads the metadata of a complete checkpoint that is not marked unrestorable.
func (c *Coordinator) load(ctx context.Context, e Entry) (*Checkpoint, error) {
	c.mu.Lock()
	marked := c.unrestorable[e.ID]
	c.mu.Unlock()
	if marked != nil {
		return nil, errors.Join(e.Err, marked)
	}
	return c.read(ctx, e)
}

// read reads the metadata of a complete checkpoint and compares it with the entry.
func (c *Coordinator) read(ctx context.Context, e Entry) (*Checkpoint, error) {
	if e.Err != nil {
		return nil, e.Err
	}
	data, err := readObject(ctx, c.objects, c.layout.metadata(e.ID), e.Size)
	if err != nil {
		return nil, err
	}
	if xxhash.Sum64(data) != e.Checksum {
		return nil, fmt.Errorf("checksum of the metadata is not the one in the entry: %w", ErrCorrupt)
	}
	checkpoint, err := Decode(data)
	switch {
	case err != nil:
		return nil, err
	case checkpoint.Job != c.o.Job:
		return nil, fmt.Errorf("metadata of job %q, want %q: %w", checkpoint.Job, c.o.Job, ErrForeign)
	case checkpoint.ID != e.ID || checkpoint.Attempt != e.Attempt:
		return nil, fmt.Errorf("metadata of checkpoint %d, attempt %d, want attempt %d: %w",
			checkpoint.ID, checkpoint.Attempt, e.Attempt, ErrCorrupt)
	}
	return checkpoint, nil
}

// checkOperators returns ErrOperator if the restored checkpoint has state of an operator that
// the attempt does not have.
func (c *Coordinator) checkOperators(a *Attempt) error {
	if a.restored == nil || c.o.AllowUnclaimed {
		return nil
	}
	for _, operator := range a.restored.Operators {
		if !operator.isEmpty() && !a.hasSubtask(subtaskID{operator.Name, 0}) {
			return fmt.Errorf("checkpoint %d, operator %q: %w", a.restored.ID, operator.Name, ErrOperator)
		}
	}
	return nil
}

// isEmpty reports whether no subtask left anything to restore.
func (o Operator) isEmpty() bool {
	return !slices.ContainsFunc(o.Parts, func(p Part) bool { return p.Handle != nil || len(p.Data) > 0 })
}

// nextFree returns an ID that is higher than those of all complete checkpoints and of all
// objects in the job's folder.
func (c *Coordinator) nextFree(ctx context.Context) (ID, error) {
	objects, err := listAll(ctx, c.objects, c.layout.root())
	if err != nil {
		return 0, err
	}
	last := ID(0)
	for _, object := range objects {
		last = max(last, c.layout.checkpointOf(object.nameOf()))
	}
	entries, err := c.completed.List(ctx)
	for _, e := range entries {
		last = max(last, e.ID)
	}
	if last == maxNumber {
		return 0, fmt.Errorf("checkpoint %d has the highest possible number: %w", last, ErrCorrupt)
	}
	return last + 1, err
}
