package lsm

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/wal"
)

// catalog is what the edits of a manifest come to.
type catalog struct {
	edit                     // the last one, with what the first one says
	tables map[uint64]placed // by number
	closed bool              // the store was closed, and not opened since
}

// readCatalog reads the manifest that counts; nil if the directory has none. The
// file is where a problem is.
func readCatalog(ctx context.Context, fsys vfs.FS, dir string) (c *catalog, file string, err error) {
	from, err := readCurrent(fsys, dir)
	if err != nil || from.number == 0 {
		return nil, directory.CurrentName, err
	}
	c, err = readEdits(ctx, fsys, dir, from)
	return c, directory.ManifestName(from.number), err
}

// readEdits reads a manifest as CURRENT describes it.
func readEdits(ctx context.Context, fsys vfs.FS, dir string, from current) (*catalog, error) {
	c := &catalog{tables: make(map[uint64]placed)}
	outcome, err := wal.Read(ctx, fsys, filepath.Join(dir, directory.ManifestName(from.number)), func(record []byte, _ int64) error {
		e, err := decodeEdit(record)
		if err != nil {
			return err
		}
		return c.apply(e)
	})
	switch {
	case err != nil:
	case from.closedBytes > 0 && outcome.CleanBytes() != from.closedBytes:
		err = fmt.Errorf("the store was closed with a manifest of %d bytes, and what is left of it ends at %d without its end; "+
			"nothing was removed: bring the file back, or restore a checkpoint: %w", from.closedBytes, outcome.Size, ErrCorrupt)
	case !c.first:
		err = fmt.Errorf("no edit: %w", ErrCorrupt)
	case max(c.nextFile, c.nextRun, c.flushed) > maxNextNumber:
		err = fmt.Errorf("numbers that were never given out: %w", ErrCorrupt)
	case outcome.Identity != from.file:
		err = fmt.Errorf("another one than %s names: %w", directory.CurrentName, ErrCorrupt)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %d: %w", from.number, ofLog(directory.Missing(err)))
	}
	c.closed = outcome.Clean
	return c, nil
}

func (c *catalog) apply(e *edit) error {
	if e.first == c.first {
		return fmt.Errorf("the first edit, and only that, is the first: %w", ErrCorrupt)
	}
	if e.flushed < c.flushed || e.nextFile < c.nextFile || e.nextRun < c.nextRun || e.firstLog < c.firstLog {
		return fmt.Errorf("a number falls: %w", ErrCorrupt)
	}
	for _, r := range e.removed {
		if there, ok := c.tables[r.number]; !ok || there.level != r.level {
			return fmt.Errorf("table %d is removed and was not there: %w", r.number, ErrCorrupt)
		}
		delete(c.tables, r.number)
	}
	for _, a := range e.added {
		if _, twice := c.tables[a.meta.Number]; twice || a.meta.Number >= e.nextFile {
			return fmt.Errorf("table %d is there twice, or its number was not given out: %w", a.meta.Number, ErrCorrupt)
		}
		if a.meta.Run > e.flushed {
			return fmt.Errorf("table %d of run %d, there are %d: %w", a.meta.Number, a.meta.Run, e.flushed, ErrCorrupt)
		}
		c.tables[a.meta.Number] = a
	}
	if e.first {
		c.edit = *e
	}
	c.flushed, c.nextFile, c.nextRun, c.firstLog = e.flushed, e.nextFile, e.nextRun, e.firstLog
	return nil
}

// checkOptions compares what can never change.
func (c *catalog) checkOptions(o *Options) error {
	if c.split != o.Split.Name || c.partitionBytes != o.PartitionBytes {
		return fmt.Errorf("split %q and partitions of %d bytes, made with %q and %d: %w",
			o.Split.Name, o.PartitionBytes, c.split, c.partitionBytes, ErrMismatch)
	}
	return nil
}

// sorted are the tables by level and number.
func (c *catalog) sorted() []placed {
	return slices.SortedFunc(maps.Values(c.tables), func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.level, b.level), cmp.Compare(a.meta.Number, b.meta.Number))
	})
}

// logs are those that the store needs, of the files in its directory.
func (c *catalog) logs(names []string) ([]uint64, error) {
	if c.firstLog >= c.nextFile {
		return nil, nil
	}
	numbers := directory.LogNumbers(names, c.firstLog)
	if len(numbers) == 0 || numbers[0] != c.firstLog {
		return nil, fmt.Errorf("log %d is missing: %w", c.firstLog, ErrCorrupt)
	}
	return numbers, nil
}
