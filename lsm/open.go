package lsm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/gaps"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/vfs"
)

// Open opens the store in a directory, or makes one if the directory is empty or
// missing. What a crash has left over is removed. It is ErrLocked if the store is
// open, ErrNotStore for a directory with anything else in it, ErrCorrupt if
// files of the store are missing or damaged, ErrVersion if a later version of
// this package made it, ErrMismatch if options differ that cannot change.
//
// Symbolic links in dir and a working directory that it is relative to matter while
// Open runs, not later. In the directory no link is followed: see ErrNotRegular.
//
// Open ends with the context and returns its cause. The logs that it has read until then
// may be in tables; the next Open goes on from there. The store does not depend on the
// context once it is open.
func Open(ctx context.Context, dir string, options Options) (*DB, error) {
	o, err := options.complete()
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db := newDB(dir, o, options.Budget == nil)
	if err := o.Budget.hold(&db.budgetShare); err != nil {
		db.stop()
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := db.guard(func() error { return db.openUntil(ctx) }); err != nil {
		return nil, fmt.Errorf("open store %s: %w", db.dir.Path, errors.Join(err, db.giveUp()))
	}
	return db, nil
}

// newDB returns a store that has nothing yet.
func newDB(dir string, o Options, ownsBudget bool) *DB {
	db := &DB{
		o: o, ownsBudget: ownsBudget, dir: directory.New(o.FS, dir), nextFile: 1, activeRun: 1,
		gaps: gaps.New(&o.Budget.gapBytes, o.Budget.Limit()/gapShare), panics: &eventPanics{},
	}
	db.budgetShare.store = db
	db.pins.views = make(map[*View]bool)
	db.flushes.memtableBytes, db.flushes.runAge = o.MemtableBytes, maxRunAge
	db.compactor.lastSeal, db.compactor.quietTime = time.Now(), minQuietTime
	db.o.Events = o.Events.guarded(db.panics)
	db.flusher.woken, db.compactor.woken = make(chan struct{}, 1), make(chan struct{}, 1)
	db.compactor.running = newTurn()
	db.lock.Mutex = &sync.Mutex{}
	db.ctx, db.stop = context.WithCancel(context.Background())
	db.progress.L = &db.lock
	db.manifest.Init(db.dir, db.report)
	db.tables = version.NewTableStore(db.dir, &db.lock, o.tables())
	db.compaction = db.compactionConfig()
	db.obsolete.init(db.tables, db.o.Events.TableRemoved)
	db.logs.init(db.dir, db.report)
	db.versions = version.NewSet(db.releaseRun, db.obsolete.add)
	db.active = db.newTable()
	return db
}

// openUntil opens the store unless the context ends before it is open. The flushes of a
// replay end with the store's own context.
func (db *DB) openUntil(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	isOpen := context.AfterFunc(ctx, db.stop)
	err := db.open(ctx)
	if !isOpen() {
		return context.Cause(ctx)
	}
	return err
}

func (db *DB) open(ctx context.Context) (err error) {
	if db.active.Table == nil {
		return fmt.Errorf("%w: NewMemtable returned nil", ErrInvalidOption)
	}
	if err = db.dir.Resolve(); err != nil {
		return err
	}
	if err = db.dir.Lock(); err != nil {
		return err
	}
	names, err := db.dir.List()
	if err != nil {
		return err
	}
	catalog, err := db.readCatalog(ctx, names)
	if err != nil {
		return err
	}
	if err := db.openTree(ctx, catalog); err != nil {
		return err
	}
	if err := db.recover(ctx, names, catalog); err != nil {
		return err
	}
	if err := db.removeLeftovers(); err != nil {
		return err
	}
	db.workers.Add(2)
	go db.work(&db.flusher, db.flushDue, db.reportFlush)
	go db.work(&db.compactor.worker, db.compactDue, db.reportCompaction)
	db.compactor.wake()
	return nil
}

// Read reads what the manifest says, or makes a store.
func (db *DB) readCatalog(ctx context.Context, names []string) (*manifest.Catalog, error) {
	c, _, err := manifest.Read(ctx, db.dir.FS, db.dir.Path)
	if err != nil {
		return nil, err
	}
	if c != nil {
		return c, db.o.checkCatalog(c)
	}
	if err := directory.CheckEmpty(db.dir.Path, names); err != nil {
		return nil, err
	}
	return &manifest.Catalog{Edit: manifest.Edit{First: true, Identity: vfs.NewIdentity(), NextFile: 1, NextRun: 1, FirstLog: 1}}, nil
}

// openTree opens all tables.
func (db *DB) openTree(ctx context.Context, c *manifest.Catalog) error {
	db.identity, db.logs.store = c.Identity, c.Identity
	db.nextFile, db.activeRun, db.flushedRun = c.NextFile, c.NextRun, c.Flushed
	t := &version.Tree{}
	for _, p := range c.Tables {
		if ctx.Err() != nil {
			return errors.Join(context.Cause(ctx), db.tables.CloseTree(t))
		}
		f, err := db.tables.Open(p.Meta)
		if err != nil {
			return errors.Join(err, db.tables.CloseTree(t))
		}
		t.Levels[p.Level] = append(t.Levels[p.Level], f)
	}
	for level, files := range t.Levels {
		version.SortLevel(level, files)
	}
	if err := t.Check(); err != nil {
		return errors.Join(err, db.tables.CloseTree(t))
	}
	db.versions.Install(version.New(nil, t))
	return nil
}

// recover brings back what logs have, and begins a manifest and a log.
func (db *DB) recover(ctx context.Context, names []string, c *manifest.Catalog) error {
	logs, err := c.Logs(names)
	if err != nil {
		return err
	}
	if len(logs) > 0 {
		db.logs.number = logs[0] // for the edits before they are replayed
	}
	// No number is given out that a file has: a manifest that got lost may
	// have spoken of it.
	for _, name := range names {
		number := directory.NumberOf(name)
		if number > manifest.MaxNextNumber {
			return fmt.Errorf("%s has a number that was never given out: %w", name, ErrCorrupt)
		}
		db.nextFile = max(db.nextFile, number+1)
	}
	if err := db.lostTables().setAside(ctx, names, logs, c); err != nil {
		return err
	}
	if err := db.newManifest(); err != nil {
		return err
	}
	// An open that fails later, and is tried again and again, would leave ever more of them.
	db.dir.RemoveAll(names, func(kind directory.Kind, _ string) bool { return kind == directory.ManifestFile }, db.report)
	if err := db.replay(ctx, logs, c); err != nil {
		return err
	}
	// Runs that nothing is left of are in the tree as well as any.
	db.activeRun = max(db.activeRun, db.flushedRun+1)
	db.flushedRun = db.activeRun - 1
	db.logs.number = 0
	if db.o.Log != LogOff {
		if err := db.openLog(); err != nil {
			return err
		}
	}
	return db.commit(&version.Change{})
}

// recoverRun brings a run that was read from a log to the tree.
func (db *DB) recoverRun(r *version.SealedRun) error {
	db.lock.Lock()
	db.versions.Install(db.versions.Current().WithRun(r))
	db.lock.Unlock()
	return db.flush([]*version.SealedRun{r})
}

// removeLeftovers removes the files of the store that it does not need. Others
// are left alone.
func (db *DB) removeLeftovers() error {
	names, err := db.dir.List()
	if err != nil {
		return err
	}
	needed := map[string]bool{directory.ManifestName(db.manifest.Number()): true}
	if db.logs.w != nil {
		needed[directory.LogName(db.logs.number)] = true
	}
	for _, files := range db.versions.Current().Tree.Levels {
		for _, f := range files {
			needed[directory.TableName(f.Number)] = true
		}
	}
	db.dir.RemoveAll(names, func(kind directory.Kind, name string) bool {
		return kind.IsRemovable() && !needed[name]
	}, db.report)
	return nil
}

// giveUp closes what an open that has failed has opened.
func (db *DB) giveUp() error {
	db.stop()
	db.workers.Wait()
	if !db.dir.IsLocked() {
		return errors.Join(releaseTable(db.active.Table), db.letGoOfBudget())
	}
	db.status.closed = true
	return db.release(true)
}

// letGoOfBudget ends the hold of the store on its budget, and closes one of its own.
func (db *DB) letGoOfBudget() error {
	db.o.Budget.letGo(&db.budgetShare)
	if db.ownsBudget {
		return db.o.Budget.Close()
	}
	return nil
}
