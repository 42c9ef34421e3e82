package checkpoint

import (
	"context"
	"iter"

	"github.com/weirstate/weir/snapshot"
)

// sharedFiles are those that a complete checkpoint refers to, by what stands in the
// file. It never changes.
type sharedFiles map[snapshot.Identity]snapshot.FileRef

// sharedFiles returns those of a checkpoint.
func (c *Checkpoint) sharedFiles() sharedFiles {
	files := make(sharedFiles)
	for f := range c.shared() {
		files[f.Identity] = f
	}
	return files
}

// shared yields every reference to a shared file. Two may be to the same file, and
// two files may have the same content: subtasks that went on from one file, and
// wrote it anew, have made two of it.
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

// sharedNames are those of the shared files of a checkpoint.
func (c *Checkpoint) sharedNames() map[string]bool {
	names := make(map[string]bool)
	for f := range c.shared() {
		names[f.Name] = true
	}
	return names
}

// sharedBy returns the names of the shared files that a complete checkpoint refers
// to. What one is complete with never changes; but of an entry that cannot be read
// nobody knows whether it is the one that was.
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

// forgetShared forgets what a checkpoint that was removed referred to.
func (c *Coordinator) forgetShared(id ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.shared, id)
}
