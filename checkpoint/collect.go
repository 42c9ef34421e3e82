package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
)

// Collect finds the orphans of the job: objects of checkpoints that are neither
// complete nor under way, left by crashes and by removals that failed. It
// returns them and, unless it is a dry run, removes them. Only names that Weir
// gives, in the folder of the job, are ever looked at. A link, named
// pipe or directory with such a name stays; Collect returns snapshot.ErrNotRegular for
// it after all other work is done.
func (c *Coordinator) Collect(ctx context.Context, dryRun bool) ([]ObjectInfo, error) {
	if err := checkLock(c.objects); err != nil {
		return nil, fmt.Errorf("collect: %w", err)
	}
	orphans, irregular, err := c.orphans(ctx)
	if err != nil {
		return nil, err
	}
	for _, orphan := range orphans {
		if dryRun {
			break
		}
		if ctx.Err() != nil {
			return orphans, errors.Join(err, context.Cause(ctx))
		}
		err = errors.Join(err, c.objects.Remove(ctx, orphan.Name))
	}
	if len(irregular) > 0 {
		err = errors.Join(err, fmt.Errorf("%d things in the place of objects are kept, the first is %q: %w",
			len(irregular), irregular[0].Name, irregular[0].Irregular))
	}
	return orphans, err
}

// collectLeftovers is Collect at the beginning of an attempt.
func (c *Coordinator) collectLeftovers() {
	orphans, err := c.Collect(c.removing, false)
	c.report("leftovers of earlier attempts remain", err)
	if len(orphans) > 0 {
		c.o.Logger.Info("leftovers of earlier attempts", "job", c.o.Job, "objects", len(orphans))
	}
}

// orphans lists them, and what is there in place of objects.
func (c *Coordinator) orphans(ctx context.Context) (orphans, irregular []ObjectInfo, err error) {
	live, err := c.live(ctx)
	if err != nil {
		return nil, nil, err
	}
	objects, err := c.objects.List(ctx, c.layout.root())
	if err != nil {
		return nil, nil, err
	}
	for _, object := range objects {
		name := object.nameOf()
		o, ok := c.layout.ownerOf(name)
		switch {
		case object.Irregular != nil && (ok || c.layout.isFolder(name) && !object.isDirectory()):
			irregular = append(irregular, object)
		case object.Irregular == nil && ok && live.isOrphan(o, path.Base(name), object.Unfinished):
			orphans = append(orphans, object)
		}
	}
	return orphans, irregular, nil
}

// live is what objects may belong to.
type live struct {
	complete map[ID]bool
	underWay map[ID]bool // or in doubt, or the base of one
	next     ID          // nothing is known from here on
	attempt  AttemptID   // the current one

	shared map[string]bool // names that complete checkpoints refer to
	// obscure is the newest complete checkpoint of which nobody can tell what it
	// refers to. All that was shared up to then stays, for somebody to look at.
	obscure ID
}

// live finds out. The order matters: whatever becomes complete after the first step
// was under way in it, or refers to nothing that was there but what its base does.
func (c *Coordinator) live(ctx context.Context) (*live, error) {
	l, err := c.liveNow()
	if err != nil {
		return nil, err
	}
	entries, err := c.completed.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		l.complete[e.ID] = true
		names, err := c.sharedBy(ctx, e)
		switch {
		case err == nil:
			maps.Copy(l.shared, names)
		case isUnreadable(err) || errors.Is(err, ErrVersion) || errors.Is(err, ErrForeign):
			l.obscure = max(l.obscure, e.ID)
		default:
			return nil, err
		}
	}
	return l, nil
}

// liveNow is what the coordinator itself knows.
func (c *Coordinator) liveNow() (*live, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempt == nil {
		return nil, fmt.Errorf("collect before an attempt has begun: %w", ErrInvalidOption)
	}
	l := &live{
		complete: make(map[ID]bool), underWay: maps.Clone(c.doubtful), shared: make(map[string]bool),
		next: c.nextID, attempt: c.attempt.number,
	}
	for _, p := range c.pending {
		l.underWay[p.id] = true
		l.underWay[p.base] = true
	}
	return l, nil
}

// isOrphan says whether nobody will miss an object, whose name ends with base.
func (l *live) isOrphan(o owner, base string, unfinished bool) bool {
	switch {
	case o.id == 0: // the record of an attempt: only what a crash left of it
		return unfinished && o.attempt < l.attempt
	case o.id >= l.next || o.attempt > l.attempt || l.underWay[o.id]:
		return false
	case unfinished:
		return true
	case o.shared:
		return o.id > l.obscure && !l.shared[base]
	}
	return !l.complete[o.id]
}
