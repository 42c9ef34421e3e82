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

// Checkpoint makes a store of its own, in a directory that is empty or missing,
// out of this one as it is now. Files are shared by hard links where the file
// system has them, and copied elsewhere. When it returns nil the checkpoint is on
// the disk; after an error, or the end of the context, there is nothing that
// Open would take for a store.
func (db *DB) Checkpoint(ctx context.Context, dir string) error {
	opened := callerOf()
	v, err := db.view(opened)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := errors.Join(v.checkpoint(ctx, dir, opened), v.Close()); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// Checkpoint is DB.Checkpoint of what the view has.
func (v *View) Checkpoint(ctx context.Context, dir string) error {
	return v.checkpoint(ctx, dir, callerOf())
}

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
	if err = db.dir.Check(); err == nil { // the tables may be another store's
		err = makeStore(ctx, db.dir.FS, dir, e, func(i int) string {
			return db.dir.Join(directory.TableName(e.Added[i].Meta.Number))
		})
	}
	return errors.Join(err, pin.Close())
}

// flushed waits until all of the view is in files, and describes them as the
// first edit of a manifest. They stay until the iterator is closed: the view may be
// before. The end of the context ends the waiting.
func (v *View) flushed(ctx context.Context, opened caller) (_ *manifest.Edit, _ *Iterator, err error) {
	if err := v.enter(); err != nil {
		return nil, nil, err
	}
	db := v.db
	defer db.leave(&err)
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

// Part is a checkpoint, or a store that was closed without an error, of which
// Restore takes a range of partitions. It is not opened before Restore has
// returned. Several may restore from one at the same time.
type Part struct {
	Dir      string
	From, To []byte // as DeleteRange takes them

	// Description, if it is not nil, describes the store. Then there are files of tables
	// only, and Dir is not used. Table says where the file of a table is. It is called
	// for each one that is taken, in the order of their numbers in the new store,
	// which begin at 1 with the first part and have no gaps.
	Description *Description
	Table       func(number uint64) (path string)
}

// Restore makes a store, in a directory that is empty or missing, out of parts of
// others, whose ranges must not overlap. Files are shared or copied as
// Checkpoint does; no key is read or written. Of the options it takes those
// that belong to a store, and FS. Open opens the result. A part that is open, or
// was not closed, is ErrInvalidOption. Tables of parts are not read: damage in them is
// found by Open, by reads and by Check.
func Restore(ctx context.Context, dir string, parts []Part, options Options) error {
	o, err := options.complete()
	if err != nil {
		return fmt.Errorf("restore store: %w", err)
	}
	r := restoring{o: &o}
	dir, err = o.FS.Resolve(dir)
	if err == nil {
		err = r.plan(ctx, parts)
	}
	if err == nil {
		err = makeStore(ctx, o.FS, dir, &r.edit, func(i int) string { return r.from[i]() })
	}
	if err != nil {
		return fmt.Errorf("restore store: %w", err)
	}
	return nil
}

// restoring is what Restore is about to do.
type restoring struct {
	o      *Options
	edit   manifest.Edit
	from   []func() string // the file of each table that is added
	ranges run.Ranges
}

func (r *restoring) plan(ctx context.Context, parts []Part) error {
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

// addPart takes over the tables that have keys in the range of a part.
func (r *restoring) addPart(ctx context.Context, part Part) error {
	within := run.Range{From: part.From, To: part.To}
	if err := r.o.checkPartitions(within); err != nil {
		return err
	}
	if len(r.ranges.Clip(within)) > 0 {
		return fmt.Errorf("it overlaps another: %w", ErrRange)
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

// numberRuns counts the runs of a part on from those of the parts before, which
// have no keys in common with it, so that their order does not matter; but no two
// runs of a store may have one number. There are no gaps: else a store that is
// divided and joined for ever would run out of numbers.
func (r *restoring) numberRuns(tables []manifest.LevelTable) {
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

// readPart reads what a store consists of. One with a log has writes that are in
// no table, and one whose manifest has not ended may be open, or have lost edits.
func (r *restoring) readPart(ctx context.Context, part Part) (c *manifest.Catalog, err error) {
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

// noStore says what a directory without CURRENT is.
func (r *restoring) noStore(dir string) error {
	names, err := r.o.FS.List(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = cmp.Or(directory.CheckEmpty(dir, names), ErrNotStore)
	}
	return err
}

func (r *restoring) addTable(part Part, p manifest.LevelTable, within run.Range) {
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
