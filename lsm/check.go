package lsm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// Report is the result of Check.
type Report struct {
	// Tables and Logs count the files that were read.
	Tables, Logs int
	// Bytes is the number of bytes read.
	Bytes int64
	// Problems lists everything that is wrong, with the file.
	Problems []Problem
	// Leftovers lists files of the store that it does not need, left by a crash. Open removes
	// them, except those that are not regular files: see ErrNotRegular.
	Leftovers []string
	// Lost lists intact tables that the manifest does not name and that may hold lost data:
	// those that were set aside, and those that Open would set aside. See
	// docs/format-manifest.md.
	Lost []string
}

// Problem is an error in a file.
type Problem struct {
	File string // name in the directory
	Err  error  // the damage
}

// Check reads all files of a closed store and reports which are damaged. It changes nothing. It
// returns ErrLocked if the store is open, or is opened while Check runs, and ErrNotStore if the
// directory has no store. If it finds problems, it returns the report and an ErrCorrupt. After
// any other error the check is incomplete.
func Check(ctx context.Context, dir string, options Options) (*Report, error) {
	if err := checkContext(ctx); err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	o, err := options.complete()
	if err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	o.Events = o.Events.guarded(&eventPanics{})
	share := &budgetShare{}
	if err := o.Budget.addStore(share); err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	defer func() {
		o.Budget.removeStore(share)
		if options.Budget == nil {
			o.Events.report(o.Budget.Close())
		}
	}()
	c := newChecker(ctx, &o, directory.New(o.FS, dir))
	if err := c.dir.Resolve(); err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	if err := c.checkLocked(); err != nil {
		return c.results, fmt.Errorf("check store: %w", err)
	}
	if n := len(c.results.Problems); n > 0 {
		return c.results, fmt.Errorf("check store: %s, the first in %s: %w",
			counted(n, "problem", "problems"), c.results.Problems[0].File, errors.Join(ErrCorrupt, c.results.Problems[0].Err))
	}
	return c.results, nil
}

// checker reads everything that Open would read, with the same code.
type checker struct {
	lostTables
	ctx     context.Context
	results *Report

	tree   *version.Tree   // includes tables that only logs name
	needed map[string]bool // names of files that the store needs
}

// newChecker returns a checker that has read nothing yet.
func newChecker(ctx context.Context, o *Options, dir *directory.Directory) *checker {
	lock := &sstable.CacheLock{Mutex: &sync.Mutex{}}
	return &checker{
		lostTables: lostTables{o, dir, version.NewTableStore(dir, lock, o.tables()), o.Events.report},
		ctx:        ctx, results: &Report{}, tree: &version.Tree{}, needed: make(map[string]bool),
	}
}

// record adds damage of a file to the problems. It returns all other errors.
func (c *checker) record(file string, err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion) {
		c.results.Problems = append(c.results.Problems, Problem{file, err})
		return nil
	}
	return err
}

// checkLocked locks the store, so that it cannot be opened, and checks it.
func (c *checker) checkLocked() error {
	name := c.dir.Join(directory.LockName)
	if _, err := c.dir.FS.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return c.checkUnlocked()
	}
	lock, err := c.dir.FS.Lock(name)
	if err != nil {
		return err
	}
	return errors.Join(c.check(), lock.Close())
}

// checkUnlocked checks a directory without a lock file, such as a copy of a store, without
// creating one. If CURRENT changes during the check, the store was opened.
func (c *checker) checkUnlocked() error {
	before, _ := manifest.ReadCurrent(c.dir.FS, c.dir.Path)
	err := c.check()
	if after, _ := manifest.ReadCurrent(c.dir.FS, c.dir.Path); after != before {
		return ErrLocked
	}
	return err
}

// check reads the manifest, the tables and the logs, and fills the report.
func (c *checker) check() error {
	names, err := c.dir.FS.List(c.dir.Path)
	if err != nil {
		return err
	}
	catalog, file, err := manifest.Read(c.ctx, c.dir.FS, c.dir.Path)
	if err == nil && catalog == nil {
		if err = directory.CheckEmpty(c.dir.Path, names); err == nil {
			return ErrNotStore
		}
	}
	if err != nil {
		return c.record(file, err)
	}
	if err := c.o.checkCatalog(catalog); err != nil {
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
		err = c.record(file, c.tree.Check())
	}
	c.leftovers(names, catalog)
	return errors.Join(err, c.tables.CloseTree(c.tree))
}

// leftovers adds the files that the store does not need, and lost tables, to the report.
func (c *checker) leftovers(names []string, catalog *manifest.Catalog) {
	lost := make(map[string]bool)
	for _, number := range catalog.UnlistedTables(names) {
		if name := directory.TableName(number); !c.needed[name] {
			lost[name] = c.isWhole(number)
		}
	}
	for _, name := range names {
		switch kind := directory.KindOf(name); {
		case kind == directory.LostFile, lost[name]:
			c.results.Lost = append(c.results.Lost, name)
		case kind.IsRemovable() && !c.needed[name]:
			c.results.Leftovers = append(c.results.Leftovers, name)
		}
	}
}

// checkTables checks all tables that the manifest names.
func (c *checker) checkTables(catalog *manifest.Catalog) error {
	for _, p := range catalog.SortedTables() {
		if err := c.table(p.Level, p.Meta); err != nil {
			return err
		}
	}
	return nil
}

// table checks a table and adds it to the tree.
func (c *checker) table(level int, m version.FileMeta) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	name := directory.TableName(m.Number)
	c.needed[name] = true
	c.results.Tables++
	f, err := c.tables.Open(m)
	if err != nil {
		return c.record(name, err)
	}
	c.tree.Levels[level] = append(c.tree.Levels[level], f)
	return c.record(name, c.checkTable(f))
}

// checkTable reads a whole table and compares it with its description in the manifest.
func (c *checker) checkTable(f *version.File) error {
	if err := f.Table.Verify(c.ctx, nil); err != nil {
		return err
	}
	c.results.Bytes += f.Size
	info := f.Table.Info()
	if info.Entries != f.Entries || info.Tombstones != f.Tombstones {
		return fmt.Errorf("the table has %d entries and %d tombstones, want %d and %d as in the manifest: %w",
			info.Entries, info.Tombstones, f.Entries, f.Tombstones, ErrCorrupt)
	}
	if !info.Range.Empty() && !f.Bounds.Includes(info.Range) {
		return fmt.Errorf("the table has keys outside its bounds in the manifest: %w", ErrCorrupt)
	}
	return nil
}

// checkLogs reads the logs, and the tables that only they name.
func (c *checker) checkLogs(catalog *manifest.Catalog, names []string) error {
	numbers, err := catalog.Logs(names)
	if err != nil {
		return c.record(directory.LogName(catalog.FirstLog), err)
	}
	for _, number := range numbers {
		c.needed[directory.LogName(number)] = true
	}
	r := newReplayer(c.o, catalog, (*logChecker)(c))
	err = r.read(c.ctx, c.dir.FS, c.dir.Path, numbers, func(info LogInfo) {
		c.results.Logs++
		c.results.Bytes += info.Bytes
	})
	return c.record(directory.LogName(r.log), err)
}

// logChecker is the replayTarget of a checker.
type logChecker checker

// beginRun implements replayTarget.
func (c *logChecker) beginRun(uint64) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return nil
}

// operation implements replayTarget.
func (c *logChecker) operation(run.Kind, []byte, []byte) {}

// table implements replayTarget.
func (c *logChecker) table(m version.FileMeta) error { return (*checker)(c).table(0, m) }
