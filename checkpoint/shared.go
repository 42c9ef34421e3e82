package checkpoint

import (
	"cmp"
	"context"
	"iter"

	"github.com/weirstate/weir/snapshot"
)

// confirmedFiles are the shared files of a complete checkpoint that later checkpoints may list
// again. It is not changed after it was made, so goroutines share it.
//
// Files in a pack of which the checkpoint lists less than half of the bytes are not among them. They
// are small, and are written again, so that the pack can be removed. So the packs to which
// a checkpoint refers have at most twice the bytes of the packed files that its base lists, apart
// from the pack that it writes.
type confirmedFiles struct {
	// byIdentity maps the identity of a file's content to the file. For two files with the same
	// identity it has one; either serves, since the content is equal.
	byIdentity map[snapshot.Identity]sharedFile
	// packs maps the names of the packs in which these files lie to the sizes in bytes.
	packs map[string]int64
}

// sharedFile is a shared file and its place; the place is zero if the file is an object.
type sharedFile struct {
	snapshot.FileRef
	place Place
}

// confirmedFiles returns the shared files that later checkpoints may list again.
func (c *Checkpoint) confirmedFiles() confirmedFiles {
	listed, listedBytes := make(map[string]bool), make(map[string]int64)
	for f, place := range c.shared() {
		if place.Pack != "" && !listed[f.Name] {
			listed[f.Name] = true
			listedBytes[place.Pack] += f.Size
		}
	}
	files := confirmedFiles{byIdentity: make(map[snapshot.Identity]sharedFile), packs: make(map[string]int64)}
	for _, pack := range c.Packs {
		if by, _ := parsePackName(pack.Name); !by.shared {
			continue
		}
		if listedBytes[pack.Name] >= pack.Bytes-listedBytes[pack.Name] {
			files.packs[pack.Name] = pack.Bytes
		}
	}
	for f, place := range c.shared() {
		if _, dense := files.packs[place.Pack]; dense || place.Pack == "" {
			files.byIdentity[f.Identity] = sharedFile{f, place}
		}
	}
	return files
}

// shared yields every reference to a shared file with its place, so the same file once for each
// subtask that refers to it. The place is zero if the file is an object. Two files with different
// names may have the same identity: two subtasks that restored from the same file may each have
// written it again.
func (c *Checkpoint) shared() iter.Seq2[snapshot.FileRef, Place] {
	return func(yield func(snapshot.FileRef, Place) bool) {
		for part := range c.parts() {
			if part.Handle == nil {
				continue
			}
			for _, f := range part.Handle.Files {
				if f.Shared && !yield(f, part.Packed[f.Name]) {
					return
				}
			}
		}
	}
}

// sharedObjects returns the names of the objects in the shared folder that the checkpoint needs:
// shared files, and packs of shared files.
func (c *Checkpoint) sharedObjects() map[string]bool {
	names := make(map[string]bool)
	for f, place := range c.shared() {
		names[cmp.Or(place.Pack, f.Name)] = true
	}
	return names
}

// sharedBy returns the names of the shared objects that a complete checkpoint needs. It reads the
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
	names = checkpoint.sharedObjects()
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
