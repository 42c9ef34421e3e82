package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/weirstate/weir/snapshot"
)

// Collect removes the orphans of the job and returns them: objects of checkpoints that are not
// complete, in progress or in doubt, left by crashes and by removals that failed. With dryRun it
// only returns them. It considers only objects in the job's folder whose names have the form
// that Weir uses. A link, named pipe or directory with such a name stays; Collect returns
// snapshot.ErrNotRegular for it after it has removed the orphans.
func (c *Coordinator) Collect(ctx context.Context, dryRun bool) ([]ObjectInfo, error) {
	if err := checkLock(c.objects); err != nil {
		return nil, fmt.Errorf("collect: %w", err)
	}
	orphans, irregular, err := c.orphans(ctx)
	if err != nil {
		return nil, err
	}
	if !dryRun {
		names := make([]string, len(orphans))
		for i, orphan := range orphans {
			names[i] = orphan.Name
		}
		err = removeAll(ctx, c.objects, names)
	}
	if len(irregular) > 0 {
		err = errors.Join(err, fmt.Errorf("%d names of objects belong to something else, which is kept; the first is %q: %w",
			len(irregular), irregular[0].Name, irregular[0].Irregular))
	}
	return orphans, err
}

// collectLeftovers collects orphans at the beginning of an attempt, and after a removal that failed. It
// runs in the queue of removals.
func (c *Coordinator) collectLeftovers() {
	orphans, err := c.Collect(c.removing, false)
	c.warn("leftovers of earlier attempts remain", err)
	c.leftovers = err != nil && !errors.Is(err, snapshot.ErrNotRegular) // what is not regular stays for ever
	if len(orphans) > 0 {
		c.o.Logger.Info("leftovers of earlier attempts", "job", c.o.Job, "objects", len(orphans))
	}
}

// orphans returns the orphans, and the irregular files that have names of objects.
func (c *Coordinator) orphans(ctx context.Context) (orphans, irregular []ObjectInfo, err error) {
	live, err := c.findLive(ctx, c.listCompleted)
	if err != nil {
		return nil, nil, err
	}
	objects, err := listAll(ctx, c.objects, c.layout.root())
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

// liveSet is the set of checkpoints and shared files whose objects must be kept. It decides for
// retention and for the collector which objects are orphans.
//
// Problem: an incremental checkpoint lists files that earlier checkpoints wrote, so a file must
// outlive the checkpoint that wrote it. Reference counts would have to survive crashes in step
// with the checkpoints. Instead each removal computes the set anew, from the metadata of all
// complete checkpoints.
//
//	object                        is kept while
//	chk-<id>/...                  id is complete, in progress, in doubt, or the base of one in progress
//	shared/s<id>-<attempt>-...    a complete checkpoint lists it or a file in it, or id is in progress, in doubt, or the
//	                              base of one in progress
//	attempts/<n>, unfinished      n is the current attempt or a later one
//
//	completed:  5 (lists A, B)    7 (lists B, C)      in progress: 8 on base 7
//	shared/     s5.A  s5.B  s6.X  s7.C  s8.D
//	kept        A     B           C     D             X is an orphan: 6 was aborted
//	5 removed         B           C     D             now A is an orphan too
//
// Invariant: the entry of a checkpoint is removed durably before any of its objects.
// Invariant: a checkpoint lists only shared files that it wrote itself or that its base lists,
// and the base is complete and stays until the checkpoint has ended. So an orphan is never
// listed again.
// Invariant: objects of a checkpoint with an ID of next or higher or in a gap, or of a later
// attempt, are not touched: another process may be writing them.
// Invariant: if the metadata of a complete checkpoint cannot be read, shared files written up
// to that checkpoint are kept, since it may list them (newestUnreadable).
// Invariant: only regular files are removed.
//
// Cost: one listing of the job's folder, and one read of the metadata of each complete
// checkpoint, which Coordinator.contents caches.
type liveSet struct {
	complete   map[ID]bool // IDs in the completed store
	inProgress map[ID]bool // in progress, in doubt, or the base of one in progress
	next       ID          // IDs from here on are unknown to this coordinator
	gaps       []idBlock   // and so are these
	attempt    AttemptID   // the current attempt

	shared map[string]bool // names of the shared files and packs that complete checkpoints need
	// newestUnreadable is the newest complete checkpoint whose metadata cannot be read, or 0.
	// Shared files written up to it are kept.
	newestUnreadable ID
}

// findLive computes the live set; list returns the complete checkpoints. It reads the checkpoints
// in progress before the completed store: a checkpoint that completes in between is in the first
// set. A checkpoint that is triggered in between lists only new files and those of its base, which
// is complete.
func (c *Coordinator) findLive(ctx context.Context, list func(context.Context) ([]Entry, error)) (*liveSet, error) {
	l, err := c.liveInMemory()
	if err != nil {
		return nil, err
	}
	entries, err := list(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		l.complete[e.ID] = true
		objects, err := c.contentsOf(ctx, e)
		switch {
		case err == nil:
			maps.Copy(l.shared, objects.shared)
		case isUnreadable(err) || errors.Is(err, ErrVersion) || errors.Is(err, ErrForeign):
			l.newestUnreadable = max(l.newestUnreadable, e.ID)
		default:
			return nil, err
		}
	}
	return l, nil
}

// liveInMemory returns the part of the live set that the coordinator knows without I/O.
func (c *Coordinator) liveInMemory() (*liveSet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempt == nil {
		return nil, fmt.Errorf("collect before an attempt has begun: %w", ErrInvalidOption)
	}
	l := &liveSet{
		complete: make(map[ID]bool), inProgress: maps.Clone(c.inDoubt), shared: make(map[string]bool),
		next: c.nextID, gaps: slices.Clone(c.ids.gaps), attempt: c.attempt.number,
	}
	for _, p := range c.pending {
		l.inProgress[p.id] = true
		l.inProgress[p.base] = true
	}
	return l, nil
}

// isInGap reports whether another coordinator may have reserved the ID.
func (l *liveSet) isInGap(id ID) bool {
	return slices.ContainsFunc(l.gaps, func(gap idBlock) bool { return gap.contains(id) })
}

// isOrphan reports whether nothing needs an object. base is the last element of its name.
func (l *liveSet) isOrphan(o owner, base string, unfinished bool) bool {
	switch {
	case o.id == 0: // an attempt's record: completed.Begin removes it, except unfinished ones
		return unfinished && o.attempt < l.attempt
	case o.id >= l.next || l.isInGap(o.id) || o.attempt > l.attempt || l.inProgress[o.id]:
		return false
	case unfinished:
		return true
	case o.shared:
		return o.id > l.newestUnreadable && !l.shared[base]
	}
	return !l.complete[o.id]
}
