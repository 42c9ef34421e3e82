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

// Catalog is the content of a manifest: the state after all of its edits.
type Catalog struct {
	Edit                         // numbers of the last edit; identity, split and partitions of the first
	Tables map[uint64]LevelTable // by number
	Closed bool                  // the manifest ends with a clean close
}

// Read reads the manifest that CURRENT names; the catalog is nil if the directory has no
// CURRENT. file is the name of the file that an error is about.
func Read(ctx context.Context, fsys vfs.FS, dir string) (c *Catalog, file string, err error) {
	from, err := ReadCurrent(fsys, dir)
	if err != nil || from.Number == 0 {
		return nil, directory.CurrentName, err
	}
	c, err = readEdits(ctx, fsys, dir, from)
	return c, directory.ManifestName(from.Number), err
}

// readEdits replays the edits of the manifest that CURRENT describes.
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
		err = fmt.Errorf("the store was closed with a manifest of %d bytes, but the file is readable only up to %d; "+
			"nothing was removed: bring back the original file, or restore a checkpoint: %w", from.ClosedBytes, outcome.Size, sstable.ErrCorrupt)
	case !c.First:
		err = fmt.Errorf("the manifest has no edit: %w", sstable.ErrCorrupt)
	case max(c.NextFile, c.NextRun, c.Flushed) > MaxNextNumber:
		err = fmt.Errorf("a file or run number is larger than any that a store assigns: %w", sstable.ErrCorrupt)
	case outcome.Identity != from.File:
		err = fmt.Errorf("the file is not the one that %s names (another identity): %w", directory.CurrentName, sstable.ErrCorrupt)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %d: %w", from.Number, TranslateError(directory.Missing(err)))
	}
	c.Closed = outcome.Clean
	return c, nil
}

// Apply applies the next edit. An edit that contradicts the tables so far is ErrCorrupt.
func (c *Catalog) Apply(e *Edit) error {
	if e.First == c.First {
		return fmt.Errorf("the first edit, and no other, must be marked as first: %w", sstable.ErrCorrupt)
	}
	if e.Flushed < c.Flushed || e.NextFile < c.NextFile || e.NextRun < c.NextRun || e.FirstLog < c.FirstLog {
		return fmt.Errorf("an edit lowers a number of the edit before: %w", sstable.ErrCorrupt)
	}
	for _, r := range e.Removed {
		if old, ok := c.Tables[r.Number]; !ok || old.Level != r.Level {
			return fmt.Errorf("an edit removes table %d, which is not in the tree: %w", r.Number, sstable.ErrCorrupt)
		}
		delete(c.Tables, r.Number)
	}
	for _, a := range e.Added {
		if _, twice := c.Tables[a.Meta.Number]; twice || a.Meta.Number >= e.NextFile {
			return fmt.Errorf("an edit adds table %d, which is in the tree already or has an unassigned number: %w", a.Meta.Number, sstable.ErrCorrupt)
		}
		if a.Meta.Run > e.Flushed {
			return fmt.Errorf("an edit adds table %d of run %d, but only runs up to %d are flushed: %w", a.Meta.Number, a.Meta.Run, e.Flushed, sstable.ErrCorrupt)
		}
		c.Tables[a.Meta.Number] = a
	}
	if e.First {
		c.Edit = *e
	}
	c.Flushed, c.NextFile, c.NextRun, c.FirstLog = e.Flushed, e.NextFile, e.NextRun, e.FirstLog
	return nil
}

// SortedTables returns the tables, sorted by level and number.
func (c *Catalog) SortedTables() []LevelTable {
	return slices.SortedFunc(maps.Values(c.Tables), func(a, b LevelTable) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Meta.Number, b.Meta.Number))
	})
}

// Logs returns the numbers of the logs that the store needs, from the names in its directory.
// A missing first log is ErrCorrupt.
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

// UnlistedTables returns the numbers of tables that were created after the last edit,
// ascending: files in the directory that the manifest does not list, although a later edit may
// have listed them and been lost. It returns nil if the store was closed.
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

// TableBytes returns the total size of all tables.
func (c *Catalog) TableBytes() (n int64) {
	for _, p := range c.Tables {
		n += p.Meta.Size
	}
	return n
}
