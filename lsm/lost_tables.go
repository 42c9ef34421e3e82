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

// After an end without Close there may be tables that no manifest names. Most are of
// a flush or a compaction that a crash has cut off, and nothing is lost with them. But a
// manifest that has lost its end, as when a disk gives zeros for it, leaves the same,
// and then they have data. So whole ones are set aside and not removed.

// maxLostBytes is how much is kept of tables that were set aside, or as much as the
// tables of the tree have if that is more.
const maxLostBytes = 64 << 20

// lostTables finds tables that no manifest names, when a store is opened or checked.
type lostTables struct {
	o      *Options
	dir    *directory.Directory
	tables *version.TableStore
	report func(error) // takes errors that harm nobody
}

// isWhole reports whether a file is a table that was written to its end, as far as
// can be told. One that cannot be read, or of a later version, counts.
func (l *lostTables) isWhole(number uint64) bool {
	f, err := l.tables.Open(version.FileMeta{Number: number})
	if err == nil {
		l.report(l.tables.Close(f))
	}
	return !errors.Is(err, ErrCorrupt)
}

// setAside gives whole tables another name that neither the manifest nor a log
// names. It is done before there is a new manifest, whose edits know no more of them.
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

// limit removes the oldest of the tables that were set aside, as far as all
// together are above a limit.
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

// namedByLogs returns the numbers of the tables that logs name.
func (l *lostTables) namedByLogs(ctx context.Context, logs []uint64, c *manifest.Catalog) (namedTables, error) {
	named := namedTables{}
	err := newReplayer(l.o, c, named).read(ctx, l.dir.FS, l.dir.Path, logs, func(LogInfo) {})
	return named, err
}

// namedTables takes of logs the numbers of tables.
type namedTables map[uint64]bool

func (namedTables) beginRun(uint64) error { return nil }

func (namedTables) operation(run.Kind, []byte, []byte) {}

func (t namedTables) table(m version.FileMeta) error {
	t[m.Number] = true
	return nil
}

// lostTables returns what finds the lost tables of the store.
func (db *DB) lostTables() *lostTables { return &lostTables{&db.o, db.dir, db.tables, db.report} }
