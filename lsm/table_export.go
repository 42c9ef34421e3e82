package lsm

import (
	"context"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
)

// Tables is the list of a view's tables, as files to copy elsewhere. Restore makes a store of
// the copies and their description. The files stay until Close.
//
// Thread safety: safe for concurrent use, except Close.
type Tables struct {
	dir  *directory.Directory
	edit *manifest.Edit
	pin  *Iterator
}

// TableFile describes the file of a table. The file never changes.
type TableFile struct {
	Number   uint64       // in its store
	Identity vfs.Identity // stored in the file, unique
	Bytes    int64        // size of the file
	From, To []byte       // the valid keys are in [From, To); nil is the end
}

// Tables waits until all runs of the view are tables, and pins them until Tables.Close. The
// view may be closed before.
func (v *View) Tables(ctx context.Context) (*Tables, error) {
	e, pin, err := v.flushed(ctx, callerOf())
	if err != nil {
		return nil, err
	}
	e.FirstLog = e.NextFile // needs no log
	return &Tables{v.db.dir, e, pin}, nil
}

// List returns all tables.
func (t *Tables) List() []TableFile { return tableFiles(t.edit.Added, run.Range{}) }

// Describe returns the encoded description of the store, for ParseDescription. See
// docs/format-tree-checkpoint.md.
func (t *Tables) Describe() []byte { return t.edit.Encode() }

// Open opens the file of a table for reading. It returns ErrClosed after Close, and ErrLockLost
// if another store may have taken the directory.
func (t *Tables) Open(number uint64) (vfs.File, error) {
	if err := t.pin.checkOpen(); err != nil {
		return nil, err
	}
	if err := t.dir.Check(); err != nil {
		return nil, err
	}
	return t.dir.FS.Open(t.dir.Join(directory.TableName(number)))
}

// Link gives the file of a table a second name, on the same file system. It returns fs.ErrExist
// if the name exists, and otherwise the same errors as Open.
func (t *Tables) Link(number uint64, name string) error {
	if err := t.pin.checkOpen(); err != nil {
		return err
	}
	if err := t.dir.Check(); err != nil {
		return err
	}
	return t.dir.FS.Link(t.dir.Join(directory.TableName(number)), name)
}

// Close releases the files.
func (t *Tables) Close() error { return t.pin.Close() }

// Description is all that Restore needs to know of a store, in addition to the files of its
// tables.
type Description struct{ catalog *manifest.Catalog }

// ParseDescription decodes the bytes that Tables.Describe returned. It returns ErrCorrupt or
// ErrVersion for other bytes.
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
		return nil, fmt.Errorf("the description needs a log or has numbers out of range: %w", ErrCorrupt)
	}
	c.Closed = true
	return &Description{c}, nil
}

// Tables returns the tables that may have keys in [from, to). A nil from is the lowest key, a
// nil to is the end.
func (d *Description) Tables(from, to []byte) []TableFile {
	return tableFiles(d.catalog.SortedTables(), run.Range{From: from, To: to})
}

// tableFiles describes the tables that may have keys in the range.
func tableFiles(tables []manifest.LevelTable, within run.Range) (files []TableFile) {
	for _, p := range tables {
		if m := p.Meta; m.Bounds.Overlaps(within) {
			files = append(files, TableFile{m.Number, m.Identity, m.Size, m.Bounds.From, m.Bounds.To})
		}
	}
	return files
}
