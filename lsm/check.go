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
// what is wrong where. It changes nothing, but for making LOCK if it is missing. The error is of what kept it from
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

	flushed uint64 // newest run in the tree
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
	c.flushed = catalog.flushed
	needed := map[string]bool{manifestName(number): true}
	if err := c.checkTables(catalog, needed); err != nil {
		return err
	}
	if err := c.checkLogs(logNumbers(names, catalog.firstLog), needed); err != nil {
		return err
	}
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
	db := newDB(c.dir, *c.o, false)
	defer db.active.Release()
	t := &tree{}
	for _, p := range catalog.sorted() {
		if c.ctx.Err() != nil {
			return errors.Join(context.Cause(c.ctx), closeAll(t))
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

// checkLogs reads the logs, and the tables that only they speak of.
func (c *checker) checkLogs(numbers []uint64, needed map[string]bool) error {
	db := newDB(c.dir, *c.o, false)
	defer db.active.Release()
	for _, number := range numbers {
		name := logName(number)
		needed[name] = true
		c.report.Logs++
		outcome, err := wal.Read(c.fs, filepath.Join(c.dir, name), func(record []byte, _ int64) error {
			return c.checkRecord(db, record, needed)
		})
		c.report.Bytes += outcome.Size
		switch err = ofLog(err); {
		case errors.Is(err, ErrCorrupt), errors.Is(err, ErrVersion):
			c.problem(name, err)
		case err != nil:
			return err
		}
		if !outcome.Clean {
			break
		}
	}
	return nil
}

// checkRecord checks the table that a record of a log speaks of, if any.
func (c *checker) checkRecord(db *DB, record []byte, needed map[string]bool) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	p := parser{rest: record}
	if p.byte() != recordFile {
		return nil
	}
	m := p.fileMeta()
	if err := p.end("log record"); err != nil {
		return err
	}
	name := tableName(m.number)
	if needed[name] || m.run <= c.flushed { // the tree has it, or had
		return nil
	}
	needed[name] = true
	c.report.Tables++
	f, err := db.openTable(m)
	if err != nil {
		c.problem(name, err)
		return nil
	}
	c.problem(name, c.checkTable(f))
	return f.table.Close()
}
