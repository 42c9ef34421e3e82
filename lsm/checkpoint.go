package lsm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
)

// Checkpoint creates a copy of the store as of this call, in a directory that must be empty or
// missing. Open opens the copy. Files are hard links where the file system supports them, and
// copies elsewhere. The checkpoint is durable when Checkpoint returns nil. After an error, or
// the end of the context, the directory holds no store.
func (db *DB) Checkpoint(ctx context.Context, dir string) error {
	opened := callerOf()
	if err := checkContext(ctx); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	v, err := db.view(opened)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := errors.Join(v.checkpoint(ctx, dir, opened), v.Close()); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// Checkpoint creates a copy of the store as the view sees it: see DB.Checkpoint.
func (v *View) Checkpoint(ctx context.Context, dir string) error {
	return v.checkpoint(ctx, dir, callerOf())
}

// checkpoint builds a store in dir from the tables of the view.
func (v *View) checkpoint(ctx context.Context, dir string, opened caller) error {
	dir, err := v.db.dir.FS.Resolve(dir)
	if err != nil {
		return err
	}
	e, pin, err := v.flushed(ctx, opened)
	if err != nil {
		return err
	}
	db := v.db
	if err = db.dir.Check(); err == nil { // otherwise the files may be another store's
		err = buildStore(ctx, db.dir.FS, dir, e, func(i int) string {
			return db.dir.Join(directory.TableName(e.Added[i].Meta.Number))
		})
	}
	return errors.Join(err, pin.Close())
}

// flushed waits until all runs of the view are tables, and returns the first edit of a manifest
// with these tables. The iterator pins them until it is closed, even if the view is closed
// before. The end of the context ends the wait.
func (v *View) flushed(ctx context.Context, opened caller) (_ *manifest.Edit, _ *Iterator, err error) {
	if err := checkContext(ctx); err != nil {
		return nil, nil, err
	}
	if err := v.lockOpen(); err != nil {
		return nil, nil, err
	}
	db := v.db
	defer db.unlock(&err)
	if err := db.waitForRun(ctx, v.run); err != nil {
		return nil, nil, err
	}
	if v.version == nil {
		return nil, nil, ErrClosed
	}
	e := manifest.FirstEdit(v.version.Tree)
	e.Identity, e.Split, e.PartitionBytes = db.identity, db.o.Split.Name, db.o.PartitionBytes
	e.Flushed, e.NextRun, e.NextFile = v.run, v.run+1, 1
	for _, a := range e.Added {
		e.NextFile = max(e.NextFile, a.Meta.Number+1)
	}
	return e, db.scan(v.version, v.run, run.Range{}, opened), nil
}

// Part is a source of Restore: a range of partitions of a checkpoint, or of a store that was
// closed without an error. The store must stay closed until Restore returns. Several Restores
// may read it at the same time.
type Part struct {
	Dir      string // directory of the store, if Description is nil
	From, To []byte // as in DeleteRange

	// Description, if not nil, describes the store; then only the files of its tables are
	// needed, Table must be set, and Dir is not used.
	Description *Description
	// Table returns the path of a table's file. Restore calls it once per table that it takes,
	// in ascending order of the tables' new numbers, which begin at 1 in the first part and
	// have no gaps.
	Table func(number uint64) (path string)
}

// Restore creates a store from ranges of other stores, in a directory that must be empty or
// missing. The ranges must not overlap. Tables are linked or copied as in Checkpoint. Restore
// reads no keys, so damage in a table is found later: by Open, by reads or by Check. Restore
// uses Options.FS, and Split and PartitionBytes, which must be those of the parts. It returns
// ErrInvalidOption if the store of a part is open, or was not closed. Open opens the result.
func Restore(ctx context.Context, dir string, parts []Part, options Options) error {
	if err := checkContext(ctx); err != nil {
		return fmt.Errorf("restore store: %w", err)
	}
	o, err := options.complete()
	if err != nil {
		return fmt.Errorf("restore store: %w", err)
	}
	r := restorePlan{o: &o}
	dir, err = o.FS.Resolve(dir)
	if err == nil {
		err = r.plan(ctx, parts)
	}
	if err == nil {
		err = buildStore(ctx, o.FS, dir, &r.edit, func(i int) string { return r.from[i]() })
	}
	if err != nil {
		return fmt.Errorf("restore store: %w", err)
	}
	return nil
}

// restorePlan is the list of tables that Restore will take, as the first edit of the new store.
type restorePlan struct {
	o      *Options
	edit   manifest.Edit
	from   []func() string // returns the path of the source of each added table
	ranges run.Ranges
}

// plan adds all parts.
func (r *restorePlan) plan(ctx context.Context, parts []Part) error {
	r.edit = manifest.Edit{
		First: true, Identity: vfs.NewIdentity(), Split: r.o.Split.Name, PartitionBytes: r.o.PartitionBytes,
		NextFile: 1, NextRun: 1,
	}
	for i, part := range parts {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := r.addPart(ctx, part); err != nil {
			return fmt.Errorf("part %d: %w", i, err)
		}
	}
	r.edit.NextRun = r.edit.Flushed + 1
	return nil
}

// addPart adds the tables that have keys in the range of a part.
func (r *restorePlan) addPart(ctx context.Context, part Part) error {
	within := run.Range{From: part.From, To: part.To}
	if err := r.o.checkPartitions(within); err != nil {
		return err
	}
	if len(r.ranges.Clip(within)) > 0 {
		return fmt.Errorf("its range overlaps the range of an earlier part: %w", ErrRange)
	}
	r.ranges.Add(within)
	if part.Description == nil {
		dir, err := r.o.FS.Resolve(part.Dir)
		if err != nil {
			return err
		}
		part.Dir = dir
	}
	c, err := r.readPart(ctx, part)
	if err != nil {
		return err
	}
	tables := slices.DeleteFunc(c.SortedTables(), func(p manifest.LevelTable) bool { return !p.Meta.Bounds.Overlaps(within) })
	r.numberRuns(tables)
	for _, p := range tables {
		r.addTable(part, p, within)
	}
	return nil
}

// numberRuns gives the runs of a part new numbers, above the numbers of the previous parts.
// Parts share no keys, so their order does not matter, but each run of a store needs its own
// number. The new numbers have no gaps; otherwise a store that is split and joined forever
// would run out of numbers.
func (r *restorePlan) numberRuns(tables []manifest.LevelTable) {
	var runs []uint64
	for _, p := range tables {
		runs = append(runs, p.Meta.Run)
	}
	slices.Sort(runs)
	runs = slices.Compact(runs)
	for i := range tables {
		at, _ := slices.BinarySearch(runs, tables[i].Meta.Run)
		tables[i].Meta.Run = r.edit.Flushed + uint64(at) + 1
	}
	r.edit.Flushed += uint64(len(runs))
}

// readPart returns the catalog of a part. It refuses stores that need a log, because some of
// their writes are in no table, and stores whose manifest has not ended, because they may be
// open or have lost edits.
func (r *restorePlan) readPart(ctx context.Context, part Part) (c *manifest.Catalog, err error) {
	if part.Description != nil {
		c = part.Description.catalog
	} else if c, _, err = manifest.Read(ctx, r.o.FS, part.Dir); err == nil && c == nil {
		err = r.noStore(part.Dir)
	}
	if err != nil {
		return nil, err
	}
	if err := r.o.checkCatalog(c); err != nil {
		return nil, err
	}
	if !c.Closed || c.FirstLog < c.NextFile {
		return nil, fmt.Errorf("the store was not closed: open and close it first: %w", ErrInvalidOption)
	}
	return c, nil
}

// noStore returns the error for a directory without CURRENT.
func (r *restorePlan) noStore(dir string) error {
	names, err := r.o.FS.List(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = cmp.Or(directory.CheckEmpty(dir, names), ErrNotStore)
	}
	return err
}

// addTable adds a table under its new number, clipped to the range of its part.
func (r *restorePlan) addTable(part Part, p manifest.LevelTable, within run.Range) {
	old := p.Meta.Number
	r.from = append(r.from, func() string {
		if part.Description != nil {
			return part.Table(old)
		}
		return filepath.Join(part.Dir, directory.TableName(old))
	})
	if !within.Includes(p.Meta.Bounds) {
		p.Meta.Clip = p.Meta.Clip.Intersect(within)
		p.Meta.Bounds = p.Meta.Bounds.Intersect(within)
	}
	p.Meta.Number = r.edit.NextFile
	r.edit.NextFile++
	r.edit.Added = append(r.edit.Added, p)
}
