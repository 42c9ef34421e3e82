package lsm

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/weirstate/weir/internal/vfs"
	"github.com/weirstate/weir/wal"
)

// Report is what Check has found.
type Report struct {
	Tables, Logs int
	Bytes        int64 // read
	// Problems are all that is wrong, each with the file where it is.
	Problems []Problem
	// Leftovers are files of the store that it does not need: what a crash has
	// left. Opening the store removes them.
	Leftovers []string
}

// Problem is something wrong in a file.
type Problem struct {
	File string
	Err  error
}

// Check reads everything in the directory of a store that is closed, and says
// what is wrong where. It changes nothing. The error is of what kept it from
// looking; problems are in the report, and make the error ErrCorrupt.
func Check(ctx context.Context, dir string, options *Options) (*Report, error) {
	o, err := options.complete()
	if err != nil {
		return nil, fmt.Errorf("check store: %w", err)
	}
	c := checker{ctx: ctx, dir: dir, o: &o, fs: o.FS, report: &Report{}}
	if err := c.check(); err != nil {
		return c.report, fmt.Errorf("check store: %w", err)
	}
	if n := len(c.report.Problems); n > 0 {
		return c.report, fmt.Errorf("check store: %d problems, the first in %s: %w",
			n, c.report.Problems[0].File, errors.Join(ErrCorrupt, c.report.Problems[0].Err))
	}
	return c.report, nil
}

type checker struct {
	ctx    context.Context
	dir    string
	o      *Options
	fs     vfs.FS
	report *Report
}

func (c *checker) problem(file string, err error) {
	if err != nil {
		c.report.Problems = append(c.report.Problems, Problem{file, err})
	}
}

func (c *checker) check() error {
	lock, err := c.fs.Lock(filepath.Join(c.dir, lockName))
	if err != nil {
		return err
	}
	defer lock.Close()
	names, err := c.fs.List(c.dir)
	if err != nil {
		return err
	}
	number, err := currentManifest(c.fs, c.dir)
	if errors.Is(err, ErrCorrupt) {
		c.problem(currentName, err)
		return nil
	}
	if err != nil {
		return err
	}
	if number == 0 {
		return ErrNotStore
	}
	catalog, err := readManifest(c.fs, c.dir, number)
	if err != nil {
		c.problem(manifestName(number), err)
		return nil
	}
	if err := catalog.checkOptions(c.o); err != nil {
		return err
	}
	needed := map[string]bool{manifestName(number): true}
	if err := c.checkTables(catalog, needed); err != nil {
		return err
	}
	c.checkLogs(logNumbers(names, catalog.firstLog), needed)
	for _, name := range names {
		switch kindOfFile(name) {
		case tableFile, logFile, manifestFile, currentTemp:
			if !needed[name] {
				c.report.Leftovers = append(c.report.Leftovers, name)
			}
		}
	}
	return nil
}

func (c *checker) checkTables(catalog *catalog, needed map[string]bool) error {
	db := newDB(c.dir, *c.o, true)
	defer db.active.Release()
	t := &tree{}
	for _, p := range catalog.sorted() {
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		name := tableName(p.meta.number)
		needed[name] = true
		c.report.Tables++
		f, err := db.openTable(p.meta)
		if err != nil {
			c.problem(name, err)
			continue
		}
		c.problem(name, c.checkTable(f))
		t.levels[p.level] = append(t.levels[p.level], f)
	}
	for level, files := range t.levels {
		sortLevel(level, files)
	}
	c.problem(manifestPrefix, t.check())
	return closeAll(t)
}

// checkTable reads a table and compares it with what the manifest says of it.
func (c *checker) checkTable(f *file) error {
	if err := f.table.Verify(c.ctx, nil); err != nil {
		return err
	}
	c.report.Bytes += f.size
	info := f.table.Info()
	if info.Entries != f.entries || info.Tombstones != f.tombstones {
		return fmt.Errorf("it has %d entries and %d tombstones, the manifest says %d and %d: %w",
			info.Entries, info.Tombstones, f.entries, f.tombstones, ErrCorrupt)
	}
	if !info.Range.Empty() && !includes(f.bounds, info.Range) {
		return fmt.Errorf("it has keys outside of the bounds in the manifest: %w", ErrCorrupt)
	}
	return nil
}

func (c *checker) checkLogs(numbers []uint64, needed map[string]bool) {
	for _, number := range numbers {
		name := logName(number)
		needed[name] = true
		c.report.Logs++
		outcome, err := wal.Read(c.fs, filepath.Join(c.dir, name), func([]byte, int64) error {
			return context.Cause(c.ctx)
		})
		c.report.Bytes += outcome.Size
		if err != nil {
			c.problem(name, ofLog(err))
		}
		if !outcome.Clean {
			break
		}
	}
}
