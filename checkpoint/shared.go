package checkpoint

import (
	"context"
	"iter"

	"github.com/weirstate/weir/snapshot"
)

// sharedFiles maps the identity of a file's content to the file, for all shared files that a
// complete checkpoint lists. The map is not changed after it was made, so goroutines share it.
// For two files with the same identity the map has one; either serves, since the content is equal.
type sharedFiles map[snapshot.Identity]snapshot.FileRef

// sharedFiles returns the shared files that the checkpoint lists.
func (c *Checkpoint) sharedFiles() sharedFiles {
	files := make(sharedFiles)
	for f := range c.shared() {
		files[f.Identity] = f
	}
	return files
}

// shared yields every reference to a shared file, so the same file once for each subtask that
// refers to it. Two files with different names may have the same identity: two subtasks that
// restored from the same file may each have written it again.
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

// sharedBy returns the names of the shared files that a complete checkpoint lists. It reads the
// metadata once and then caches the names, because the metadata of a checkpoint never changes. The
// caller must not change the map.
//
// If List could not read the entry in the completed store, sharedBy returns that error (e.Err)
// even if the cache has names for the ID. Without the entry's checksum nothing proves that the
// entry is still the one whose metadata the cache describes; the caller keeps more files instead.
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

// forgetShared removes the names of a removed checkpoint from the cache of sharedBy.
func (c *Coordinator) forgetShared(id ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.shared, id)
}
