package lsm

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// contents returns the content of all files of a directory except the lock.
func contents(t *testing.T, fsys vfs.FS, dir string) map[string]string {
	t.Helper()
	names, err := fsys.List(dir)
	require.NoError(t, err)
	files := map[string]string{}
	for _, name := range names {
		if name != directory.LockName {
			files[name] = string(contentOfFile(t, fsys, dir+"/"+name))
		}
	}
	return files
}

// storeOfRuns opens a store and writes a number of runs. Each run has a table.
func storeOfRuns(t *testing.T, mem *vfstest.Mem, runs int, mode LogMode) *DB {
	t.Helper()
	db, err := Open(context.Background(), "db", Options{FS: mem, Budget: storyBudget(t), Picker: idle{}, Log: mode})
	require.NoError(t, err)
	for i := range runs {
		require.NoError(t, db.Put(fmt.Appendf(nil, "%d", i), []byte("value")))
		require.NoError(t, db.Flush(context.Background()))
	}
	return db
}

// Regression test: if the manifest of a closed store had zeros at its end or was cut, Open returned an
// earlier or empty state and removed the other tables. Protection: CURRENT has the size of the manifest.
func TestOpenDetectsALostEndOfAClosedManifest(t *testing.T) {
	for _, mode := range allLogModes {
		for _, copied := range []bool{false, true} { // a checkpoint is a closed store too
			mem := vfstest.NewMem(vfstest.MemOptions{})
			db := storeOfRuns(t, mem, 3, mode)
			if copied {
				require.NoError(t, db.Checkpoint(t.Context(), "copy"))
			}
			require.NoError(t, db.Close())
			dir := map[bool]string{false: "db", true: "copy"}[copied]
			c, err := manifest.ReadCurrent(mem, dir)
			require.NoError(t, err)
			whole := contentOfFile(t, mem, dir+"/"+directory.ManifestName(c.Number))
			require.EqualValues(t, len(whole), c.ClosedBytes)
			for kept := range whole {
				zeroed := bytes.Clone(whole)
				clear(zeroed[kept:])
				for what, damaged := range map[string][]byte{"zeroed": zeroed, "cut": whole[:kept]} {
					if bytes.Equal(damaged, whole) {
						continue
					}
					disk := mem.CrashClone(vfstest.CrashOptions{Keep: 1})
					replaceFile(t, disk, badFile{dir + "/" + directory.ManifestName(c.Number), damaged})
					before := contents(t, disk, dir)
					o := &Options{FS: disk, Budget: storyBudget(t), Log: mode}
					_, err := Open(context.Background(), dir, *o)
					require.ErrorIs(t, err, ErrCorrupt, "%s from byte %d", what, kept)
					require.Equal(t, before, contents(t, disk, dir), "%s from byte %d: Open changed a file", what, kept)
					_, err = Check(t.Context(), dir, *o)
					require.ErrorIs(t, err, ErrCorrupt)
					require.Error(t, Restore(t.Context(), "to", []Part{{Dir: dir}}, *o))
				}
			}
		}
	}
}

// Additional bytes at the end of the manifest of a closed store are corruption.
func TestOpenDetectsBytesAfterTheEndOfAClosedManifest(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	require.NoError(t, storeOfRuns(t, mem, 1, LogOff).Close())
	c, err := manifest.ReadCurrent(mem, "db")
	require.NoError(t, err)
	name := "db/" + directory.ManifestName(c.Number)
	replaceFile(t, mem, badFile{name, append(contentOfFile(t, mem, name), 0)})
	_, err = Open(context.Background(), "db", Options{FS: mem, Budget: storyBudget(t)})
	require.ErrorIs(t, err, ErrCorrupt)
}

// Only a successful Close records in CURRENT that the store is closed. A failed Close, Discard and Open do
// not.
func TestOnlyASuccessfulCloseIsRecorded(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	size := func() int64 {
		c, err := manifest.ReadCurrent(mem, "db")
		require.NoError(t, err)
		require.NotZero(t, c.Number)
		return c.ClosedBytes
	}
	db := storeOfRuns(t, mem, 1, LogOff)
	require.Zero(t, size())
	require.NoError(t, db.Close())
	require.Positive(t, size())
	db = storeOfRuns(t, mem, 1, LogOff)
	require.Zero(t, size())
	require.NoError(t, db.Discard())
	require.Zero(t, size())
	disk, on := readOnly(mem)
	db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t)})
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("k"), nil))
	on.Store(true)
	require.ErrorIs(t, db.Close(), ErrStalled)
	require.Zero(t, size())
}

// lostStore returns the disk of a store that was not closed. Its manifest has lost all edits except the
// first one, so no manifest names its tables.
func lostStore(t *testing.T, runs int) *vfstest.Mem {
	t.Helper()
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db := storeOfRuns(t, mem, runs, LogOff)
	crashed := mem.CrashClone(vfstest.CrashOptions{})
	require.NoError(t, db.Discard())
	c, err := manifest.ReadCurrent(crashed, "db")
	require.NoError(t, err)
	name := "db/" + directory.ManifestName(c.Number)
	whole := contentOfFile(t, crashed, name)
	e := manifest.Edit{First: true, Identity: db.identity, Split: WholeKey.Name, NextFile: c.Number + 1, NextRun: 1, FirstLog: c.Number + 1}
	clear(whole[36+36+2+len(e.Encode()):]) // all after the header and the first frame
	replaceFile(t, crashed, badFile{name, whole})
	return crashed
}

// tableNumbers returns the numbers of the tables in the directory db.
func tableNumbers(t *testing.T, mem *vfstest.Mem) (numbers []uint64) {
	t.Helper()
	for _, name := range tableNames(t, mem) {
		numbers = append(numbers, directory.NumberOf(name))
	}
	return numbers
}

// Regression test: Open of a store that was not closed removed tables that no manifest names. Protection:
// lostTables.setAside renames complete tables.
func TestCompleteTablesThatNoManifestNamesAreSetAside(t *testing.T) {
	disk := lostStore(t, 3)
	tables := tableNumbers(t, disk)
	require.Len(t, tables, 3)
	cut := contentOfFile(t, disk, "db/"+directory.TableName(tables[2]))
	replaceFile(t, disk, badFile{"db/" + directory.TableName(tables[2]), cut[:len(cut)-1]}) // as after a crash during the write
	want := []string{directory.LostName(tables[0]), directory.LostName(tables[1])}
	kept := contents(t, disk, "db")

	o := &Options{FS: disk, Budget: storyBudget(t)}
	report, err := Check(t.Context(), "db", *o)
	require.NoError(t, err)
	require.Equal(t, []string{directory.TableName(tables[0]), directory.TableName(tables[1])}, report.Lost)
	require.Equal(t, []string{directory.TableName(tables[2])}, report.Leftovers)

	var events []TableInfo
	o.Events.TableLost = func(info TableInfo) { events = append(events, info) }
	for range 2 { // at the second Open the tables are already set aside
		db, err := Open(context.Background(), "db", *o)
		require.NoError(t, err)
		got, err := scanned(db)
		require.NoError(t, err)
		require.Empty(t, got)
		require.NoError(t, db.Put([]byte("new"), []byte("write")))
		require.NoError(t, db.Flush(context.Background()))
		require.Greater(t, slices.Min(tableNumbers(t, disk)), tables[2], "a number of a lost table must not be used again")
		require.NoError(t, db.Delete([]byte("new")))
		require.NoError(t, db.Compact(context.Background()))
		require.NoError(t, db.Close())
		require.Len(t, events, 2)
		for i, info := range events {
			require.Equal(t, TableInfo{File: tables[i], Bytes: int64(len(kept[directory.TableName(tables[i])]))}, info)
		}
		after := contents(t, disk, "db")
		for i, name := range want {
			require.Equal(t, kept[directory.TableName(tables[i])], after[name])
		}
		report, err = Check(t.Context(), "db", *o)
		require.NoError(t, err)
		require.Equal(t, want, report.Lost)
		require.Empty(t, report.Leftovers)
	}
}

// A crash while Open sets tables aside loses none of them.
func TestCrashDuringSetAsideLosesNoTable(t *testing.T) {
	disk := lostStore(t, 3)
	numbers := tableNumbers(t, disk)
	copied := disk.CrashClone(vfstest.CrashOptions{Keep: 1})
	crashes := 0
	faulty := vfstest.NewFaulty(copied, vfstest.FaultyOptions{After: func(op vfstest.Op, _ string) {
		for _, kept := range keptAfterACrash(int64(crashes), 2) {
			crashes++
			crashed := copied.CrashClone(kept)
			db, err := Open(context.Background(), "db", Options{FS: crashed, Budget: storyBudget(t)})
			require.NoError(t, err)
			require.NoError(t, db.Close())
			files := contents(t, crashed, "db")
			for _, number := range numbers {
				require.Contains(t, files, directory.LostName(number), "crash after %v", op)
			}
		}
	}})
	db, err := Open(context.Background(), "db", Options{FS: faulty, Budget: storyBudget(t)})
	require.NoError(t, err)
	require.Greater(t, crashes, 20)
	require.NoError(t, db.Discard())
}

// If the tables that were set aside take too much space, the oldest are removed.
func TestSizeOfTablesSetAsideIsLimited(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db := storeOfRuns(t, mem, 0, LogOff)
	require.NoError(t, db.Close())
	var names []string
	for number := uint64(1); number <= 4; number++ {
		names = append(names, directory.LostName(number))
		writeFile(t, mem, "db/"+directory.LostName(number), make([]byte, 10))
	}
	var removed []TableInfo
	db.o.Events.TableRemoved = func(info TableInfo) { removed = append(removed, info) }
	db.lostTables().limit(names, 40)
	require.Empty(t, removed)
	db.lostTables().limit(names, 39)
	require.Equal(t, []TableInfo{{File: 1, Bytes: 10}}, removed)
	db.lostTables().limit(names[1:], 10)
	require.Equal(t, []TableInfo{{File: 1, Bytes: 10}, {File: 3, Bytes: 10}, {File: 2, Bytes: 10}}, removed)
	require.Contains(t, contents(t, mem, "db"), directory.LostName(4))
}

// A table that only a log names belongs to the store.
func TestTablesOfLogsAreNotLost(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db := storeOfRuns(t, mem, 1, LogSynced)
	db.manifest.Lock() // blocks the flusher
	large := bytes.Repeat([]byte("large"), storyLarge/5+1)
	require.NoError(t, db.Put([]byte("large"), large))
	crashed := mem.CrashClone(vfstest.CrashOptions{})
	db.manifest.Unlock()
	require.NoError(t, db.Close())
	o := &Options{FS: crashed, Budget: storyBudget(t), Log: LogSynced}
	o.Events.TableLost = func(info TableInfo) { t.Errorf("table %d is set aside", info.File) }
	report, err := Check(t.Context(), "db", *o)
	require.NoError(t, err)
	require.Empty(t, report.Lost)
	db, err = Open(context.Background(), "db", *o)
	require.NoError(t, err)
	got, found, err := db.Get([]byte("large"), nil)
	require.NoError(t, err)
	require.True(t, found && bytes.Equal(large, got))
	require.NoError(t, db.Close())
}
