package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstate/weir/snapshot"
)

// The functions in this file run in the queue of removals. They remove the entry of a
// checkpoint before its files, so that a removal that fails leaves orphans, and never a
// complete checkpoint without files.

// removeOutdated removes the complete checkpoints that need not be retained, and the shared
// files that only they list.
func (c *Coordinator) removeOutdated() {
	if checkLock(c.objects) != nil { // the folder may belong to another process
		return
	}
	ctx := c.removing
	entries, err := c.completed.List(ctx)
	if err == nil {
		err = c.removeComplete(ctx, c.outdated(entries))
	}
	c.warn("old checkpoints remain", err)
}

// removeComplete removes complete checkpoints and the shared files that no other complete
// checkpoint lists. If the metadata of one cannot be read, its shared files stay, and the
// collector removes those that nothing refers to.
func (c *Coordinator) removeComplete(ctx context.Context, entries []Entry) (err error) {
	names := make(map[string]bool)
	for _, e := range entries {
		shared, unknown := c.sharedBy(ctx, e)
		if errors.Is(unknown, snapshot.ErrNotRegular) && c.isUnrestorable(e.ID, unknown) { // a user may put the file back
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
	live, unknown := c.findLive(ctx)
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

// outdated returns the entries that retention may remove: all but the newest Options.Retain
// ones. An entry that cannot be restored does not count and is kept, so that a user can inspect
// it. An entry in doubt does not count; it is removed once a later checkpoint is complete. The
// base of a checkpoint in progress is kept.
func (c *Coordinator) outdated(entries []Entry) (outdated []Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := 0
	for _, e := range slices.Backward(entries) {
		switch {
		case e.Err != nil || c.unrestorable[e.ID] != nil || c.inDoubt[e.ID] && e.ID > c.latest:
		case c.inDoubt[e.ID]:
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

// removeCheckpoint removes a complete checkpoint: its entry, then its folder. gone reports that
// the entry is removed durably, so that shared files may be removed too.
func (c *Coordinator) removeCheckpoint(ctx context.Context, id ID) (gone bool, err error) {
	if err := c.completed.Remove(ctx, id); err != nil {
		return false, err
	}
	c.forgetShared(id)
	return true, c.removeFolder(ctx, id, func(owner) bool { return true })
}

// removeAborted removes the files that an aborted checkpoint wrote, in its folder and in the
// shared folder.
func (c *Coordinator) removeAborted(p *pending) {
	for _, packs := range p.packs {
		c.warn("an unfinished pack of an aborted checkpoint remains", packs.abort())
	}
	if checkLock(c.objects) != nil { // the folder may belong to another process
		return
	}
	ctx := c.removing
	err := c.removeFolder(ctx, p.id, func(o owner) bool {
		return o.attempt == p.attempt.number || o.attempt == 0 && p.finishing
	})
	err = errors.Join(err, c.removeShared(ctx, p.id, p.attempt.number))
	c.warn("files of an aborted checkpoint remain", err)
}

// removeShared removes the shared files and packs that an aborted checkpoint wrote. No other
// checkpoint lists them, since only files of complete checkpoints are listed again.
func (c *Coordinator) removeShared(ctx context.Context, id ID, attempt AttemptID) error {
	store := c.objects
	objects, err := store.List(ctx, fmt.Sprintf("%ss%d-%d-", c.layout.shared(), id, attempt))
	for _, object := range objects {
		if o, ok := c.layout.ownerOf(object.nameOf()); ok && o.shared && o.id == id && o.attempt == attempt && object.Irregular == nil {
			err = errors.Join(err, store.Remove(ctx, object.Name))
		}
	}
	return err
}

// removeFolder removes the objects in a checkpoint's folder for which match reports true, the
// metadata first. Links, named pipes and directories that have the name of an object stay, and
// so does the folder; Collect reports them.
func (c *Coordinator) removeFolder(ctx context.Context, id ID, match func(owner) bool) error {
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
		if !ok || !match(o) || object.Irregular != nil {
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

// warn logs a removal that failed.
func (c *Coordinator) warn(message string, err error) {
	if err != nil {
		c.o.Logger.Warn(message, "job", c.o.Job, "reason", err)
	}
}
