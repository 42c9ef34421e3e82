package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/weirstate/weir/snapshot"
)

// Upload takes one subtask's part of a checkpoint: the files as a
// snapshot.SharingTarget, then the acknowledgement.
//
// Thread safety: safe for concurrent use.
type Upload struct {
	c   *Coordinator
	p   *pending
	at  place
	ctx context.Context

	mu      sync.Mutex
	inline  map[string][]byte // committed files that travel
	objects map[string]bool   // committed files that do not: whether they are shared
}

// Upload is where a subtask of an operator brings its part of a checkpoint. For
// a checkpoint that is not under way it is one whose context has ended.
func (a *Attempt) Upload(id ID, operator string, subtask int) *Upload {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	u := &Upload{c: a.c, at: place{operator, subtask}, inline: make(map[string][]byte), objects: make(map[string]bool)}
	p := a.c.find(id)
	switch {
	case a.c.attempt != a || a.over:
		u.p = overPending(id, a, a.why())
	case p == nil:
		u.p = overPending(id, a, fmt.Errorf("checkpoint %d is not under way: %w", id, ErrEnded))
	case !a.has(u.at):
		u.p = overPending(id, a, fmt.Errorf("subtask %d of operator %q: %w", subtask, operator, ErrInvalidOption))
	default:
		u.p = p
	}
	u.ctx = u.p.ctx
	return u
}

// overPending stands for a checkpoint that is not under way.
func overPending(id ID, a *Attempt, reason error) *pending {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(reason)
	return &pending{id: id, attempt: a, ctx: ctx, cancel: cancel, over: true}
}

// Context ends when the checkpoint does; its cause says why.
func (u *Upload) Context() context.Context { return u.ctx }

// Name is the file name to use, or to begin file names with.
func (u *Upload) Name() string { return fileName(u.p.attempt.number, u.at) }

// Create implements snapshot.Target. The name is Name, or begins with it and a
// dot.
func (u *Upload) Create(ctx context.Context, name string) (snapshot.File, error) {
	if err := snapshot.CheckName(name); err != nil {
		return nil, err
	}
	if name != u.Name() && !strings.HasPrefix(name, u.Name()+".") {
		return nil, fmt.Errorf("file %q of %q: %w", name, u.Name(), snapshot.ErrName)
	}
	return &uploadFile{u: u, ctx: ctx, ref: snapshot.FileRef{Name: name}}, nil
}

// Share implements snapshot.SharingTarget. In memory nothing is shared, since a file there
// belongs to one acknowledgement.
func (u *Upload) Share(ctx context.Context, suffix string) (snapshot.File, snapshot.FileRef, error) {
	if u.c.o.Storage.memory != nil {
		ref := snapshot.FileRef{Name: u.Name() + "." + suffix}
		file, err := u.Create(ctx, ref.Name)
		return file, ref, err
	}
	ref := snapshot.FileRef{Name: sharedName(u.p.id, u.p.attempt.number, u.at) + "." + suffix, Shared: true}
	if err := snapshot.CheckName(ref.Name); err != nil {
		return nil, ref, err
	}
	f := &uploadFile{u: u, ctx: ctx, ref: ref}
	if err := f.spill(); err != nil {
		return nil, ref, errors.Join(err, f.Abort())
	}
	return f, ref, nil
}

// Confirmed implements snapshot.SharingTarget: only files of the base, which is complete
// and stays until this checkpoint has ended, are referred to again.
func (u *Upload) Confirmed(id snapshot.Identity) (snapshot.FileRef, bool) {
	ref, ok := u.p.confirmed[id]
	return ref, ok
}

// Acknowledge hands in the subtask's part: the handle of what was written to
// this Upload, nil if the subtask has no backend, and its other data. Only the
// first of several counts; one that comes after the end is an error and does
// nothing. A part that does not fit into memory is declined.
func (u *Upload) Acknowledge(h *snapshot.Handle, data []byte) error {
	part, err := u.part(h, data)
	if err == nil {
		err = u.handIn(part)
	}
	if errors.Is(err, errDecline) {
		u.Decline(err)
	}
	return err
}

// errDecline marks errors of a part that end its checkpoint.
var errDecline = errors.New("the part cannot be taken")

// part puts together what the metadata will say. Files must have been committed
// here: nothing is ever referred to that may not be durable.
func (u *Upload) part(h *snapshot.Handle, data []byte) (Part, error) {
	part := Part{Data: bytes.Clone(data)}
	if h == nil {
		return part, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	handle := *h
	handle.Files = slices.Clone(h.Files)
	part.Handle = &handle
	for _, f := range handle.Files {
		content, inline := u.inline[f.Name]
		shared, committed := u.objects[f.Name]
		switch {
		case inline && int64(len(content)) == f.Size:
			if part.Inline == nil {
				part.Inline = make(map[string][]byte)
			}
			part.Inline[f.Name] = content
		case f.Shared && sameShared(u.p.confirmed[f.Identity], f):
		case !committed || shared != f.Shared:
			return part, fmt.Errorf("file %q was not committed here: %w", f.Name, errDecline)
		}
	}
	return part, nil
}

// handIn gives the part to the checkpoint.
func (u *Upload) handIn(part Part) error {
	size, err := u.c.o.Storage.checkPart(part)
	if err != nil {
		return fmt.Errorf("%w: %w", errDecline, err)
	}
	c, p := u.c, u.p
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.over {
		return context.Cause(p.ctx)
	}
	if _, twice := p.parts[u.at]; twice {
		return fmt.Errorf("subtask %d of %q has acknowledged checkpoint %d: %w", u.at.subtask, u.at.operator, p.id, fs.ErrExist)
	}
	if err := c.o.Storage.take(size); err != nil {
		return fmt.Errorf("%w: %w", errDecline, err)
	}
	p.held += size
	p.parts[u.at] = part
	if p.missing--; p.missing == 0 {
		c.commits.add(func() { c.finish(p) })
	}
	return nil
}

// Decline says that the subtask cannot take part; the checkpoint is aborted.
func (u *Upload) Decline(reason error) {
	u.c.mu.Lock()
	defer u.c.mu.Unlock()
	if _, taken := u.p.parts[u.at]; taken || u.p.over {
		return
	}
	u.c.abort(u.p, fmt.Errorf("subtask %d of %q: %w", u.at.subtask, u.at.operator, reason), true)
}

// keep takes note of a committed file: an object, or one with content that
// travels.
func (u *Upload) keep(ref snapshot.FileRef, content []byte) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, twice := u.objects[ref.Name]; twice || u.inline[ref.Name] != nil {
		return fmt.Errorf("file %q: %w", ref.Name, fs.ErrExist)
	}
	if content != nil {
		u.inline[ref.Name] = content
	} else {
		u.objects[ref.Name] = ref.Shared
	}
	return nil
}

// uploadFile holds a file back until it is too large to travel.
//
// Thread safety: one goroutine.
type uploadFile struct {
	u      *Upload
	ctx    context.Context
	ref    snapshot.FileRef // its name, and whether it is shared
	held   []byte
	object snapshot.File // nil while held
	ended  bool
}

// Write implements snapshot.File.
func (f *uploadFile) Write(p []byte) (int, error) {
	if f.ended {
		return 0, fs.ErrClosed
	}
	if f.object != nil {
		return f.object.Write(p)
	}
	s := f.u.c.o.Storage
	size := int64(len(f.held)) + int64(len(p))
	if size <= s.inlineBytes {
		f.held = append(f.held, p...)
		return len(p), nil
	}
	if s.memory != nil {
		return 0, fmt.Errorf("file %q has more than %d bytes: %w", f.ref.Name, s.inlineBytes, ErrStateTooLarge)
	}
	if err := f.spill(); err != nil {
		return 0, err
	}
	return f.object.Write(p)
}

// spill makes an object of the file.
func (f *uploadFile) spill() (err error) {
	if f.object, err = f.u.c.objects.Create(f.ctx, f.objectName()); err != nil {
		f.object = nil
		return err
	}
	_, err = f.object.Write(f.held)
	f.held = nil
	return err
}

func (f *uploadFile) objectName() string { return f.u.c.layout.object(f.u.p.id, f.ref) }

// Commit implements snapshot.File.
func (f *uploadFile) Commit() error {
	switch {
	case f.ended:
		return fs.ErrClosed
	case f.u.ctx.Err() != nil:
		return context.Cause(f.u.ctx)
	case f.object == nil:
		f.ended = true
		return f.u.keep(f.ref, append(make([]byte, 0, len(f.held)), f.held...))
	}
	if err := f.object.Commit(); err != nil {
		return err
	}
	f.ended = true
	if err := f.u.ctx.Err(); err != nil { // nobody will look for it again
		return errors.Join(context.Cause(f.u.ctx), f.remove())
	}
	return f.u.keep(f.ref, nil)
}

func (f *uploadFile) remove() error {
	return f.u.c.objects.Remove(f.u.c.removing, f.objectName())
}

// Abort implements snapshot.File.
func (f *uploadFile) Abort() error {
	if f.ended {
		return nil
	}
	f.ended = true
	f.held = nil
	if f.object == nil {
		return nil
	}
	return f.object.Abort()
}
