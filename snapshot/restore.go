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

// RestoreOptions says what a restore accepts.
type RestoreOptions struct {
	// AllowUnclaimed lets state go that the program has not declared. Default
	// false: such state is backend.ErrUnknownState.
	AllowUnclaimed bool
}

// Restored says what a restore loaded.
type Restored struct {
	// Rows were loaded; Unclaimed were let go. A native format does not count them.
	Rows, Unclaimed int64
}

// Restore loads into an empty backend, on which the program has declared its
// states, the backend's key groups out of one or more handles: one for the same
// parallelism, several or parts after a change of it.
//
// Everything that can be checked without rows is checked before the first row
// is loaded, and then the backend is as it was. After an error past that point
// the backend holds part of the state and is closed, as it is after any error in
// files of a native format.
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

// restorePlan says which file gives which key group.
type restorePlan struct {
	groups  backend.GroupRange
	claimed map[backend.ID]bool
	known   map[backend.ID]bool // claimed or not
	parts   []restorePart
	format  string // of the parts
}

type restorePart struct {
	handle Handle
	ref    FileRef
	groups backend.GroupRange // to be taken from the file
}

// planRestore checks the handles against the backend and against each other.
func planRestore(ctx context.Context, b Backend, handles []Handle, o RestoreOptions) (*restorePlan, error) {
	registry := b.Registry()
	p := &restorePlan{
		groups:  registry.Keyspace().Groups,
		claimed: make(map[backend.ID]bool),
		known:   make(map[backend.ID]bool),
	}
	names := make(map[backend.ID]backend.Info)
	for i, h := range handles {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if i > 0 && sameTable(handles[i-1], h) {
			p.add(h)
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
			p.known[info.ID()] = true
			p.claimed[info.ID()] = p.claimed[info.ID()] || claimed[info.ID()]
		}
		p.add(h)
	}
	if err := p.checkCoverage(); err != nil {
		return nil, err
	}
	return p, p.checkFormat(b)
}

// sameTable reports whether two handles have one name table in memory, as those that
// were read from the same metadata do: what holds for one then holds for the other.
func sameTable(a, b Handle) bool {
	return len(a.States) > 0 && len(a.States) == len(b.States) && &a.States[0] == &b.States[0] &&
		a.Keyspace.MaxParallelism == b.Keyspace.MaxParallelism
}

// add adds the parts of a handle: its files, or all of it in a native format.
func (p *restorePlan) add(h Handle) {
	files := h.Files
	if h.Format != "" {
		files = []FileRef{{Bounds: h.Keyspace.Groups}}
	}
	for _, ref := range files {
		if groups, ok := intersect(ref.Bounds, p.groups); ok {
			p.parts = append(p.parts, restorePart{handle: h, ref: ref, groups: groups})
		}
	}
}

// checkCoverage sorts the parts and sees that they hold each group once.
func (p *restorePlan) checkCoverage() error {
	slices.SortFunc(p.parts, func(a, b restorePart) int { return int(a.groups.First) - int(b.groups.First) })
	next := int(p.groups.First)
	for _, part := range p.parts {
		if int(part.groups.First) != next {
			return fmt.Errorf("key groups from %d on: next file has %v: %w", next, part.groups, ErrCoverage)
		}
		next = int(part.groups.Last) + 1
	}
	if next != int(p.groups.Last)+1 {
		return fmt.Errorf("key groups from %d to %d are in no file: %w", next, p.groups.Last, ErrCoverage)
	}
	return nil
}

func intersect(a, b backend.GroupRange) (backend.GroupRange, bool) {
	c := backend.GroupRange{First: max(a.First, b.First), Last: min(a.Last, b.Last)}
	return c, c.First <= c.Last
}

// check compares every file with its handle. Files are open one at a time, here
// and in load: there may be more of them than a process may have open.
func (p *restorePlan) check(ctx context.Context, src Source) error {
	for _, part := range p.parts {
		if err := part.read(ctx, src, func(*Reader) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// load loads every file. Between check and load a file may have changed, so it
// is compared again.
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

// loader takes rows of claimed states to the backend.
func (p *restorePlan) loader(b Backend, done *Restored) func(key, value []byte) error {
	return func(key, value []byte) error {
		_, id, _, err := backend.SplitHeader(key)
		switch {
		case err != nil:
			return err
		case p.claimed[id]:
			done.Rows++
			return b.Load(key, value)
		case p.known[id]:
			done.Unclaimed++
			return nil
		}
		return fmt.Errorf("row of a state that the name table lacks: %w", ErrCorrupt)
	}
}

// read opens the file, compares it with its handle, uses it and closes it.
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

// matches compares a file with its handle.
func (p restorePart) matches(object Object, reader *Reader) error {
	size, err := object.Size()
	if err != nil {
		return err
	}
	space, bounds := reader.Keyspace(), p.ref.Bounds
	switch {
	case reader.Identity() != p.ref.Identity || size != p.ref.Size:
		return fmt.Errorf("identity or size: %w", ErrMismatch)
	case space.MaxParallelism != p.handle.Keyspace.MaxParallelism || bounds.First > bounds.Last ||
		!space.Groups.Contains(bounds.First) || !space.Groups.Contains(bounds.Last):
		return fmt.Errorf("file of key groups %v of %d: %w", space.Groups, space.MaxParallelism, ErrMismatch)
	case !slices.EqualFunc(reader.States(), p.handle.States, backend.Info.Equal):
		return fmt.Errorf("name table: %w", ErrMismatch)
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

// ReadHandle makes the handle of a snapshot of one file out of the file itself,
// for a program that has nothing else left. It reads the whole file and checks
// every byte.
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

// digestOf is the xxh64 of all bytes of an object, and their number.
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
