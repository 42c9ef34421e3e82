package lsm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/weirstate/weir/internal/vfs"
)

// target is a directory that becomes a store.
type target struct {
	fs   vfs.FS
	dir  string
	lock vfs.Lock
	made []string // tables
}

// makeStore makes a store of the tables that an edit adds; from says where the
// file of each is. After an error nothing of it is left.
func makeStore(ctx context.Context, fsys vfs.FS, dir string, e *edit, from func(i int) string) error {
	t, err := newTarget(fsys, dir)
	if err != nil {
		return err
	}
	for i := 0; i < len(e.added) && err == nil; i++ {
		err = t.take(ctx, from(i), e.added[i].meta)
	}
	if err == nil {
		err = t.finish(e)
	}
	if err != nil {
		return errors.Join(err, t.clear(), t.lock.Close())
	}
	_ = t.lock.Close() // it is released, and the store is there
	return nil
}

// newTarget locks a directory, which must have nothing in it.
func newTarget(fsys vfs.FS, dir string) (*target, error) {
	lock, err := takeDirectory(fsys, dir)
	if err != nil {
		return nil, err
	}
	names, err := fsys.List(dir)
	if err == nil && len(names) > 1 { // the lock
		err = fmt.Errorf("the directory is not empty: %w", ErrNotStore)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &target{fs: fsys, dir: dir, lock: lock}, nil
}

// take makes the file of a table one of this directory.
func (t *target) take(ctx context.Context, from string, m fileMeta) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := t.lock.Check(); err != nil {
		return err
	}
	to := filepath.Join(t.dir, tableName(m.number))
	t.made = append(t.made, to)
	if t.fs.Link(from, to) == nil {
		return nil
	}
	if err := t.copy(ctx, from, to, m.size); err != nil {
		return fmt.Errorf("table %d: %w", m.number, err)
	}
	return nil
}

// copy copies a file and makes its content durable.
func (t *target) copy(ctx context.Context, from, to string, size int64) error {
	in, err := t.fs.Open(from)
	if err != nil {
		return missing(err)
	}
	defer in.Close()
	out, err := t.fs.Create(to)
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
func (t *target) finish(e *edit) error {
	number := e.nextFile
	e.nextFile++
	e.firstLog = e.nextFile // none
	if err := t.lock.Check(); err != nil {
		return err
	}
	w, err := createManifest(t.fs, t.dir, number, e)
	if err != nil {
		return err
	}
	if err := w.Close(true); err != nil {
		return err
	}
	return current{number, w.Identity(), w.Size()}.publish(t.fs, t.dir)
}

// clear removes what was made, unless the lock is lost. CURRENT goes first, for
// good: without it the rest is nothing.
func (t *target) clear() error {
	if err := t.lock.Check(); err != nil {
		return err
	}
	names, err := t.fs.List(t.dir)
	remove := func(name string) { err = errors.Join(err, ignoreMissing(vfs.RemoveFile(t.fs, name))) }
	remove(filepath.Join(t.dir, currentName))
	err = errors.Join(err, t.fs.SyncDir(t.dir))
	for _, name := range names {
		switch kindOfFile(name) {
		case currentTemp, manifestFile:
			remove(filepath.Join(t.dir, name))
		}
	}
	for _, name := range t.made {
		remove(name)
	}
	return err
}
