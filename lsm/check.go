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
func Check(ctx context.Context, dir string, options Options) (*Report, error) {
	o, err := options.complete()
	if err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	o.Events = o.Events.guarded(&eventPanics{})
	share := &budgetShare{}
	if err := o.Budget.hold(share); err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	defer func() {
		o.Budget.letGo(share)
		if options.Budget == nil {
			o.Events.report(o.Budget.Close())
		}
	}()
	c := newChecker(ctx, &o, directory.New(o.FS, dir))
	if err := c.dir.Resolve(); err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	if err := c.whileClosed(); err != nil {
		return c.results, fmt.Errorf("check store: %w", err)
	}
	if n := len(c.results.Problems); n > 0 {
		return c.results, fmt.Errorf("check store: %s, the first in %s: %w",
			counted(n, "problem", "problems"), c.results.Problems[0].File, errors.Join(ErrCorrupt, c.results.Problems[0].Err))
	}
	return c.results, nil
}

// checker looks at what Open would read, with the code that Open has for it.
type checker struct {
	lostTables
	ctx     context.Context
	results *Report

	tree   *version.Tree   // with the tables that only logs speak of
	needed map[string]bool // files
}

func newChecker(ctx context.Context, o *Options, dir *directory.Directory) *checker {
	lock := &sstable.CacheLock{Mutex: &sync.Mutex{}}
	return &checker{
		lostTables: lostTables{o, dir, version.NewTableStore(dir, lock, o.tables()), o.Events.report},
		ctx:        ctx, results: &Report{}, tree: &version.Tree{}, needed: make(map[string]bool),
	}
}

// found takes an error of a file: damage is a problem, and anything else what keeps
// it from looking.
func (c *checker) found(file string, err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion) {
		c.results.Problems = append(c.results.Problems, Problem{file, err})
		return nil
	}
	return err
}

// whileClosed checks a store that is closed, and keeps it so.
func (c *checker) whileClosed() error {
	name := c.dir.Join(directory.LockName)
	if _, err := c.dir.FS.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return c.watched()
	}
	lock, err := c.dir.FS.Lock(name)
	if err != nil {
		return err
	}
	return errors.Join(c.check(), lock.Close())
}

// watched checks a store without a lock file, as a copy is, which is not to have
// one made. Whoever opens it meanwhile begins a manifest.
func (c *checker) watched() error {
	before, _ := manifest.ReadCurrent(c.dir.FS, c.dir.Path)
	err := c.check()
	if after, _ := manifest.ReadCurrent(c.dir.FS, c.dir.Path); after != before {
		return ErrLocked
	}
	return err
}

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
		return c.found(file, err)
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
		err = c.found(file, c.tree.Check())
	}
	c.leftovers(names, catalog)
	return errors.Join(err, c.tables.CloseTree(c.tree))
}

// leftovers are files of the store that were not needed, or are lost.
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

func (c *checker) checkTables(catalog *manifest.Catalog) error {
	for _, p := range catalog.SortedTables() {
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
	c.results.Tables++
	f, err := c.tables.Open(m)
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
	c.results.Bytes += f.Size
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
	r := newReplayer(c.o, catalog, (*checkedLogs)(c))
	err = r.read(c.ctx, c.dir.FS, c.dir.Path, numbers, func(info LogInfo) {
		c.results.Logs++
		c.results.Bytes += info.Bytes
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
