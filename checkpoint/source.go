package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/snapshot"
)

// source gives the files of one checkpoint, wherever they are. Its errors name the
// checkpoint.
type source struct {
	objects Objects
	layout  layout
	id      ID // 0 without a checkpoint
	inline  map[string][]byte
	files   map[string]snapshot.FileRef
}

func newSource(objects Objects, l layout, c *Checkpoint) snapshot.Source {
	s := source{objects: objects, layout: l, inline: make(map[string][]byte), files: make(map[string]snapshot.FileRef)}
	if c == nil {
		return s
	}
	s.id = c.ID
	for part := range c.parts() {
		maps.Copy(s.inline, part.Inline)
		if part.Handle == nil {
			continue
		}
		for _, f := range part.Handle.Files {
			s.files[f.Name] = f
		}
	}
	return s
}

// Open implements snapshot.Source.
func (s source) Open(ctx context.Context, name string) (snapshot.Object, error) {
	if err := snapshot.CheckName(name); err != nil {
		return nil, err
	}
	if content, ok := s.inline[name]; ok {
		return inlineObject{bytes.NewReader(content)}, nil
	}
	object, err := s.objectOf(name)
	if err != nil {
		return nil, err
	}
	opened, err := s.objects.Open(ctx, object)
	if err != nil {
		return nil, s.named(err)
	}
	return sourceObject{opened, s}, nil
}

// Link implements snapshot.LinkingSource.
func (s source) Link(ctx context.Context, name, path string) error {
	linker, ok := s.objects.(linker)
	if _, inline := s.inline[name]; inline || !ok {
		return fmt.Errorf("link file %q: %w", name, errors.ErrUnsupported)
	}
	object, err := s.objectOf(name)
	if err != nil {
		return err
	}
	return s.named(linker.Link(ctx, object, path))
}

// linker is what Objects have beside if they are files: see snapshot.LinkingSource.
type linker interface {
	Link(ctx context.Context, name, path string) error
}

// objectOf is the name of the object of a file of the checkpoint.
func (s source) objectOf(name string) (string, error) {
	f, ok := s.files[name]
	if !ok {
		return "", s.named(fmt.Errorf("file %q: %w", name, fs.ErrNotExist))
	}
	return s.layout.object(s.id, f), nil
}

// named adds the checkpoint to an error.
func (s source) named(err error) error {
	if err == nil || s.id == 0 {
		return err
	}
	return &SourceError{ID: s.id, Err: err}
}

// sourceObject is an object whose errors name the checkpoint.
type sourceObject struct {
	snapshot.Object
	source source
}

// Size implements snapshot.Object.
func (o sourceObject) Size() (int64, error) {
	n, err := o.Object.Size()
	return n, o.source.named(err)
}

// ReadAt implements io.ReaderAt.
func (o sourceObject) ReadAt(b []byte, offset int64) (int, error) {
	n, err := o.Object.ReadAt(b, offset)
	if err != nil && err != io.EOF { // which is compared as it is
		err = o.source.named(err)
	}
	return n, err
}

// inlineObject is a file that stands in the metadata.
type inlineObject struct{ *bytes.Reader }

func (o inlineObject) Size() (int64, error) { return o.Reader.Size(), nil }
func (o inlineObject) Close() error         { return nil }

// choose finds the newest checkpoint that can be read, and checks it against the
// operators of the attempt.
func (c *Coordinator) choose(ctx context.Context, a *Attempt) error {
	entries, err := c.completed.List(ctx)
	if err != nil {
		return err
	}
	for i := len(entries) - 1; i >= 0 && a.restored == nil; i-- {
		if a.restored, err = c.load(ctx, entries[i]); err == nil {
			continue
		}
		lost := c.isLost(entries[i].ID, err)
		err = fmt.Errorf("checkpoint %d: %w", entries[i].ID, err)
		if !lost {
			return err
		}
		a.skipped = append(a.skipped, err)
	}
	for _, skipped := range a.skipped {
		c.o.Logger.Error("checkpoint passed over", "job", c.o.Job, "reason", skipped)
	}
	if a.restored == nil && len(entries) > 0 {
		return fmt.Errorf("%w: %w", ErrNotRestorable, errors.Join(a.skipped...))
	}
	return c.checkOperators(a)
}

// isLost says whether a checkpoint that cannot be loaded never can be: it may
// then be passed over, and is not counted among those to retain. What may be read
// another time, or by another program, may not.
func (c *Coordinator) isLost(id ID, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.distrusted[id] == nil && isUnreadable(err) {
		c.distrusted[id] = err
	}
	return c.distrusted[id] != nil
}

// isUnreadable reports whether an entry or metadata is there but not as it was
// written, or is missing. Reading it again, or with another program, does not help.
func isUnreadable(err error) bool {
	return errors.Is(err, ErrCorrupt) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, snapshot.ErrNotRegular)
}

// load reads the metadata of a complete checkpoint that can be trusted.
func (c *Coordinator) load(ctx context.Context, e Entry) (*Checkpoint, error) {
	c.mu.Lock()
	distrusted := c.distrusted[e.ID]
	c.mu.Unlock()
	if distrusted != nil {
		return nil, errors.Join(e.Err, distrusted)
	}
	return c.read(ctx, e)
}

// read reads the metadata of a complete checkpoint.
func (c *Coordinator) read(ctx context.Context, e Entry) (*Checkpoint, error) {
	if e.Err != nil {
		return nil, e.Err
	}
	data, err := readObject(ctx, c.objects, c.layout.metadata(e.ID), e.Size)
	if err != nil {
		return nil, err
	}
	if xxhash.Sum64(data) != e.Checksum {
		return nil, fmt.Errorf("metadata is not what was committed: %w", ErrCorrupt)
	}
	checkpoint, err := Decode(data)
	switch {
	case err != nil:
		return nil, err
	case checkpoint.Job != c.o.Job:
		return nil, fmt.Errorf("of job %q: %w", checkpoint.Job, ErrForeign)
	case checkpoint.ID != e.ID || checkpoint.Attempt != e.Attempt:
		return nil, fmt.Errorf("metadata of another checkpoint: %w", ErrCorrupt)
	}
	return checkpoint, nil
}

// checkOperators sees that all state of the checkpoint finds its operator.
func (c *Coordinator) checkOperators(a *Attempt) error {
	if a.restored == nil || c.o.AllowUnclaimed {
		return nil
	}
	for _, operator := range a.restored.Operators {
		if !operator.isEmpty() && !a.has(place{operator.Name, 0}) {
			return fmt.Errorf("checkpoint %d, operator %q: %w", a.restored.ID, operator.Name, ErrOperator)
		}
	}
	return nil
}

// isEmpty says whether there is nothing to restore.
func (o Operator) isEmpty() bool {
	return !slices.ContainsFunc(o.Parts, func(p Part) bool { return p.Handle != nil || len(p.Data) > 0 })
}

// nextFree is above the numbers of all checkpoints of which there is a trace,
// complete or not.
func (c *Coordinator) nextFree(ctx context.Context) (ID, error) {
	objects, err := c.objects.List(ctx, c.layout.root())
	if err != nil {
		return 0, err
	}
	last := ID(0)
	for _, object := range objects {
		last = max(last, c.layout.checkpointOf(object.nameOf()))
	}
	entries, err := c.completed.List(ctx)
	for _, e := range entries {
		last = max(last, e.ID)
	}
	if last == maxNumber {
		return 0, fmt.Errorf("checkpoint %d is the last that has a number: %w", last, ErrCorrupt)
	}
	return last + 1, err
}
