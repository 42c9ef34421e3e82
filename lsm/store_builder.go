package lsm

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/weirstate/weir/internal/confine"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/vfs"
)

// target is a directory that becomes a store.
type target struct {
	dir  *directory.Directory
	made []string // tables
}

// makeStore makes a store of the tables that an edit adds; from says where the
// file of each is. After an error nothing of it is left.
func makeStore(ctx context.Context, fsys vfs.FS, dir string, e *manifest.Edit, from func(i int) string) error {
	t, err := newTarget(fsys, dir)
	if err != nil {
		return err
	}
	for i := 0; i < len(e.Added) && err == nil; i++ {
		err = t.take(ctx, from(i), e.Added[i].Meta)
	}
	if err == nil {
		err = t.finish(e)
	}
	if err != nil {
		return errors.Join(err, t.clear(), t.dir.Close())
	}
	_ = t.dir.Close() // it is released, and the store is there
	return nil
}

// newTarget locks a directory, which must have nothing in it.
func newTarget(fsys vfs.FS, dir string) (*target, error) {
	d := directory.New(fsys, dir)
	if err := d.Lock(); err != nil {
		return nil, err
	}
	names, err := d.List()
	if err == nil && len(names) > 1 { // the lock
		err = fmt.Errorf("the directory is not empty: %w", ErrNotStore)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return &target{dir: d}, nil
}

// take makes the file of a table one of this directory.
func (t *target) take(ctx context.Context, from string, m version.FileMeta) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := t.dir.Check(); err != nil {
		return err
	}
	to := t.dir.Join(directory.TableName(m.Number))
	t.made = append(t.made, to)
	if t.dir.FS.Link(from, to) == nil {
		return nil
	}
	if err := t.copy(ctx, from, to, m.Size); err != nil {
		return fmt.Errorf("table %d: %w", m.Number, err)
	}
	return nil
}

// copy copies a file and makes its content durable.
func (t *target) copy(ctx context.Context, from, to string, size int64) error {
	in, err := t.dir.FS.Open(from)
	if err != nil {
		return directory.Missing(err)
	}
	defer in.Close()
	out, err := t.dir.FS.Create(to)
	if err != nil {
		return err
	}
	copied, err := io.CopyBuffer(out, contextReader{ctx, in}, make([]byte, copyBytes))
	if err == nil && copied != size {
		err = fmt.Errorf("it has %d bytes, not %d: %w", copied, size, ErrCorrupt)
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// copyBytes is how much is copied between two looks at the context.
const copyBytes = 1 << 20

// contextReader ends with a context.
type contextReader struct {
	ctx context.Context
	io.Reader
}

// Read implements io.Reader.
func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}

// finish writes the manifest, by which the names of the tables become durable as
// well. The directory is a store from then on.
func (t *target) finish(e *manifest.Edit) error {
	number := e.NextFile
	e.NextFile++
	e.FirstLog = e.NextFile // none
	if err := t.dir.Check(); err != nil {
		return err
	}
	w, err := manifest.Create(t.dir.FS, t.dir.Path, number, e)
	if err != nil {
		return err
	}
	if err := w.Close(true); err != nil {
		return err
	}
	return manifest.Current{Number: number, File: w.Identity(), ClosedBytes: w.Size()}.Publish(t.dir.FS, t.dir.Path)
}

// clear removes what was made, unless the lock is lost. CURRENT goes first, for
// good: without it the rest is nothing.
func (t *target) clear() error {
	if err := t.dir.Check(); err != nil {
		return err
	}
	names, err := t.dir.List()
	remove := func(name string) { err = errors.Join(err, directory.IgnoreMissing(confine.RemoveFile(t.dir.FS, name))) }
	remove(t.dir.Join(directory.CurrentName))
	err = errors.Join(err, t.dir.Sync())
	for _, name := range names {
		switch directory.KindOf(name) {
		case directory.CurrentTemp, directory.ManifestFile:
			remove(t.dir.Join(name))
		}
	}
	for _, name := range t.made {
		remove(name)
	}
	return err
}
