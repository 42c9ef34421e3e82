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

// storeBuilder creates a store from tables of other stores.
type storeBuilder struct {
	dir  *directory.Directory
	made []string // paths of tables
}

// buildStore creates a store with the tables that an edit adds; from returns the path of each
// source. After an error it removes everything that it has made.
func buildStore(ctx context.Context, fsys vfs.FS, dir string, e *manifest.Edit, from func(i int) string) error {
	b, err := newStoreBuilder(fsys, dir)
	if err != nil {
		return err
	}
	for i := 0; i < len(e.Added) && err == nil; i++ {
		err = b.addTable(ctx, from(i), e.Added[i].Meta)
	}
	if err == nil {
		err = b.finish(e)
	}
	if err != nil {
		return errors.Join(err, b.removeAll(), b.dir.Close())
	}
	_ = b.dir.Close() // only releases the lock: the store is complete
	return nil
}

// newStoreBuilder locks a directory, which must be empty.
func newStoreBuilder(fsys vfs.FS, dir string) (*storeBuilder, error) {
	d := directory.New(fsys, dir)
	if err := d.Lock(); err != nil {
		return nil, err
	}
	names, err := d.List()
	if err == nil && len(names) > 1 { // more than the lock file
		err = fmt.Errorf("the directory is not empty: %w", ErrNotStore)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return &storeBuilder{dir: d}, nil
}

// addTable links or copies a table into the directory.
func (b *storeBuilder) addTable(ctx context.Context, from string, m version.FileMeta) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := b.dir.Check(); err != nil {
		return err
	}
	to := b.dir.Join(directory.TableName(m.Number))
	b.made = append(b.made, to)
	if b.dir.FS.Link(from, to) == nil {
		return nil
	}
	if err := b.copy(ctx, from, to, m.Size); err != nil {
		return fmt.Errorf("table %d: %w", m.Number, err)
	}
	return nil
}

// copy copies a file and syncs it.
func (b *storeBuilder) copy(ctx context.Context, from, to string, size int64) error {
	in, err := b.dir.FS.Open(from)
	if err != nil {
		return directory.Missing(err)
	}
	defer in.Close()
	out, err := b.dir.FS.Create(to)
	if err != nil {
		return err
	}
	copied, err := io.CopyBuffer(out, contextReader{ctx, in}, make([]byte, copyBytes))
	if err == nil && copied != size {
		err = fmt.Errorf("the file has %d bytes, want %d: %w", copied, size, ErrCorrupt)
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// copyBytes is the number of bytes copied between two checks of the context.
const copyBytes = 1 << 20

// contextReader is a reader that fails when a context ends.
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

// finish writes the manifest, which also makes the names of the tables durable, and then
// CURRENT, which makes the directory a store.
func (b *storeBuilder) finish(e *manifest.Edit) error {
	number := e.NextFile
	e.NextFile++
	e.FirstLog = e.NextFile // needs no log
	if err := b.dir.Check(); err != nil {
		return err
	}
	w, err := manifest.Create(b.dir.FS, b.dir.Path, number, e)
	if err != nil {
		return err
	}
	if err := w.Close(true); err != nil {
		return err
	}
	return manifest.Current{Number: number, File: w.Identity(), ClosedBytes: w.Size()}.Publish(b.dir.FS, b.dir.Path)
}

// removeAll removes everything that was made, unless the lock is lost. It first removes CURRENT
// durably: without it the directory holds no store.
func (b *storeBuilder) removeAll() error {
	if err := b.dir.Check(); err != nil {
		return err
	}
	names, err := b.dir.List()
	remove := func(name string) { err = errors.Join(err, directory.IgnoreMissing(confine.RemoveFile(b.dir.FS, name))) }
	remove(b.dir.Join(directory.CurrentName))
	err = errors.Join(err, b.dir.Sync())
	for _, name := range names {
		switch directory.KindOf(name) {
		case directory.CurrentTemp, directory.ManifestFile:
			remove(b.dir.Join(name))
		}
	}
	for _, name := range b.made {
		remove(name)
	}
	return err
}
