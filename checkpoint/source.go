package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/snapshot"
)

// source gives the files of one checkpoint, inline or not.
type source struct {
	objects Objects
	folder  string
	inline  map[string][]byte
}

func newSource(objects Objects, l layout, c *Checkpoint) snapshot.Source {
	s := source{objects: objects, inline: make(map[string][]byte)}
	if c == nil {
		return s
	}
	s.folder = l.folder(c.ID)
	for _, operator := range c.Operators {
		for _, part := range operator.Parts {
			for name, content := range part.Inline {
				s.inline[name] = content
			}
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
	if s.folder == "" {
		return nil, fmt.Errorf("file %q: %w", name, fs.ErrNotExist)
	}
	return s.objects.Open(ctx, s.folder+name)
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
	if c.distrusted[id] == nil && (errors.Is(err, ErrCorrupt) || errors.Is(err, fs.ErrNotExist)) {
		c.distrusted[id] = err
	}
	return c.distrusted[id] != nil
}

// load reads the metadata of a complete checkpoint.
func (c *Coordinator) load(ctx context.Context, e Entry) (*Checkpoint, error) {
	c.mu.Lock()
	distrusted := c.distrusted[e.ID]
	c.mu.Unlock()
	if err := errors.Join(e.Err, distrusted); err != nil {
		return nil, err
	}
	data, err := readObject(ctx, c.o.Storage.objects, c.layout.metadata(e.ID), e.Size)
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
	objects, err := c.o.Storage.objects.List(ctx, c.layout.root())
	if err != nil {
		return 0, err
	}
	last := ID(0)
	for _, object := range objects {
		if o, ok := c.layout.ownerOf(object.nameOf()); ok {
			last = max(last, o.id)
		}
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
