package checkpoint

import (
	"context"
	"errors"
	"slices"
)

// What is in this file runs in the queue of removals. A removal that fails
// leaves an orphan, never a checkpoint without files: entries go first.

// retire removes the complete checkpoints that need not be kept.
func (c *Coordinator) retire() {
	ctx := context.Background()
	entries, err := c.completed.List(ctx)
	if err == nil {
		for _, id := range c.outdated(entries) {
			err = errors.Join(err, c.removeCheckpoint(ctx, id))
		}
	}
	c.report("old checkpoints remain", err)
}

// outdated are the entries beyond the newest ones to retain. One that cannot be
// restored does not count, and stays for somebody to look at. One in doubt does
// not count either. The base of a checkpoint under way stays.
func (c *Coordinator) outdated(entries []Entry) (ids []ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := 0
	for _, e := range slices.Backward(entries) {
		switch {
		case e.Err != nil || c.distrusted[e.ID] != nil || c.doubtful[e.ID] && e.ID > c.latest:
		case c.doubtful[e.ID]:
			ids = append(ids, e.ID)
		case kept < c.o.Retain:
			kept++
		case slices.ContainsFunc(c.pending, func(p *pending) bool { return p.base == e.ID }):
		default:
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// removeCheckpoint removes a complete checkpoint.
func (c *Coordinator) removeCheckpoint(ctx context.Context, id ID) error {
	if err := c.completed.Remove(ctx, id); err != nil {
		return err
	}
	return c.removeFolder(ctx, id, func(owner) bool { return true })
}

// removeAborted removes what an aborted checkpoint wrote, and nothing else.
func (c *Coordinator) removeAborted(p *pending) {
	err := c.removeFolder(context.Background(), p.id, func(o owner) bool {
		return o.attempt == p.attempt.number || o.attempt == 0 && p.finishing
	})
	c.report("files of an aborted checkpoint remain", err)
}

// removeFolder removes from a checkpoint's folder the objects whose owner is
// right, metadata first.
func (c *Coordinator) removeFolder(ctx context.Context, id ID, right func(owner) bool) error {
	store := c.o.Storage.objects
	if right(owner{id: id}) {
		if err := store.Remove(ctx, c.layout.metadata(id)); err != nil {
			return err
		}
	}
	objects, err := store.List(ctx, c.layout.folder(id))
	for _, object := range objects {
		if o, ok := c.layout.ownerOf(object.nameOf()); ok && right(o) {
			err = errors.Join(err, store.Remove(ctx, object.Name))
		}
	}
	return err
}

// report tells the log of removals that failed.
func (c *Coordinator) report(what string, err error) {
	if err != nil {
		c.o.Logger.Warn(what, "job", c.o.Job, "reason", err)
	}
}
