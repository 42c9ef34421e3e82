package checkpoint

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/snapshot"
)

// packWriter writes packs of one checkpoint in progress: objects that contain the small files of all
// its subtasks. A checkpoint has one writer for shared files, and one for the others.
//
// Problem: in an object store each object costs a request to write it and another one to remove
// it, whatever its size. An incremental checkpoint each second, of many subtasks with a few small
// tables each, would cost more in requests than in bytes.
//
// Idea: a small file is held in memory until its Commit, and then appended to an object that all
// subtasks of the checkpoint share. The metadata has the place of each file: the pack and the
// offset in it.
//
//	subtask 0    a ----.                shared/s7-1-pack0                 metadata of checkpoint 7
//	subtask 1    b -----+--- add --->  [ a ][  b  ][ c ]                  a at 0, b at 100, c at 250
//	subtask 2    c ----'                                                  packs: s7-1-pack0, 350 bytes
//	             large ------------->  shared/s7-1-op-2.9 (an object of its own)
//
// Files of this checkpoint alone and shared files are in different packs, because the former are
// garbage when the checkpoint is removed. A pack of shared files lives like a shared file: as long
// as a complete checkpoint lists one of the files in it. A later checkpoint refers to a shared file in a
// pack of its base. When the base lists less than half of a pack, its files count as unconfirmed (see
// confirmedFiles): the subtasks write them again, into the new pack, and the old one is removed.
//
// Invariant: packs are committed after the last acknowledgement and before the metadata is written,
// so metadata refers only to durable files. A pack that would exceed cutBytes is committed earlier,
// and another one begins.
//
// Invariant: after an error nothing is added, and finish fails. So the bytes of a write that
// failed halfway are never part of a file.
//
// Invariant: the removals of an aborted checkpoint first call abort, which waits for a write or
// commit in progress, aborts the open pack and lets nothing begin. So they find every pack.
//
// Cost: the memory of the small files between their first write and their Commit. In space, the
// packs of shared files to which the newest complete checkpoint refers have at most twice the bytes
// of the packed files that its base listed, and those that it has written itself.
//
// Thread safety: safe for concurrent use. The mutex is held during writes, so that subtasks wait
// for each other, but never for the coordinator, nor its mutex for them.
type packWriter struct {
	objects Objects
	ctx     context.Context // ends with the checkpoint
	// nameOf returns the name of a pack; objectOf that of its object.
	nameOf   func(number int) string
	objectOf func(pack string) string
	cutBytes int64
	created  *atomic.Bool // pending.created

	mu    sync.Mutex
	file  snapshot.File    // the open pack, or nil
	open  Pack             // its name and size so far
	sizes map[string]int64 // sizes of the committed packs; no longer changed after finish
	err   error            // the first error; nothing is added after it
}

// newPackWriter returns a writer for a checkpoint.
func newPackWriter(c *Coordinator, p *pending, shared bool) *packWriter {
	return &packWriter{
		objects: c.objects, ctx: p.ctx, cutBytes: c.o.Storage.packCutBytes, created: &p.created, sizes: make(map[string]int64),
		nameOf:   func(number int) string { return packName(p.id, p.attempt.number, shared, number) },
		objectOf: func(pack string) string { return c.layout.pack(p.id, pack) },
	}
}

// add appends a file and returns its place. A file that is added between the end of the checkpoint and abort
// is removed with the pack.
func (w *packWriter) add(content []byte) (Place, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bytes := int64(len(content))
	if w.err == nil && w.file != nil && w.open.Bytes > w.cutBytes-bytes {
		w.err = w.commit()
	}
	if w.err == nil && w.file == nil {
		w.err = w.begin()
	}
	if w.err == nil {
		_, w.err = w.file.Write(content)
	}
	if w.err != nil {
		return Place{}, fmt.Errorf("pack: %w", w.err)
	}
	place := Place{Pack: w.open.Name, Offset: w.open.Bytes}
	w.open.Bytes += bytes
	return place, nil
}

// begin creates a pack. The mutex is held.
func (w *packWriter) begin() error {
	pack := Pack{Name: w.nameOf(len(w.sizes))}
	w.created.Store(true)
	file, err := w.objects.Create(w.ctx, w.objectOf(pack.Name))
	if err != nil {
		return err
	}
	w.file, w.open = file, pack
	return nil
}

// finish commits the open pack. Nothing is added any more.
func (w *packWriter) finish() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = w.commit()
	}
	if w.err != nil {
		return fmt.Errorf("pack: %w", w.err)
	}
	w.err = fs.ErrClosed
	return nil
}

// commit commits the open pack, if there is one. The mutex is held.
func (w *packWriter) commit() error {
	if w.file == nil {
		return nil
	}
	if err := w.file.Commit(); err != nil {
		return err
	}
	w.file = nil
	w.sizes[w.open.Name] = w.open.Bytes
	return nil
}

// abort aborts the open pack. The checkpoint has ended, so nothing is added any more.
func (w *packWriter) abort() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = cmp.Or(w.err, context.Cause(w.ctx))
	if w.file == nil {
		return nil
	}
	file := w.file
	w.file = nil
	return file.Abort()
}

// packsOf returns the packs in which files of the parts lie, ordered by name. sizes has the size of
// each.
func packsOf(operators []Operator, sizes ...map[string]int64) (packs []Pack) {
	seen := make(map[string]bool)
	for _, operator := range operators {
		for _, part := range operator.Parts {
			for _, place := range part.Packed {
				if seen[place.Pack] {
					continue
				}
				seen[place.Pack] = true
				for _, known := range sizes {
					if bytes, ok := known[place.Pack]; ok {
						packs = append(packs, Pack{Name: place.Pack, Bytes: bytes})
					}
				}
			}
		}
	}
	slices.SortFunc(packs, func(a, b Pack) int { return strings.Compare(a.Name, b.Name) })
	return packs
}
