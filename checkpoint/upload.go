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

// Upload is the target of one subtask's part of one checkpoint. The subtask writes its files to
// it, as a snapshot.Target or snapshot.SharingTarget, and then acknowledges or declines.
//
// Problem: small states must not cost one object each, large ones must not pass through the
// coordinator's memory, and a file of an aborted checkpoint must not stay behind. The writer
// does not know the size of a file in advance, and the checkpoint may be aborted at any moment
// of the upload.
//
//	                      Create(name)                       Share(suffix)
//	                          |                                   |
//	                   held in memory                      held in memory
//	 up to InlineBytes  /     |      \  more than           /    |  more than PackBytes
//	                   /      |       \ either             /     |
//	travels in the       pack of the   object in chk-<id>/     object in shared/
//	acknowledgement      checkpoint <-----|---------------'       |
//	and is stored in     (PackBytes)      |                       |
//	the metadata \           |            |                      /
//	              `---- Acknowledge(handle, data) --------------'
//	                          |
//	              the coordinator has the part
//
// A storage without packs writes a file from Create that exceeds InlineBytes, and each file from
// Share, to an object of its own. Packs are explained at packWriter.
//
// A file that the newest complete checkpoint lists is not written again: Confirmed finds it by
// the identity of its content, and the handle refers to it.
//
// Invariant: a handle is accepted only if each of its files was committed to this Upload or is
// listed by the checkpoint's base. So each file of an accepted handle is durable, or will be before
// the metadata is written: in the metadata itself or in a pack.
//
// Invariant: names of files contain the attempt, operator and subtask, and names of shared ones
// the checkpoint as well. So no other Upload writes the same name, in this process or another.
//
// Invariant: a file whose commit ends after its checkpoint has ended is removed by its writer.
// The removals of the abort may have run before the file appeared.
//
// Invariant: the first acknowledgement of a subtask counts. Later ones, and those after the end
// of the checkpoint, return an error and have no effect.
//
// Cost: a file from Create needs no I/O of its own up to InlineBytes (20 KiB), and files up to
// PackBytes share an object with those of other subtasks. With a storage in memory every file
// travels in the acknowledgement, and no file is shared.
//
// Thread safety: safe for concurrent use.
type Upload struct {
	c   *Coordinator
	p   *pending
	at  subtaskID
	ctx context.Context

	mu    sync.Mutex
	files map[string]committedFile // by name
}

// committedFile is a file that was committed to an Upload.
type committedFile struct {
	shared  bool
	content []byte // nil unless the file travels in the acknowledgement
	place   Place  // zero unless the file lies in a pack
	bytes   int64  // size of a file that is not an object
}

// Upload returns the Upload for a subtask's part of a checkpoint. If the checkpoint is not in
// progress, or the attempt does not have the subtask, the context of the returned Upload has
// already ended; its cause is the reason.
func (a *Attempt) Upload(id ID, operator string, subtask int) *Upload {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	u := &Upload{c: a.c, at: subtaskID{operator, subtask}, files: make(map[string]committedFile)}
	p := a.c.find(id)
	switch {
	case a.c.attempt != a || a.over:
		u.p = endedPending(id, a, a.endReason())
	case p == nil:
		u.p = endedPending(id, a, fmt.Errorf("checkpoint %d is not in progress: %w", id, ErrEnded))
	case !a.hasSubtask(u.at):
		u.p = endedPending(id, a, fmt.Errorf("subtask %d of operator %q: %w", subtask, operator, ErrInvalidOption))
	default:
		u.p = p
	}
	u.ctx = u.p.ctx
	return u
}

// endedPending returns a placeholder for a checkpoint that is not in progress.
func endedPending(id ID, a *Attempt, reason error) *pending {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(reason)
	return &pending{id: id, attempt: a, ctx: ctx, cancel: cancel, over: true}
}

// Context returns a context that ends with the checkpoint; its cause is the reason. Use it to
// write the files.
func (u *Upload) Context() context.Context { return u.ctx }

// Name returns the file name that the subtask must use, or use as the prefix of its file names.
func (u *Upload) Name() string { return fileName(u.p.attempt.number, u.at) }

// Create implements snapshot.Target. name must be Name, or begin with Name and a dot.
func (u *Upload) Create(ctx context.Context, name string) (snapshot.File, error) {
	if err := snapshot.CheckName(name); err != nil {
		return nil, err
	}
	if name != u.Name() && !strings.HasPrefix(name, u.Name()+".") {
		return nil, fmt.Errorf("file %q: want %[2]q, or %[2]q, a dot and more: %[3]w", name, u.Name(), snapshot.ErrName)
	}
	return &uploadFile{u: u, ctx: ctx, ref: snapshot.FileRef{Name: name}}, nil
}

// Share implements snapshot.SharingTarget. A storage in memory shares nothing, since each file
// there belongs to one acknowledgement; the result is then an ordinary file.
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
	if u.c.o.Storage.packBytes > 0 {
		return f, ref, nil
	}
	if err := f.spill(); err != nil {
		return nil, ref, errors.Join(err, f.Abort())
	}
	return f, ref, nil
}

// CombinedBytes implements snapshot.CombiningTarget. It returns StorageOptions.PackBytes.
func (u *Upload) CombinedBytes() int64 { return u.c.o.Storage.packBytes }

// Confirmed implements snapshot.SharingTarget. It returns the shared file with the given
// identity if the checkpoint's base lists it and it need not be written again (see confirmedFiles).
// The base is complete, and is kept until this checkpoint has ended.
func (u *Upload) Confirmed(id snapshot.Identity) (snapshot.FileRef, bool) {
	f, ok := u.p.confirmed.byIdentity[id]
	return f.FileRef, ok
}

// Acknowledge hands in the subtask's part: the handle of the files that were written to this
// Upload, or nil if the subtask has no backend, and a copy of the subtask's other data. It
// returns fs.ErrExist for a second acknowledgement, and the reason of the end once the
// checkpoint has ended; both have no effect. If the part cannot be accepted, for example because
// it does not fit into memory, Acknowledge declines the checkpoint and returns the reason.
func (u *Upload) Acknowledge(h *snapshot.Handle, data []byte) error {
	part, err := u.part(h, data)
	if err == nil {
		err = u.addPart(part)
	}
	if errors.Is(err, errDecline) {
		u.Decline(err)
	}
	return err
}

// errDecline marks errors of a part that abort its checkpoint.
var errDecline = errors.New("the part is not accepted")

// part builds the subtask's Part. It checks that each file was committed to this Upload or is
// listed by the base, so that the metadata never refers to a file that may not be durable.
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
		written, committed := u.files[f.Name]
		earlier := u.p.confirmed.byIdentity[f.Identity]
		switch {
		case f.Shared && sameShared(earlier.FileRef, f):
			part.setPlace(f.Name, earlier.place)
		case !committed || written.shared != f.Shared || !written.isObject() && written.bytes != f.Size:
			return part, fmt.Errorf("file %q was not committed to this upload: %w", f.Name, errDecline)
		case written.content != nil:
			if part.Inline == nil {
				part.Inline = make(map[string][]byte)
			}
			part.Inline[f.Name] = written.content
		default:
			part.setPlace(f.Name, written.place)
		}
	}
	return part, nil
}

// setPlace records the place of a file unless it is zero.
func (p *Part) setPlace(name string, place Place) {
	if place == (Place{}) {
		return
	}
	if p.Packed == nil {
		p.Packed = make(map[string]Place)
	}
	p.Packed[name] = place
}

// isObject reports whether the file is an object of its own.
func (f committedFile) isObject() bool { return f.content == nil && f.place == Place{} }

// addPart adds the part to the checkpoint, and queues the commit if it is the last one.
func (u *Upload) addPart(part Part) error {
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
		return fmt.Errorf("subtask %d of %q has already acknowledged checkpoint %d: %w", u.at.subtask, u.at.operator, p.id, fs.ErrExist)
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

// Decline aborts the checkpoint because the subtask cannot take part in it. It has no effect
// after the subtask's acknowledgement or the end of the checkpoint.
func (u *Upload) Decline(reason error) {
	u.c.mu.Lock()
	defer u.c.mu.Unlock()
	if _, taken := u.p.parts[u.at]; taken || u.p.over {
		return
	}
	u.c.abort(u.p, fmt.Errorf("subtask %d of %q: %w", u.at.subtask, u.at.operator, reason), true)
}

// recordFile records a committed file.
func (u *Upload) recordFile(name string, file committedFile) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, twice := u.files[name]; twice {
		return fmt.Errorf("file %q: %w", name, fs.ErrExist)
	}
	u.files[name] = file
	return nil
}

// uploadFile holds a file in memory, and turns it into an object of its own once it exceeds the
// limit for files in the acknowledgement and in packs.
//
// Thread safety: one goroutine.
type uploadFile struct {
	u      *Upload
	ctx    context.Context
	ref    snapshot.FileRef // only Name and Shared are set
	held   []byte
	object snapshot.File // nil while the content is held in memory
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
	if size <= s.packBytes || size <= s.inlineBytes && !f.ref.Shared {
		f.held = append(f.held, p...)
		return len(p), nil
	}
	if s.memory != nil {
		return 0, fmt.Errorf("file %q: more than %d bytes: %w", f.ref.Name, s.inlineBytes, ErrStateTooLarge)
	}
	if err := f.spill(); err != nil {
		return 0, err
	}
	return f.object.Write(p)
}

// spill creates the object and writes the held content to it.
func (f *uploadFile) spill() (err error) {
	f.u.p.created.Store(true)
	if f.object, err = f.u.c.objects.Create(f.ctx, f.objectName()); err != nil {
		f.object = nil
		return err
	}
	_, err = f.object.Write(f.held)
	f.held = nil
	return err
}

// objectName returns the name of the file's object.
func (f *uploadFile) objectName() string { return f.u.c.layout.object(f.u.p.id, f.ref) }

// Commit implements snapshot.File.
func (f *uploadFile) Commit() error {
	switch {
	case f.ended:
		return fs.ErrClosed
	case f.u.ctx.Err() != nil:
		return context.Cause(f.u.ctx)
	case f.object == nil:
		return f.commitHeld()
	}
	if err := f.object.Commit(); err != nil {
		return err
	}
	f.ended = true
	if err := f.u.ctx.Err(); err != nil { // the abort may have listed the folder before
		return errors.Join(context.Cause(f.u.ctx), f.remove())
	}
	return f.u.recordFile(f.ref.Name, committedFile{shared: f.ref.Shared})
}

// commitHeld commits a file that is held in memory: into the acknowledgement, or into the pack.
func (f *uploadFile) commitHeld() (err error) {
	s := f.u.c.o.Storage
	file := committedFile{shared: f.ref.Shared, bytes: int64(len(f.held))}
	if !f.ref.Shared && (file.bytes <= s.inlineBytes || s.packBytes == 0) {
		file.content = append(make([]byte, 0, len(f.held)), f.held...)
	} else if file.place, err = f.u.p.packOf(f.ref.Shared).add(f.held); err != nil {
		return err
	}
	f.ended, f.held = true, nil
	return f.u.recordFile(f.ref.Name, file)
}

// remove removes the file's object.
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
