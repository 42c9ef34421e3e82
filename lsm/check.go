package lsm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
)

// Report is what Check has found.
type Report struct {
	Tables, Logs int
	Bytes        int64 // read
	// Problems are all that is wrong, each with the file where it is.
	Problems []Problem
	// Leftovers are files of the store that it does not need: what a crash has
	// left. Opening the store removes them, except what is no regular file: see
	// ErrNotRegular.
	Leftovers []string
	// Lost are whole tables that no manifest names and that may have data which the
	// store has lost: those that were set aside, and those that opening the store
	// would. See docs/format-manifest.md.
	Lost []string
}

// Problem is something wrong in a file.
type Problem struct {
	File string
	Err  error
}

// Check reads everything in the directory of a store that is closed, and says
// what is wrong where. It changes nothing. It is ErrLocked if the store is open, or
// was opened meanwhile, and ErrNotStore if the directory has nothing of a store.
// The error is of what kept it from looking; problems are in the report, and make
// the error ErrCorrupt.
func Check(ctx context.Context, dir string, options *Options) (*Report, error) {
	o, err := options.complete()
	if err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	db := newDB(dir, o, options == nil || options.Budget == nil)
	if err := o.Budget.hold(db); err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	defer db.dispose()
	if err := db.dir.Resolve(); err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	c := checker{ctx: ctx, db: db, report: &Report{}, tree: &version.Tree{}, needed: make(map[string]bool)}
	if err := c.whileClosed(); err != nil {
		return c.report, fmt.Errorf("check store: %w", err)
	}
	if n := len(c.report.Problems); n > 0 {
		return c.report, fmt.Errorf("check store: %s, the first in %s: %w",
			counted(n, "problem", "problems"), c.report.Problems[0].File, errors.Join(ErrCorrupt, c.report.Problems[0].Err))
	}
	return c.report, nil
}

// dispose gives back what a store that was not opened has.
func (db *DB) dispose() {
	db.stop()
	db.report(errors.Join(releaseTable(db.active.Table), db.letGoOfBudget()))
}

// checker looks at what Open would read, with the code that Open has for it.
type checker struct {
	ctx    context.Context
	db     *DB // has nothing but its directory and options
	report *Report

	tree   *version.Tree   // with the tables that only logs speak of
	needed map[string]bool // files
}

// found takes an error of a file: damage is a problem, and anything else what keeps
// it from looking.
func (c *checker) found(file string, err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion) {
		c.report.Problems = append(c.report.Problems, Problem{file, err})
		return nil
	}
	return err
}

// whileClosed checks a store that is closed, and keeps it so.
func (c *checker) whileClosed() error {
	name := c.db.dir.Join(directory.LockName)
	if _, err := c.db.dir.FS.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return c.watched()
	}
	lock, err := c.db.dir.FS.Lock(name)
	if err != nil {
		return err
	}
	return errors.Join(c.check(), lock.Close())
}

// watched checks a store without a lock file, as a copy is, which is not to have
// one made. Whoever opens it meanwhile begins a manifest.
func (c *checker) watched() error {
	before, _ := manifest.ReadCurrent(c.db.dir.FS, c.db.dir.Path)
	err := c.check()
	if after, _ := manifest.ReadCurrent(c.db.dir.FS, c.db.dir.Path); after != before {
		return ErrLocked
	}
	return err
}

func (c *checker) check() error {
	names, err := c.db.dir.FS.List(c.db.dir.Path)
	if err != nil {
		return err
	}
	catalog, file, err := manifest.Read(c.ctx, c.db.dir.FS, c.db.dir.Path)
	if err == nil && catalog == nil {
		if err = directory.CheckEmpty(c.db.dir.Path, names); err == nil {
			return ErrNotStore
		}
	}
	if err != nil {
		return c.found(file, err)
	}
	if err := c.db.o.checkCatalog(catalog); err != nil {
		return err
	}
	c.needed[file] = true
	err = c.checkTables(catalog)
	if err == nil {
		err = c.checkLogs(catalog, names)
	}
	for level, files := range c.tree.Levels {
		version.SortLevel(level, files)
	}
	if err == nil {
		err = c.found(file, c.tree.Check())
	}
	c.leftovers(names, catalog)
	return errors.Join(err, c.db.tables.CloseTree(c.tree))
}

// leftovers are files of the store that were not needed, or are lost.
func (c *checker) leftovers(names []string, catalog *manifest.Catalog) {
	lost := make(map[string]bool)
	for _, number := range catalog.UnlistedTables(names) {
		if name := directory.TableName(number); !c.needed[name] {
			lost[name] = c.db.isWhole(number)
		}
	}
	for _, name := range names {
		switch kind := directory.KindOf(name); {
		case kind == directory.LostFile, lost[name]:
			c.report.Lost = append(c.report.Lost, name)
		case kind.IsRemovable() && !c.needed[name]:
			c.report.Leftovers = append(c.report.Leftovers, name)
		}
	}
}

func (c *checker) checkTables(catalog *manifest.Catalog) error {
	for _, p := range catalog.Sorted() {
		if err := c.table(p.Level, p.Meta); err != nil {
			return err
		}
	}
	return nil
}

// table checks a table, and brings it to the tree.
func (c *checker) table(level int, m version.FileMeta) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	name := directory.TableName(m.Number)
	c.needed[name] = true
	c.report.Tables++
	f, err := c.db.tables.Open(m)
	if err != nil {
		return c.found(name, err)
	}
	c.tree.Levels[level] = append(c.tree.Levels[level], f)
	return c.found(name, c.checkTable(f))
}

// checkTable reads a table and compares it with what the manifest says of it.
func (c *checker) checkTable(f *version.File) error {
	if err := f.Table.Verify(c.ctx, nil); err != nil {
		return err
	}
	c.report.Bytes += f.Size
	info := f.Table.Info()
	if info.Entries != f.Entries || info.Tombstones != f.Tombstones {
		return fmt.Errorf("it has %d entries and %d tombstones, the manifest says %d and %d: %w",
			info.Entries, info.Tombstones, f.Entries, f.Tombstones, ErrCorrupt)
	}
	if !info.Range.Empty() && !f.Bounds.Includes(info.Range) {
		return fmt.Errorf("it has keys outside of the bounds in the manifest: %w", ErrCorrupt)
	}
	return nil
}

// checkLogs reads the logs, and the tables that only they speak of.
func (c *checker) checkLogs(catalog *manifest.Catalog, names []string) error {
	numbers, err := catalog.Logs(names)
	if err != nil {
		return c.found(directory.LogName(catalog.FirstLog), err)
	}
	for _, number := range numbers {
		c.needed[directory.LogName(number)] = true
	}
	r := newReplayer(&c.db.o, catalog, (*checkedLogs)(c))
	err = r.read(c.ctx, c.db.dir.FS, c.db.dir.Path, numbers, func(info LogInfo) {
		c.report.Logs++
		c.report.Bytes += info.Bytes
	})
	return c.found(directory.LogName(r.log), err)
}

// checkedLogs is a checker as it takes what logs have.
type checkedLogs checker

func (c *checkedLogs) beginRun(uint64) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return nil
}

func (c *checkedLogs) operation(run.Kind, []byte, []byte) {}

func (c *checkedLogs) table(m version.FileMeta) error { return (*checker)(c).table(0, m) }
