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
// complete checkpoint without files. Once removals succeed again, the collector removes the orphans.

// removeOutdated removes the complete checkpoints that need not be retained, and the shared
// files that only they list.
func (c *Coordinator) removeOutdated() {
	if checkLock(c.objects) != nil { // the folder may belong to another process
		return
	}
	ctx := c.removing
	entries, err := c.knownOrListed(ctx)
	if err == nil {
		err = c.removeComplete(ctx, c.outdated(entries))
	}
	c.noteRemoval("old checkpoints remain", err)
	if err == nil && c.leftovers {
		c.collectLeftovers()
	}
}

// noteRemoval logs a removal that failed, and remembers that it left orphans.
func (c *Coordinator) noteRemoval(message string, err error) {
	c.leftovers = c.leftovers || err != nil
	c.warn(message, err)
}

// removeComplete removes complete checkpoints: the entries, then in one batch the objects that their
// metadata names, and the shared objects that no other complete checkpoint needs. If the metadata
// of one cannot be read, all objects in its folder are removed. Its shared objects stay, and the
// collector removes those that nothing refers to; so it does with objects that other attempts left in
// the folder.
func (c *Coordinator) removeComplete(ctx context.Context, entries []Entry) (err error) {
	var names []string
	shared := make(map[string]bool)
	for _, e := range entries {
		objects, unknown := c.contentsOf(ctx, e)
		if errors.Is(unknown, snapshot.ErrNotRegular) && c.isUnrestorable(e.ID, unknown) { // a user may put the file back
			err = errors.Join(err, fmt.Errorf("checkpoint %d is kept: %w", e.ID, unknown))
			continue
		}
		if failed := c.removeEntry(ctx, e.ID); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		if unknown != nil {
			err = errors.Join(err, c.removeFolder(ctx, e.ID, func(owner) bool { return true }))
			continue
		}
		names = append(append(names, c.layout.metadata(e.ID)), objects.own...)
		maps.Copy(shared, objects.shared)
	}
	unneeded, unknown := c.unneeded(ctx, shared)
	return errors.Join(err, unknown, removeAll(ctx, c.objects, append(names, unneeded...)))
}

// unneeded returns the objects, of those with the given names in the shared folder, that nothing
// needs.
func (c *Coordinator) unneeded(ctx context.Context, shared map[string]bool) (names []string, err error) {
	if len(shared) == 0 {
		return nil, nil
	}
	live, err := c.findLive(ctx, c.knownOrListed)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(shared)) {
		if o, ok := parseSharedName(name); ok && live.isOrphan(o, name, false) {
			names = append(names, c.layout.shared()+name)
		}
	}
	return names, nil
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

// removeAborted removes the objects that an aborted checkpoint wrote, in its folder and in the
// shared folder. It lists them only if one may exist. No other checkpoint lists the shared ones,
// since only files of complete checkpoints are listed again.
func (c *Coordinator) removeAborted(p *pending) {
	for _, packs := range p.packs {
		c.noteRemoval("an unfinished pack of an aborted checkpoint remains", packs.abort())
	}
	if !p.finishing && !p.created.Load() || checkLock(c.objects) != nil { // a lost lock: the folder may belong to another process
		return
	}
	ctx, attempt := c.removing, p.attempt.number
	err := c.removeFolder(ctx, p.id, func(o owner) bool {
		return o.attempt == attempt || o.attempt == 0 && p.finishing
	})
	err = errors.Join(err, c.removeListed(ctx, fmt.Sprintf("%ss%d-%d-", c.layout.shared(), p.id, attempt), func(o owner) bool {
		return o.shared && o.id == p.id && o.attempt == attempt
	}))
	c.noteRemoval("files of an aborted checkpoint remain", err)
}

// removeFolder removes the objects in a checkpoint's folder for which match reports true.
func (c *Coordinator) removeFolder(ctx context.Context, id ID, match func(owner) bool) error {
	return c.removeListed(ctx, c.layout.folder(id), match)
}

// removeListed removes the objects whose names begin with prefix and for which match reports true.
// Links, named pipes and directories that have the name of an object stay, and so does the folder;
// Collect reports them.
func (c *Coordinator) removeListed(ctx context.Context, prefix string, match func(owner) bool) error {
	objects, err := c.objects.List(ctx, prefix)
	if err != nil {
		return err
	}
	var names []string
	for _, object := range objects {
		if o, ok := c.layout.ownerOf(object.nameOf()); ok && match(o) && object.Irregular == nil {
			names = append(names, object.Name)
		}
	}
	return removeAll(ctx, c.objects, names)
}

// warn logs a removal that failed.
func (c *Coordinator) warn(message string, err error) {
	if err != nil {
		c.o.Logger.Warn(message, "job", c.o.Job, "reason", err)
	}
}
