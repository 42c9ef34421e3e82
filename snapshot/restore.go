package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/state/backend"
)

// RestoreOptions configures a restore. The zero value is strict.
type RestoreOptions struct {
	// AllowUnclaimed makes the restore drop states that the program has not declared.
	// Default false: Restore returns backend.ErrUnknownState for such states.
	AllowUnclaimed bool
}

// Restored counts the rows of a restore.
type Restored struct {
	// Rows is the number of rows loaded, Unclaimed the number of rows dropped because their
	// state is not declared. Both are 0 in a native format.
	Rows, Unclaimed int64
}

// Restore loads the backend's key groups from the handles of a snapshot. The backend must be
// empty, and the program must have declared its states. At the same parallelism there is one
// handle per backend; at another parallelism a backend's key groups may be in several handles,
// or in part of one.
//
// Restore first checks everything that it can check without reading rows. An error of these
// checks leaves the backend unchanged. After a later error, and after any error in the files of
// a native format, the backend may have part of the state; Restore closes it.
func Restore(ctx context.Context, b Backend, src Source, handles []Handle, o RestoreOptions) (Restored, error) {
	if b.Registry().Closed() {
		return Restored{}, backend.ErrClosed
	}
	if !b.Empty() {
		return Restored{}, fmt.Errorf("restore: %w", backend.ErrNotEmpty)
	}
	plan, err := planRestore(ctx, b, handles, o)
	if err != nil {
		return Restored{}, fmt.Errorf("restore: %w", err)
	}
	if plan.format != "" {
		if err := plan.restoreNative(ctx, src, b); err != nil {
			return Restored{}, errors.Join(fmt.Errorf("restore: %w", err), b.Close())
		}
		return Restored{}, nil
	}
	if err := plan.check(ctx, src); err != nil {
		return Restored{}, fmt.Errorf("restore: %w", err)
	}
	done, err := plan.load(ctx, src, b)
	if err != nil {
		return done, errors.Join(fmt.Errorf("restore: %w", err), b.Close())
	}
	return done, nil
}

// restorePlan lists the files to read and the key groups to take from each.
type restorePlan struct {
	groups  backend.GroupRange
	claimed map[backend.ID]bool // states in a name table that the program has declared
	named   map[backend.ID]bool // all states in a name table
	parts   []restorePart
	format  string // of all parts
}

// restorePart is a file to read or, in a native format, a whole handle.
type restorePart struct {
	handle Handle
	ref    FileRef
	groups backend.GroupRange // to be taken from the file
}

// planRestore checks that the handles fit the backend and each other.
func planRestore(ctx context.Context, b Backend, handles []Handle, o RestoreOptions) (*restorePlan, error) {
	registry := b.Registry()
	p := &restorePlan{
		groups:  registry.Keyspace().Groups,
		claimed: make(map[backend.ID]bool),
		named:   make(map[backend.ID]bool),
	}
	names := make(map[backend.ID]backend.Info)
	for i, h := range handles {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if i > 0 && sameTable(handles[i-1], h) {
			if err := p.add(h); err != nil {
				return nil, err
			}
			continue
		}
		claimed, err := registry.Check(h.States, h.Keyspace.MaxParallelism, o.AllowUnclaimed)
		if err != nil {
			return nil, err
		}
		for _, info := range h.States {
			if other, ok := names[info.ID()]; ok && !other.Equal(info) {
				return nil, fmt.Errorf("handles disagree on state %q (%v) and %q (%v): %w",
					other.Name, other, info.Name, info, backend.ErrStateCollision)
			}
			names[info.ID()] = info
			p.named[info.ID()] = true
			p.claimed[info.ID()] = p.claimed[info.ID()] || claimed[info.ID()]
		}
		if err := p.add(h); err != nil {
			return nil, err
		}
	}
	if err := p.checkCoverage(); err != nil {
		return nil, err
	}
	return p, p.checkFormat(b)
}

// sameTable reports whether two handles share one name table in memory, as the handles of the same
// metadata do. The checks of one name table need not be repeated for the other then.
func sameTable(a, b Handle) bool {
	return len(a.States) > 0 && len(a.States) == len(b.States) && &a.States[0] == &b.States[0] &&
		a.Keyspace.MaxParallelism == b.Keyspace.MaxParallelism
}

// add adds the parts of a handle: its files or, in a native format, the handle as a whole. It
// checks the names of the files, which a backend may use in paths.
func (p *restorePlan) add(h Handle) error {
	files := h.Files
	if h.Format != "" {
		files = []FileRef{{Bounds: h.Keyspace.Groups}}
	}
	for _, ref := range files {
		if groups, ok := intersect(ref.Bounds, p.groups); ok {
			p.parts = append(p.parts, restorePart{handle: h, ref: ref, groups: groups})
		}
	}
	for _, ref := range h.Files {
		if err := CheckName(ref.Name); err != nil {
			return fmt.Errorf("file of a handle: %w", err)
		}
	}
	return nil
}

// checkCoverage sorts the parts by key group and returns ErrCoverage unless they have each key
// group of the backend exactly once.
func (p *restorePlan) checkCoverage() error {
	slices.SortFunc(p.parts, func(a, b restorePart) int { return int(a.groups.First) - int(b.groups.First) })
	next := int(p.groups.First)
	for _, part := range p.parts {
		if int(part.groups.First) != next {
			return fmt.Errorf("key group %d is in no file or in two: the next file has %v: %w", next, part.groups, ErrCoverage)
		}
		next = int(part.groups.Last) + 1
	}
	if next != int(p.groups.Last)+1 {
		return fmt.Errorf("key groups from %d to %d are in no file: %w", next, p.groups.Last, ErrCoverage)
	}
	return nil
}

// intersect returns the key groups that a and b have in common, and false if there are no such.
func intersect(a, b backend.GroupRange) (backend.GroupRange, bool) {
	c := backend.GroupRange{First: max(a.First, b.First), Last: min(a.Last, b.Last)}
	return c, c.First <= c.Last
}

// check compares every file with its handle. Both check and load open one file at a time, since a
// process may not be able to open all of them.
func (p *restorePlan) check(ctx context.Context, src Source) error {
	for _, part := range p.parts {
		if err := part.read(ctx, src, func(*Reader) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// load loads the rows of every file. It compares each file with its handle again, because the file
// may have changed since check.
func (p *restorePlan) load(ctx context.Context, src Source, b Backend) (done Restored, err error) {
	for _, part := range p.parts {
		err := part.read(ctx, src, func(r *Reader) error {
			for group := int(part.groups.First); group <= int(part.groups.Last); group++ {
				if err := r.rowsOf(ctx, uint16(group), p.loader(b, &done)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// loader returns a function that loads the rows of declared states and drops others.
func (p *restorePlan) loader(b Backend, done *Restored) func(key, value []byte) error {
	return func(key, value []byte) error {
		_, id, _, err := backend.SplitHeader(key)
		switch {
		case err != nil:
			return err
		case p.claimed[id]:
			done.Rows++
			return b.Load(key, value)
		case p.named[id]:
			done.Unclaimed++
			return nil
		}
		return fmt.Errorf("row of state id %#08x, which the name table does not have: %w", uint32(id), ErrCorrupt)
	}
}

// read opens the file of a part, compares it with its handle, calls use and closes the file.
func (p restorePart) read(ctx context.Context, src Source, use func(*Reader) error) error {
	object, reader, err := openFile(ctx, src, p.ref.Name)
	if err == nil {
		defer object.Close()
		defer reader.Close()
		if err = p.matches(object, reader); err == nil {
			err = use(reader)
		}
	}
	if err != nil {
		return fmt.Errorf("file %q: %w", p.ref.Name, err)
	}
	return nil
}

// matches returns ErrMismatch unless a file is the one to which the handle refers.
func (p restorePart) matches(object Object, reader *Reader) error {
	size, err := object.Size()
	if err != nil {
		return err
	}
	space, bounds := reader.Keyspace(), p.ref.Bounds
	switch {
	case reader.Identity() != p.ref.Identity || size != p.ref.Size:
		return fmt.Errorf("identity %v and size %d, want %v and %d: %w", reader.Identity(), size, p.ref.Identity, p.ref.Size, ErrMismatch)
	case space.MaxParallelism != p.handle.Keyspace.MaxParallelism || bounds.First > bounds.Last ||
		!space.Groups.Contains(bounds.First) || !space.Groups.Contains(bounds.Last):
		return fmt.Errorf("file has key groups %v of %d, want %v of %d: %w",
			space.Groups, space.MaxParallelism, bounds, p.handle.Keyspace.MaxParallelism, ErrMismatch)
	case !slices.EqualFunc(reader.States(), p.handle.States, backend.Info.Equal):
		return fmt.Errorf("name table differs from that of the handle: %w", ErrMismatch)
	}
	return nil
}

// openFile opens a file of the portable format.
func openFile(ctx context.Context, src Source, name string) (Object, *Reader, error) {
	if err := CheckName(name); err != nil {
		return nil, nil, err
	}
	object, err := src.Open(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	size, err := object.Size()
	if err != nil {
		return nil, nil, errors.Join(err, object.Close())
	}
	reader, err := NewReader(object, size)
	if err != nil {
		return nil, nil, errors.Join(err, object.Close())
	}
	return object, reader, nil
}

// ReadHandle returns the handle of a portable snapshot from its file alone, for programs that have
// lost the handle. It reads the whole file and verifies every byte.
func ReadHandle(ctx context.Context, src Source, name string) (h Handle, err error) {
	object, reader, err := openFile(ctx, src, name)
	if err != nil {
		return h, fmt.Errorf("file %q: %w", name, err)
	}
	defer object.Close()
	defer reader.Close()
	if err := reader.check(ctx); err != nil {
		return h, fmt.Errorf("file %q: %w", name, err)
	}
	sum, size, err := digestOf(ctx, object)
	if err != nil {
		return h, fmt.Errorf("file %q: %w", name, err)
	}
	space := reader.Keyspace()
	ref := FileRef{Name: name, Identity: reader.Identity(), Size: size, Checksum: sum, Bounds: space.Groups}
	return Handle{Keyspace: space, States: reader.States(), Files: []FileRef{ref}, Rows: reader.Len()}, nil
}

// digestOf returns the xxh64 and the size of an object.
func digestOf(ctx context.Context, o Object) (sum uint64, size int64, err error) {
	if size, err = o.Size(); err != nil {
		return 0, 0, err
	}
	digest := xxhash.New()
	buffer := make([]byte, 1<<20)
	for from := int64(0); from < size; from += int64(len(buffer)) {
		if ctx.Err() != nil {
			return 0, 0, context.Cause(ctx)
		}
		piece := io.NewSectionReader(o, from, int64(len(buffer)))
		if _, err := io.CopyBuffer(digest, piece, buffer); err != nil {
			return 0, 0, err
		}
	}
	return digest.Sum64(), size, nil
}
