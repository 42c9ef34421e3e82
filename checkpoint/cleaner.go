package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstate/weir/snapshot"
)

// What is in this file runs in the queue of removals. A removal that fails
// leaves an orphan, never a checkpoint without files: entries go first.

// retire removes the complete checkpoints that need not be kept, and what they alone
// have shared.
func (c *Coordinator) retire() {
	if checkLock(c.objects) != nil { // somebody else's by now
		return
	}
	ctx := c.removing
	entries, err := c.completed.List(ctx)
	if err == nil {
		err = c.removeComplete(ctx, c.outdated(entries))
	}
	c.report("old checkpoints remain", err)
}

// removeComplete removes complete checkpoints. Which files they share must be known
// before; if it cannot be, the collector finds those that nobody needs.
func (c *Coordinator) removeComplete(ctx context.Context, entries []Entry) (err error) {
	names := make(map[string]bool)
	for _, e := range entries {
		shared, unknown := c.sharedBy(ctx, e)
		if errors.Is(unknown, snapshot.ErrNotRegular) && c.isLost(e.ID, unknown) { // somebody can mend it
			err = errors.Join(err, fmt.Errorf("checkpoint %d is kept: %w", e.ID, unknown))
			continue
		}
		gone, failed := c.removeCheckpoint(ctx, e.ID)
		if gone && unknown == nil {
			maps.Copy(names, shared)
		}
		err = errors.Join(err, failed)
	}
	if len(names) == 0 {
		return err
	}
	live, unknown := c.live(ctx)
	if unknown != nil {
		return errors.Join(err, unknown)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		o, _ := parseSharedName(name)
		if live.isOrphan(o, name, false) {
			err = errors.Join(err, c.objects.Remove(ctx, c.layout.shared()+name))
		}
	}
	return err
}

// outdated are the entries beyond the newest ones to retain. One that cannot be
// restored does not count, and stays for somebody to look at. One in doubt does
// not count either. The base of a checkpoint under way stays.
func (c *Coordinator) outdated(entries []Entry) (outdated []Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := 0
	for _, e := range slices.Backward(entries) {
		switch {
		case e.Err != nil || c.distrusted[e.ID] != nil || c.doubtful[e.ID] && e.ID > c.latest:
		case c.doubtful[e.ID]:
			outdated = append(outdated, e)
		case kept < c.o.Retain:
			kept++
		case slices.ContainsFunc(c.pending, func(p *pending) bool { return p.base == e.ID }):
		default:
			outdated = append(outdated, e)
		}
	}
	return outdated
}

// removeCheckpoint removes a complete checkpoint. Gone says that its entry is, for
// good: then its files may go.
func (c *Coordinator) removeCheckpoint(ctx context.Context, id ID) (gone bool, err error) {
	if err := c.completed.Remove(ctx, id); err != nil {
		return false, err
	}
	c.forgetShared(id)
	return true, c.removeFolder(ctx, id, func(owner) bool { return true })
}

// removeAborted removes what an aborted checkpoint wrote, and nothing else.
func (c *Coordinator) removeAborted(p *pending) {
	if checkLock(c.objects) != nil { // somebody else's by now
		return
	}
	ctx := c.removing
	err := c.removeFolder(ctx, p.id, func(o owner) bool {
		return o.attempt == p.attempt.number || o.attempt == 0 && p.finishing
	})
	err = errors.Join(err, c.removeShared(ctx, owner{id: p.id, attempt: p.attempt.number, shared: true}))
	c.report("files of an aborted checkpoint remain", err)
}

// removeShared removes what a checkpoint has shared that was never confirmed, so that
// no other refers to it.
func (c *Coordinator) removeShared(ctx context.Context, by owner) error {
	store := c.objects
	objects, err := store.List(ctx, fmt.Sprintf("%ss%d-%d-", c.layout.shared(), by.id, by.attempt))
	for _, object := range objects {
		if o, ok := c.layout.ownerOf(object.nameOf()); ok && o == by && object.Irregular == nil {
			err = errors.Join(err, store.Remove(ctx, object.Name))
		}
	}
	return err
}

// removeFolder removes from a checkpoint's folder the objects whose owner is
// right, metadata first. Links, named pipes and directories in the place of an object
// stay, and the folder with them: Collect reports them.
func (c *Coordinator) removeFolder(ctx context.Context, id ID, right func(owner) bool) error {
	store, metadata := c.objects, c.layout.metadata(id)
	objects, err := store.List(ctx, c.layout.folder(id))
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(objects, func(o ObjectInfo) bool { return o.Name == metadata }); i > 0 {
		objects[0], objects[i] = objects[i], objects[0]
	}
	for _, object := range objects {
		o, ok := c.layout.ownerOf(object.nameOf())
		if !ok || !right(o) || object.Irregular != nil {
			continue
		}
		failed := store.Remove(ctx, object.Name)
		if failed != nil && object.Name == metadata {
			return failed
		}
		err = errors.Join(err, failed)
	}
	return err
}

// report tells the log of removals that failed.
func (c *Coordinator) report(what string, err error) {
	if err != nil {
		c.o.Logger.Warn(what, "job", c.o.Job, "reason", err)
	}
}
