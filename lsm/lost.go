package lsm

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/weirstate/weir/internal/run"
)

// After an end without Close there may be tables that no manifest names. Most are of
// a flush or a compaction that a crash has cut off, and nothing is lost with them. But a
// manifest that has lost its end, as when a disk gives zeros for it, leaves the same,
// and then they have data. So whole ones are set aside and not removed.

// lostSuffix follows the name of a table that was set aside.
const lostSuffix = ".lost"

// maxLostBytes is how much is kept of tables that were set aside, or as much as the
// tables of the tree have if that is more.
const maxLostBytes = 64 << 20

// unlistedTables are the numbers of tables in a directory, ascending, that were made
// after the last edit of a manifest, if the store was not closed after it.
func (c *catalog) unlistedTables(names []string) (numbers []uint64) {
	if c.closed {
		return nil
	}
	for _, name := range names {
		if kind, number := parseName(name); kind == tableFile && number >= c.nextFile {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// isWhole reports whether a file is a table that was written to its end, as far as
// can be told. One that cannot be read, or of a later version, counts.
func (db *DB) isWhole(number uint64) bool {
	f, err := db.openTable(fileMeta{number: number})
	if err == nil {
		db.report(db.closeTable(f))
	}
	return !errors.Is(err, ErrCorrupt)
}

// setAsideLost gives whole tables another name that neither the manifest nor a log
// names. It is done before there is a new manifest, whose edits know no more of them.
func (db *DB) setAsideLost(ctx context.Context, names []string, logs []uint64, c *catalog) error {
	unlisted := c.unlistedTables(names)
	if len(unlisted) > 0 {
		named, err := db.tablesOfLogs(ctx, logs, c)
		if err != nil {
			return err
		}
		unlisted = slices.DeleteFunc(unlisted, func(n uint64) bool { return named[n] || !db.isWhole(n) })
	}
	for _, number := range unlisted {
		info := TableInfo{File: number, Bytes: db.fileBytes(tableName(number))}
		if err := db.fs.Rename(db.path(tableName(number)), db.path(lostName(number))); err != nil {
			return err
		}
		db.o.Events.TableLost(info)
		names = append(names, lostName(number))
	}
	db.limitLost(names, max(maxLostBytes, c.tableBytes()))
	return nil
}

func lostName(number uint64) string { return tableName(number) + lostSuffix }

// limitLost removes the oldest of the tables that were set aside, as far as all
// together are above a limit.
func (db *DB) limitLost(names []string, limitBytes int64) {
	lost := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return kindOfFile(name) != lostFile })
	slices.SortFunc(lost, func(a, b string) int { return cmp.Compare(fileNumber(b), fileNumber(a)) })
	for _, name := range lost {
		bytes := db.fileBytes(name)
		if limitBytes -= bytes; limitBytes >= 0 {
			continue
		}
		err := db.removeFile(name)
		db.o.Events.TableRemoved(TableInfo{File: fileNumber(name), Bytes: bytes, Err: err})
	}
}

// fileBytes is the size of a file in the directory, 0 if it cannot be told.
func (db *DB) fileBytes(name string) int64 {
	info, err := db.fs.Lstat(db.path(name))
	if err != nil {
		return 0
	}
	return info.Size()
}

// tableBytes is the size of all tables of the tree.
func (c *catalog) tableBytes() (n int64) {
	for _, p := range c.tables {
		n += p.meta.size
	}
	return n
}

// tablesOfLogs are the numbers of the tables that logs name.
func (db *DB) tablesOfLogs(ctx context.Context, logs []uint64, c *catalog) (namedTables, error) {
	named := namedTables{}
	err := newReplayer(&db.o, c, named).read(ctx, db.fs, db.dir, logs, func(LogInfo) {})
	return named, err
}

// namedTables takes of logs the numbers of tables.
type namedTables map[uint64]bool

func (namedTables) beginRun(uint64) error { return nil }

func (namedTables) operation(run.Kind, []byte, []byte) {}

func (t namedTables) table(m fileMeta) error {
	t[m.number] = true
	return nil
}

// lostNumber is the number in the name of a table that was set aside.
func lostNumber(name string) (number uint64, ok bool) {
	table, ok := strings.CutSuffix(name, lostSuffix)
	if !ok {
		return 0, false
	}
	return parseNumber(table, "", tableSuffix)
}
