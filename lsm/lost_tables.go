package lsm

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
)

// After an end without Close there may be tables that no manifest names. Most are of
// a flush or a compaction that a crash has cut off, and nothing is lost with them. But a
// manifest that has lost its end, as when a disk gives zeros for it, leaves the same,
// and then they have data. So whole ones are set aside and not removed.

// maxLostBytes is how much is kept of tables that were set aside, or as much as the
// tables of the tree have if that is more.
const maxLostBytes = 64 << 20

// isWhole reports whether a file is a table that was written to its end, as far as
// can be told. One that cannot be read, or of a later version, counts.
func (db *DB) isWhole(number uint64) bool {
	f, err := db.tables.Open(version.FileMeta{Number: number})
	if err == nil {
		db.report(db.tables.Close(f))
	}
	return !errors.Is(err, ErrCorrupt)
}

// setAsideLost gives whole tables another name that neither the manifest nor a log
// names. It is done before there is a new manifest, whose edits know no more of them.
func (db *DB) setAsideLost(ctx context.Context, names []string, logs []uint64, c *manifest.Catalog) error {
	unlisted := c.UnlistedTables(names)
	if len(unlisted) > 0 {
		named, err := db.tablesOfLogs(ctx, logs, c)
		if err != nil {
			return err
		}
		unlisted = slices.DeleteFunc(unlisted, func(n uint64) bool { return named[n] || !db.isWhole(n) })
	}
	for _, number := range unlisted {
		info := TableInfo{File: number, Bytes: db.dir.FileBytes(directory.TableName(number))}
		if err := db.dir.FS.Rename(db.dir.Join(directory.TableName(number)), db.dir.Join(directory.LostName(number))); err != nil {
			return err
		}
		db.o.Events.TableLost(info)
		names = append(names, directory.LostName(number))
	}
	db.limitLost(names, max(maxLostBytes, c.TableBytes()))
	return nil
}

// limitLost removes the oldest of the tables that were set aside, as far as all
// together are above a limit.
func (db *DB) limitLost(names []string, limitBytes int64) {
	lost := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return directory.KindOf(name) != directory.LostFile })
	slices.SortFunc(lost, func(a, b string) int { return cmp.Compare(directory.NumberOf(b), directory.NumberOf(a)) })
	for _, name := range lost {
		bytes := db.dir.FileBytes(name)
		if limitBytes -= bytes; limitBytes >= 0 {
			continue
		}
		err := db.dir.Remove(name)
		db.o.Events.TableRemoved(TableInfo{File: directory.NumberOf(name), Bytes: bytes, Err: err})
	}
}

// tablesOfLogs are the numbers of the tables that logs name.
func (db *DB) tablesOfLogs(ctx context.Context, logs []uint64, c *manifest.Catalog) (namedTables, error) {
	named := namedTables{}
	err := newReplayer(&db.o, c, named).read(ctx, db.dir.FS, db.dir.Path, logs, func(LogInfo) {})
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
