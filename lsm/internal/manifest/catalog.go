package manifest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/wal"
)

// Catalog is what the edits of a manifest come to.
type Catalog struct {
	Edit                         // the last one, with what the first one says
	Tables map[uint64]LevelTable // by number
	Closed bool                  // the store was closed, and not opened since
}

// Read reads the manifest that counts; nil if the directory has none. The
// file is where a problem is.
func Read(ctx context.Context, fsys vfs.FS, dir string) (c *Catalog, file string, err error) {
	from, err := ReadCurrent(fsys, dir)
	if err != nil || from.Number == 0 {
		return nil, directory.CurrentName, err
	}
	c, err = readEdits(ctx, fsys, dir, from)
	return c, directory.ManifestName(from.Number), err
}

// readEdits reads a manifest as CURRENT describes it.
func readEdits(ctx context.Context, fsys vfs.FS, dir string, from Current) (*Catalog, error) {
	c := &Catalog{Tables: make(map[uint64]LevelTable)}
	outcome, err := wal.Read(ctx, fsys, filepath.Join(dir, directory.ManifestName(from.Number)), func(record []byte, _ int64) error {
		e, err := DecodeEdit(record)
		if err != nil {
			return err
		}
		return c.Apply(e)
	})
	switch {
	case err != nil:
	case from.ClosedBytes > 0 && outcome.CleanBytes() != from.ClosedBytes:
		err = fmt.Errorf("the store was closed with a manifest of %d bytes, and what is left of it ends at %d without its end; "+
			"nothing was removed: bring the file back, or restore a checkpoint: %w", from.ClosedBytes, outcome.Size, sstable.ErrCorrupt)
	case !c.First:
		err = fmt.Errorf("no edit: %w", sstable.ErrCorrupt)
	case max(c.NextFile, c.NextRun, c.Flushed) > MaxNextNumber:
		err = fmt.Errorf("numbers that were never given out: %w", sstable.ErrCorrupt)
	case outcome.Identity != from.File:
		err = fmt.Errorf("another one than %s names: %w", directory.CurrentName, sstable.ErrCorrupt)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %d: %w", from.Number, TranslateError(directory.Missing(err)))
	}
	c.Closed = outcome.Clean
	return c, nil
}

func (c *Catalog) Apply(e *Edit) error {
	if e.First == c.First {
		return fmt.Errorf("the first edit, and only that, is the first: %w", sstable.ErrCorrupt)
	}
	if e.Flushed < c.Flushed || e.NextFile < c.NextFile || e.NextRun < c.NextRun || e.FirstLog < c.FirstLog {
		return fmt.Errorf("a number falls: %w", sstable.ErrCorrupt)
	}
	for _, r := range e.Removed {
		if there, ok := c.Tables[r.Number]; !ok || there.Level != r.Level {
			return fmt.Errorf("table %d is removed and was not there: %w", r.Number, sstable.ErrCorrupt)
		}
		delete(c.Tables, r.Number)
	}
	for _, a := range e.Added {
		if _, twice := c.Tables[a.Meta.Number]; twice || a.Meta.Number >= e.NextFile {
			return fmt.Errorf("table %d is there twice, or its number was not given out: %w", a.Meta.Number, sstable.ErrCorrupt)
		}
		if a.Meta.Run > e.Flushed {
			return fmt.Errorf("table %d of run %d, there are %d: %w", a.Meta.Number, a.Meta.Run, e.Flushed, sstable.ErrCorrupt)
		}
		c.Tables[a.Meta.Number] = a
	}
	if e.First {
		c.Edit = *e
	}
	c.Flushed, c.NextFile, c.NextRun, c.FirstLog = e.Flushed, e.NextFile, e.NextRun, e.FirstLog
	return nil
}

// SortedTables are the tables by level and number.
func (c *Catalog) SortedTables() []LevelTable {
	return slices.SortedFunc(maps.Values(c.Tables), func(a, b LevelTable) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Meta.Number, b.Meta.Number))
	})
}

// Logs are those that the store needs, of the files in its directory.
func (c *Catalog) Logs(names []string) ([]uint64, error) {
	if c.FirstLog >= c.NextFile {
		return nil, nil
	}
	numbers := directory.LogNumbers(names, c.FirstLog)
	if len(numbers) == 0 || numbers[0] != c.FirstLog {
		return nil, fmt.Errorf("log %d is missing: %w", c.FirstLog, sstable.ErrCorrupt)
	}
	return numbers, nil
}

// UnlistedTables are the numbers of tables in a directory, ascending, that were made
// after the last edit of a manifest, if the store was not closed after it.
func (c *Catalog) UnlistedTables(names []string) (numbers []uint64) {
	if c.Closed {
		return nil
	}
	for _, name := range names {
		if kind, number := directory.ParseName(name); kind == directory.TableFile && number >= c.NextFile {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// TableBytes returns the size of all tables of the tree.
func (c *Catalog) TableBytes() (n int64) {
	for _, p := range c.Tables {
		n += p.Meta.Size
	}
	return n
}
