package lsm

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// After a crash the directory may have tables that the manifest does not list. Most are outputs
// of an interrupted flush or compaction, whose data is elsewhere too. But if the manifest has
// lost its last edits, for example because the disk returns zeros for them, the tables of these
// edits hold data that is in no other file. So Open renames intact tables instead of removing
// them.

// maxLostBytes limits the total size of tables that were set aside. The limit is higher if the
// tables of the tree are larger in total.
const maxLostBytes = 64 << 20

// lostTables finds intact tables that the manifest does not name, for Open and Check.
type lostTables struct {
	o      *Options
	dir    *directory.Directory
	tables *version.TableStore
	report func(error) // receives errors that do no harm
}

// isWhole reports whether a file is an intact table, as far as its end tells. A file that
// cannot be read, or has a later format, counts as intact.
func (l *lostTables) isWhole(number uint64) bool {
	f, err := l.tables.Open(version.FileMeta{Number: number})
	if err == nil {
		l.report(l.tables.Close(f))
	}
	return !errors.Is(err, ErrCorrupt)
}

// setAside renames intact tables that neither the manifest nor a log names. It must run before
// the new manifest begins, because UnlistedTables needs the number of the last edit.
func (l *lostTables) setAside(ctx context.Context, names []string, logs []uint64, c *manifest.Catalog) error {
	unlisted := c.UnlistedTables(names)
	if len(unlisted) > 0 {
		named, err := l.namedByLogs(ctx, logs, c)
		if err != nil {
			return err
		}
		unlisted = slices.DeleteFunc(unlisted, func(n uint64) bool { return named[n] || !l.isWhole(n) })
	}
	for _, number := range unlisted {
		info := TableInfo{File: number, Bytes: l.dir.FileBytes(directory.TableName(number))}
		if err := l.dir.FS.Rename(l.dir.Join(directory.TableName(number)), l.dir.Join(directory.LostName(number))); err != nil {
			return err
		}
		l.o.Events.TableLost(info)
		names = append(names, directory.LostName(number))
	}
	l.limit(names, max(maxLostBytes, c.TableBytes()))
	return nil
}

// limit removes the oldest of the tables that were set aside, until the others fit in
// limitBytes.
func (l *lostTables) limit(names []string, limitBytes int64) {
	lost := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return directory.KindOf(name) != directory.LostFile })
	slices.SortFunc(lost, func(a, b string) int { return cmp.Compare(directory.NumberOf(b), directory.NumberOf(a)) })
	for _, name := range lost {
		bytes := l.dir.FileBytes(name)
		if limitBytes -= bytes; limitBytes >= 0 {
			continue
		}
		err := l.dir.Remove(name)
		l.o.Events.TableRemoved(TableInfo{File: directory.NumberOf(name), Bytes: bytes, Err: err})
	}
}

// namedByLogs returns the numbers of the tables that the logs name.
func (l *lostTables) namedByLogs(ctx context.Context, logs []uint64, c *manifest.Catalog) (namedTables, error) {
	named := namedTables{}
	err := newReplayer(l.o, c, named).read(ctx, l.dir.FS, l.dir.Path, logs, func(LogInfo) {})
	return named, err
}

// namedTables is a replayTarget that collects the numbers of tables.
type namedTables map[uint64]bool

// beginRun implements replayTarget.
func (namedTables) beginRun(uint64) error { return nil }

// operation implements replayTarget.
func (namedTables) operation(run.Kind, []byte, []byte) {}

// table implements replayTarget.
func (t namedTables) table(m version.FileMeta) error {
	t[m.Number] = true
	return nil
}

// lostTables returns a lostTables for the store.
func (db *DB) lostTables() *lostTables { return &lostTables{&db.o, db.dir, db.tables, db.report} }
