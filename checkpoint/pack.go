package checkpoint

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/weirstate/weir/snapshot"
)

// packWriter writes the packs of one checkpoint: objects that contain the small files of all its
// subtasks.
//
// Problem: in an object store each object costs a request to write it and another one to remove
// it, whatever its size. An incremental checkpoint each second, of many subtasks with a few small
// tables each, would cost more in requests than in bytes.
//
// Idea: a file that is small is held in memory until its Commit, and then appended to an object
// that all subtasks of the checkpoint share. The metadata has the place of each file: the pack and
// the offset in it.
//
//	subtask 0    a ----.                shared/s7-1-pack0                 metadata of checkpoint 7
//	subtask 1    b -----+--- add --->  [ a ][  b  ][ c ]                  a at 0, b at 100, c at 250
//	subtask 2    c ----'                                                  packs: s7-1-pack0, 350 bytes
//	             large ------------->  shared/s7-1-op-2.9 (an object of its own)
//
// A pack lives like a shared file: as long as a complete checkpoint lists one of the files in it. A
// later checkpoint refers to a shared file in a pack of its base. When the base lists less than
// half of a pack, its files count as unconfirmed (see confirmedFiles): the subtasks write them
// again, into the new pack, and the old one dies.
//
// Invariant: a pack is committed after the last acknowledgement and before the metadata is written,
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
// packs that the newest complete checkpoint refers to have at most twice the bytes of the packed
// files that its base listed, and what it has written itself.
//
// Thread safety: safe for concurrent use. The mutex is held during writes, so that subtasks wait
// for each other, but never for the coordinator, nor the coordinator for them.
type packWriter struct {
	c        *Coordinator
	id       ID
	attempt  AttemptID
	ctx      context.Context // ends with the checkpoint
	cutBytes int64

	mu     sync.Mutex
	file   snapshot.File // the open pack, or nil
	open   Pack          // its name and size so far
	closed []Pack        // committed packs
	err    error         // the first error; nothing is added after it
}

// add appends a file and returns its place.
func (w *packWriter) add(content []byte) (Place, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bytes := int64(len(content))
	if w.err == nil && w.ctx.Err() != nil {
		w.err = context.Cause(w.ctx)
	}
	if w.err == nil && w.file != nil && w.open.Bytes > w.cutBytes-bytes {
		w.err = w.commit()
	}
	if w.err == nil && w.file == nil {
		w.open = Pack{Name: packName(w.id, w.attempt, len(w.closed))}
		w.file, w.err = w.c.objects.Create(w.ctx, w.objectName(w.open.Name))
	}
	if w.err == nil {
		_, w.err = w.file.Write(content)
	}
	if w.err != nil {
		return Place{}, fmt.Errorf("pack %q: %w", w.open.Name, w.err)
	}
	place := Place{Pack: w.open.Name, Offset: w.open.Bytes}
	w.open.Bytes += bytes
	return place, nil
}

// finish commits the open pack and returns the sizes of all packs by name.
func (w *packWriter) finish() (map[string]int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = w.commit()
	}
	if w.err != nil {
		return nil, fmt.Errorf("pack %q: %w", w.open.Name, w.err)
	}
	sizes := make(map[string]int64)
	for _, pack := range w.closed {
		sizes[pack.Name] = pack.Bytes
	}
	return sizes, nil
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
	w.closed = append(w.closed, w.open)
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

// wrote reports whether an object may have been created.
func (w *packWriter) wrote() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open.Name != ""
}

// objectName returns the name of a pack's object.
func (w *packWriter) objectName(pack string) string { return w.c.layout.shared() + pack }

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
