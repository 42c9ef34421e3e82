package lsm

import (
	"bytes"
	"context"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// The tests of this file are regression tests for bugs with damaged, missing or replaced files. See
// bugs_test.go.

// requireProblem requires that Check reports only this file, and that Open fails.
func requireProblem(t *testing.T, mem *vfstest.Mem, file string) {
	t.Helper()
	report, err := Check(t.Context(), "db", *goldenOptions(t, mem, LogOff))
	require.ErrorIs(t, err, ErrCorrupt)
	require.Len(t, report.Problems, 1)
	require.Equal(t, file, report.Problems[0].File)
	_, err = Open(context.Background(), "db", *goldenOptions(t, mem, LogOff))
	require.ErrorIs(t, err, ErrCorrupt)
}

// Check did not notice that the first log was missing, and continued after the last one. Protection:
// Check shares Catalog.Logs and replayer.read with Open.
func TestCheckReportsAMissingLog(t *testing.T) {
	for last := range 2 {
		mem := makeTwoLogs(t)
		names, err := mem.List("db")
		require.NoError(t, err)
		logs := directory.LogNumbers(names, 1)
		require.Len(t, logs, 2)
		require.NoError(t, mem.Remove("db/"+directory.LogName(logs[last])))
		requireProblem(t, mem, directory.LogName(logs[0]))
	}
}

// makeTwoLogs returns the disk of a store that was not closed. It has two logs, and each has entries
// that no table has.
func makeTwoLogs(t *testing.T) *vfstest.Mem {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := goldenOptions(t, mem, LogSynced)
	o.MemtableBytes = 300
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	db.manifest.Lock() // blocks the flusher
	first := db.logs.number
	for _, key := range []string{"aa:1", "aa:2", "aa:3"} {
		require.NoError(t, db.Put([]byte(key), bytes.Repeat([]byte(key), 40)))
	}
	require.Greater(t, db.logs.number, first)
	crashed := mem.CrashClone(vfstest.CrashOptions{Keep: 1})
	db.manifest.Unlock()
	require.NoError(t, db.Close())
	return crashed
}

// Check created a lock file in a directory without one. Protection: checker.checkUnlocked.
func TestCheckChangesNothing(t *testing.T) {
	mem := makeClosed(t)
	require.NoError(t, mem.Remove("db/"+directory.LockName))
	disk, on := readOnly(mem)
	on.Store(true)
	_, err := Check(t.Context(), "db", *goldenOptions(t, disk, LogOff))
	require.NoError(t, err)
	_, err = mem.Stat("db/" + directory.LockName)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, mem.MkdirAll("empty"))
	_, err = Check(t.Context(), "empty", *goldenOptions(t, disk, LogOff))
	require.ErrorIs(t, err, ErrNotStore)

	// Another caller opens and closes the store while Check reads it.
	opened := false
	disk = vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
		if c.Op == vfstest.OpList && !opened {
			opened = true
			db, err := Open(context.Background(), "db", *goldenOptions(t, mem, LogOff))
			require.NoError(t, err)
			require.NoError(t, db.Close())
			require.NoError(t, mem.Remove("db/"+directory.LockName))
		}
		return nil
	}})
	_, err = Check(t.Context(), "db", *goldenOptions(t, disk, LogOff))
	require.ErrorIs(t, err, ErrLocked)
}

// Check and Restore returned ErrNotStore for a store without CURRENT. Protection: Open, Check and
// Restore all call CheckEmpty.
func TestStoreWithoutCurrentIsCorrupt(t *testing.T) {
	mem := makeClosed(t)
	require.NoError(t, mem.Remove("db/"+directory.CurrentName))
	requireProblem(t, mem, directory.CurrentName)
	parts := []Part{{Dir: "db"}}
	require.ErrorIs(t, Restore(t.Context(), "to", parts, *goldenOptions(t, mem, LogOff)), ErrCorrupt)
	writeFile(t, mem, "db/photo.jpg", []byte("mine"))
	_, err := Check(t.Context(), "db", *goldenOptions(t, mem, LogOff))
	require.ErrorIs(t, err, ErrNotStore)
	_, err = Open(context.Background(), "db", *goldenOptions(t, mem, LogOff))
	require.ErrorIs(t, err, ErrNotStore)
}

// Check read only the log records that name tables. Protection: Check reads logs with the replayer.
func TestCheckReadsEveryRecordOfLogs(t *testing.T) {
	begin := readGolden(t, "v1-run.record")
	for name, records := range map[string][][]byte{
		"kind":                  {begin, {5}},
		"empty record":          {begin, {}},
		"no run":                {readGolden(t, "v1-set.record")},
		"run in a gap":          {begin, pageRecord(1, func(p *page) { p.uvarint(3) })},
		"kind of operation":     {begin, pageRecord(2, func(p *page) { p.op(5, "aa:1") })},
		"operation that is cut": {begin, readGolden(t, "v1-set.record")[:5]},
		"table of no run":       {begin, readGolden(t, "v1-file.record")},
		"partition":             {begin, pageRecord(2, func(p *page) { p.op(1, "a", "") })},
		"second head":           {begin, goldenHead(goldenIdentity, 2)},
	} {
		t.Run(name, func(t *testing.T) { requireProblem(t, goldenLog(t, records...), "000002.log") })
	}
}

// Restore accepted an open store without a log, and restored only its flushed entries. Protection:
// Restore accepts only manifests of closed stores.
func TestRestoreRefusesAnOpenStore(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := goldenOptions(t, mem, LogOff)
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("aa:1"), []byte("flushed")))
	require.NoError(t, db.Flush(context.Background()))
	require.NoError(t, db.Put([]byte("aa:1"), []byte("not flushed")))
	parts := []Part{{Dir: "db"}}
	require.ErrorIs(t, Restore(t.Context(), "to", parts, *o), ErrInvalidOption)
	crashed := mem.CrashClone(vfstest.CrashOptions{Keep: 1})
	require.ErrorIs(t, Restore(t.Context(), "to", parts, *goldenOptions(t, crashed, LogOff)), ErrInvalidOption)
	require.NoError(t, db.Close())
	require.NoError(t, Restore(t.Context(), "to", parts, *o))
	db, err = Open(context.Background(), "to", *o)
	require.NoError(t, err)
	requireContent(t, db, map[string]string{"aa:1": "not flushed"})
	require.NoError(t, db.Close())
}

// If the manifest of a store was replaced by that of an empty store, Open removed all tables.
// Protection: CURRENT has the identity of its manifest file.
func TestManifestOfAnotherStoreIsCorruption(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db, err := Open(context.Background(), "db", *goldenOptions(t, mem, LogOff))
	require.NoError(t, err)
	putAll(t, db, "aa:1")
	require.NoError(t, db.Close())
	current, err := manifest.ReadCurrent(mem, "db")
	require.NoError(t, err)
	empty, err := Open(context.Background(), "empty", *goldenOptions(t, mem, LogOff))
	require.NoError(t, err)
	require.NoError(t, empty.Close())
	other, err := manifest.ReadCurrent(mem, "empty")
	require.NoError(t, err)

	good := replaceFile(t, mem, badFile{"db/" + directory.ManifestName(current.Number), contentOfFile(t, mem, "empty/"+directory.ManifestName(other.Number))})
	requireProblem(t, mem, directory.ManifestName(current.Number))
	replaceFile(t, mem, good)
	db, err = Open(context.Background(), "db", *goldenOptions(t, mem, LogOff))
	require.NoError(t, err)
	requireContent(t, db, map[string]string{"aa:1": "of aa:1"})
	require.NoError(t, db.Close())
}

func contentOfFile(t *testing.T, fsys vfs.FS, name string) []byte {
	t.Helper()
	b, err := manifest.ReadFile(fsys, name, 1<<20)
	require.NoError(t, err)
	return b
}

// Open replayed a log of another store if its run numbers matched. Protection: the first record of a log
// holds the store's identity and the log's number.
func TestLogsOfOtherStoresAreNotReplayed(t *testing.T) {
	begin, set := readGolden(t, "v1-run.record"), readGolden(t, "v1-set.record")
	for name, head := range map[string][]byte{
		"another store":  goldenHead(otherIdentity, 2),
		"another number": goldenHead(goldenIdentity, 3),
		"no head record": begin,
	} {
		mem := goldenLog(t)
		require.NoError(t, mem.Remove("db/000002.log"))
		writeRecords(t, mem, "db/000002.log", head, begin, set)
		t.Run(name, func(t *testing.T) { requireProblem(t, mem, "000002.log") })
	}
}

// A log without its end made Open ignore the later logs. Protection: replayer.recordAfterCut.
func TestCutLogBeforeALaterLogIsCorruption(t *testing.T) {
	whole := makeTwoLogs(t)
	names, err := whole.List("db")
	require.NoError(t, err)
	logs := directory.LogNumbers(names, 1)
	log := contentOfFile(t, whole, "db/"+directory.LogName(logs[0]))
	for size := range log {
		mem := whole.CrashClone(vfstest.CrashOptions{})
		replaceFile(t, mem, badFile{"db/" + directory.LogName(logs[0]), log[:size]})
		requireProblem(t, mem, directory.LogName(logs[1]))
	}
}
