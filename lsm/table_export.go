package lsm

import (
	"context"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
)

// Tables are the tables that a view has, as files to be copied elsewhere. Together
// with their description Restore makes a store of the copies.
//
// Thread safety: safe for concurrent use, but for Close.
type Tables struct {
	dir  *directory.Directory
	edit *manifest.Edit
	pin  *Iterator
}

// TableFile is the file of a table. It never changes.
type TableFile struct {
	Number   uint64       // in its store
	Identity vfs.Identity // stands in the file, and in no other
	Bytes    int64
	From, To []byte // all keys that count are within, To excluded; nil is the end
}

// Tables waits until all that the view has is in files, and pins them until Close.
// The view may be closed before.
func (v *View) Tables(ctx context.Context) (*Tables, error) {
	e, pin, err := v.flushed(ctx, callerOf())
	if err != nil {
		return nil, err
	}
	e.FirstLog = e.NextFile // none
	return &Tables{v.db.dir, e, pin}, nil
}

// List is all of them.
func (t *Tables) List() []TableFile { return tableFiles(t.edit.Added, run.Range{}) }

// Describe is what a Description is parsed from. See docs/format-tree-checkpoint.md.
func (t *Tables) Describe() []byte { return t.edit.Encode() }

// Open opens the file of one for reading. It returns ErrClosed after Close, and
// ErrLockLost if another store may be where this one was.
func (t *Tables) Open(number uint64) (vfs.File, error) {
	if err := t.pin.checkOpen(); err != nil {
		return nil, err
	}
	if err := t.dir.Check(); err != nil {
		return nil, err
	}
	return t.dir.FS.Open(t.dir.Join(directory.TableName(number)))
}

// Link gives the file of one a second name, on the file system of the store. It is
// fs.ErrExist if that exists; otherwise it returns what Open does.
func (t *Tables) Link(number uint64, name string) error {
	if err := t.pin.checkOpen(); err != nil {
		return err
	}
	if err := t.dir.Check(); err != nil {
		return err
	}
	return t.dir.FS.Link(t.dir.Join(directory.TableName(number)), name)
}

// Close lets go of them.
func (t *Tables) Close() error { return t.pin.Close() }

// Description says what Restore need know of a store besides the files of its
// tables.
type Description struct{ catalog *manifest.Catalog }

// ParseDescription reads what Tables.Describe returned. What cannot be that is
// ErrCorrupt or ErrVersion.
func ParseDescription(b []byte) (*Description, error) {
	e, err := manifest.DecodeEdit(b)
	if err != nil {
		return nil, err
	}
	c := &manifest.Catalog{Tables: make(map[uint64]manifest.LevelTable)}
	if err := c.Apply(e); err != nil {
		return nil, err
	}
	if max(c.NextFile, c.NextRun, c.Flushed) > manifest.MaxNextNumber || c.FirstLog < c.NextFile {
		return nil, fmt.Errorf("description of a store that was not closed: %w", ErrCorrupt)
	}
	c.Closed = true
	return &Description{c}, nil
}

// Tables are those that have keys from from to to, excluded, where nil is the
// lowest or beyond the highest.
func (d *Description) Tables(from, to []byte) []TableFile {
	return tableFiles(d.catalog.SortedTables(), run.Range{From: from, To: to})
}

func tableFiles(tables []manifest.LevelTable, within run.Range) (files []TableFile) {
	for _, p := range tables {
		if m := p.Meta; m.Bounds.Overlaps(within) {
			files = append(files, TableFile{m.Number, m.Identity, m.Size, m.Bounds.From, m.Bounds.To})
		}
	}
	return files
}
