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

// contents are the names of the objects that a complete checkpoint needs, besides its metadata.
type contents struct {
	own    []string        // in its folder, with the folder
	shared map[string]bool // in the shared folder, without it: shared files, and packs of them
}

// contents returns the objects that the checkpoint needs. It leaves out names in its folder that Weir
// does not give, since it must never remove such an object.
func (c *Checkpoint) contents() contents {
	l, objects := layout{c.Job}, contents{shared: make(map[string]bool)}
	for f, place := range c.shared() {
		objects.shared[cmp.Or(place.Pack, f.Name)] = true
	}
	add := func(name string) {
		if _, ok := l.ownerOf(name); ok {
			objects.own = append(objects.own, name)
		}
	}
	for part := range c.parts() {
		if part.Handle == nil {
			continue
		}
		for _, f := range part.Handle.Files {
			_, inline := part.Inline[f.Name]
			_, packed := part.Packed[f.Name]
			if !f.Shared && !inline && !packed {
				add(l.object(c.ID, f))
			}
		}
	}
	for _, pack := range c.Packs {
		if by, _ := parsePackName(pack.Name); !by.shared {
			add(l.pack(c.ID, pack.Name))
		}
	}
	return objects
}

// contentsOf returns the objects that a complete checkpoint needs. It reads the metadata once and
// then caches the names, because the metadata of a checkpoint never changes. The caller must not
// change the result.
//
// If List could not read the entry in the completed store, contentsOf returns that error (e.Err)
// even if the cache has the ID. Without the entry's checksum nothing proves that the
// entry is still the one whose metadata the cache describes; the caller keeps more files instead.
func (c *Coordinator) contentsOf(ctx context.Context, e Entry) (contents, error) {
	if e.Err != nil {
		return contents{}, e.Err
	}
	c.mu.Lock()
	objects, cached := c.contents[e.ID]
	c.mu.Unlock()
	if cached {
		return objects, nil
	}
	checkpoint, err := c.read(ctx, e)
	if err != nil {
		return contents{}, err
	}
	objects = checkpoint.contents()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.contents[e.ID] = objects
	return objects, nil
}
