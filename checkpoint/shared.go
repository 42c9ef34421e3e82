package checkpoint

import (
	"context"
	"iter"

	"github.com/weirstate/weir/snapshot"
)

// sharedFiles maps the identity of a file's content to the file, for all shared files that a
// complete checkpoint lists. It never changes once made.
type sharedFiles map[snapshot.Identity]snapshot.FileRef

// sharedFiles returns the shared files that the checkpoint lists.
func (c *Checkpoint) sharedFiles() sharedFiles {
	files := make(sharedFiles)
	for f := range c.shared() {
		files[f.Identity] = f
	}
	return files
}

// shared yields every reference to a shared file. Several subtasks may refer to one file. Two
// files may have the same identity: two subtasks that restored from one file may each have
// written it again.
func (c *Checkpoint) shared() iter.Seq[snapshot.FileRef] {
	return func(yield func(snapshot.FileRef) bool) {
		for part := range c.parts() {
			if part.Handle == nil {
				continue
			}
			for _, f := range part.Handle.Files {
				if f.Shared && !yield(f) {
					return
				}
			}
		}
	}
}

// sharedNames returns the names of the shared files that the checkpoint lists.
func (c *Checkpoint) sharedNames() map[string]bool {
	names := make(map[string]bool)
	for f := range c.shared() {
		names[f.Name] = true
	}
	return names
}

// sharedBy returns the names of the shared files that a complete checkpoint lists. The result
// is cached, since metadata never changes. It fails for an entry that cannot be read, even if
// the cache has the ID: the damaged entry need not be the one that was cached.
func (c *Coordinator) sharedBy(ctx context.Context, e Entry) (map[string]bool, error) {
	if e.Err != nil {
		return nil, e.Err
	}
	c.mu.Lock()
	names, known := c.shared[e.ID]
	c.mu.Unlock()
	if known {
		return names, nil
	}
	checkpoint, err := c.read(ctx, e)
	if err != nil {
		return nil, err
	}
	names = checkpoint.sharedNames()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shared[e.ID] = names
	return names, nil
}

// forgetShared drops a removed checkpoint from the cache of sharedBy.
func (c *Coordinator) forgetShared(id ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.shared, id)
}
