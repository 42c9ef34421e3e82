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

// Open opens the store in a directory. It creates a store if the directory is empty or missing,
// and removes files that a crash has left over. It returns ErrLocked if the store is open
// already, ErrNotStore if the directory has files that do not belong to a store, ErrCorrupt if
// files are missing or damaged, ErrVersion if a later version of this package wrote them,
// ErrMismatch if Split or PartitionBytes differ from the store's, and ErrInvalidOption if an
// option is out of range.
//
// Open resolves symbolic links in dir and a relative path once; later changes have no effect.
// Inside the directory it follows no link: see ErrNotRegular.
//
// If the context ends before the store is open, Open returns its cause. Open may have replayed
// some logs to tables by then; the next Open continues after them. An open store does not
// depend on the context.
func Open(ctx context.Context, dir string, options Options) (*DB, error) {
	if err := checkContext(ctx); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	o, err := options.complete()
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db := newDB(dir, o, options.Budget == nil)
	if err := o.Budget.addStore(&db.budgetShare); err != nil {
		db.stop()
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := db.guard(func() error { return db.openUntil(ctx) }); err != nil {
		return nil, fmt.Errorf("open store %s: %w", db.dir.Path, errors.Join(err, db.abortOpen()))
	}
	return db, nil
}

// checkContext returns ErrInvalidOption for a nil context, which would panic when it is used.
func checkContext(ctx context.Context) error {
	if ctx == nil {
		return fmt.Errorf("%w: the context is nil", ErrInvalidOption)
	}
	return nil
}

// newDB returns a store that has not read anything yet.
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
	db.compactor.running = newContextMutex()
	db.lock.Mutex = &sync.Mutex{}
	db.closeDone = make(chan struct{})
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

// openUntil opens the store, and stops if the context ends first. The flushes of a replay stop
// by the store's own context, which the end of ctx cancels.
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

// open locks the directory, reads manifest and tables, replays the logs, and starts the
// workers.
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

// readCatalog reads the manifest. If there is no manifest, it returns the catalog of an empty store.
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

// openTree opens all tables of the catalog and installs them as the current version.
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

// recover replays the logs, then begins a new manifest and a new log.
func (db *DB) recover(ctx context.Context, names []string, c *manifest.Catalog) error {
	logs, err := c.Logs(names)
	if err != nil {
		return err
	}
	if len(logs) > 0 {
		db.logs.number = logs[0] // edits during the replay still name the first log
	}
	// No file number is used twice: a lost edit may have named the file that has it.
	for _, name := range names {
		number := directory.NumberOf(name)
		if number > manifest.MaxNextNumber {
			return fmt.Errorf("file %s has a number higher than any store assigns: %w", name, ErrCorrupt)
		}
		db.nextFile = max(db.nextFile, number+1)
	}
	if err := db.lostTables().setAside(ctx, names, logs, c); err != nil {
		return err
	}
	if err := db.newManifest(); err != nil {
		return err
	}
	// Remove older manifests now. Otherwise an Open that fails later, and is retried, would add
	// one each time.
	db.dir.RemoveAll(names, func(kind directory.Kind, _ string) bool { return kind == directory.ManifestFile }, db.report)
	if err := db.replay(ctx, logs, c); err != nil {
		return err
	}
	// Runs without entries count as flushed.
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

// recoverRun flushes a run that was read from a log.
func (db *DB) recoverRun(r *version.SealedRun) error {
	db.lock.Lock()
	db.versions.Install(db.versions.Current().WithRun(r))
	db.lock.Unlock()
	return db.flush([]*version.SealedRun{r})
}

// removeLeftovers removes the store's files that no version, log or manifest needs. Files with
// other names stay.
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

// abortOpen closes everything that a failed Open has opened.
func (db *DB) abortOpen() error {
	db.stop()
	db.workers.Wait()
	if !db.dir.IsLocked() {
		return errors.Join(releaseTable(db.active.Table), db.releaseBudget())
	}
	db.status.closed = true
	return db.release(true)
}

// releaseBudget removes the store from its budget, and closes the budget if it is the store's
// own.
func (db *DB) releaseBudget() error {
	db.o.Budget.removeStore(&db.budgetShare)
	if db.ownsBudget {
		return db.o.Budget.Close()
	}
	return nil
}
