package lsm

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
	"github.com/weirstate/weir/wal"
)

var update = flag.Bool("update", false, "overwrite the golden fixtures")

// The fixtures have format version 1, and all later versions must read them. The code and the type page
// must both write the edits and records of version 1 byte for byte.

const (
	goldenIdentity = "fixture identity"
	otherIdentity  = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff"
)

// colon is the split of the fixtures. A prefix ends with the first colon.
var colon = Split{Name: "colon", Func: func(key []byte) int {
	if i := bytes.IndexByte(key, ':'); i >= 0 {
		return i + 1
	}
	return len(key)
}}

// goldenEdits holds edits, and the same edits for the type page.
var goldenEdits = map[string]struct {
	edit manifest.Edit
	page pageEdit
}{
	"v1-first.edit": {
		manifest.Edit{
			First: true, Identity: vfs.Identity([]byte(goldenIdentity)), Split: "colon", PartitionBytes: 2,
			Flushed: 300, NextFile: 1_000_001, NextRun: 301, FirstLog: 999_999,
			Added: []manifest.LevelTable{
				{Level: 0, Meta: version.FileMeta{
					Number: 7, Run: 300, Identity: vfs.Identity([]byte(otherIdentity)), Size: 70_000, Entries: 500, Tombstones: 3,
					Bounds: run.Range{From: []byte("aa:1"), To: []byte("zz:\x00")}, Clip: run.Range{From: []byte{}},
				}},
				{Level: 6, Meta: version.FileMeta{
					Number: 1_000_000, Run: 1, Size: 1<<63 - 1,
					Bounds: run.Range{From: []byte("b"), To: []byte("bz")}, Clip: run.Range{From: []byte("b"), To: []byte("bz")},
				}},
			},
		},
		pageEdit{
			version: 1, first: 1, identity: goldenIdentity, split: "colon", partition: 2,
			flushed: 300, nextFile: 1_000_001, nextRun: 301, firstLog: 999_999,
			added: []pageTable{
				{0, 7, 300, otherIdentity, 70_000, 500, 3, [2]string{"aa:1", "zz:\x00"}, [2]string{"", noEnd}},
				{6, 1_000_000, 1, strings.Repeat("\x00", 16), 1<<63 - 1, 0, 0, [2]string{"b", "bz"}, [2]string{"b", "bz"}},
			},
		},
	},
	"v1-step.edit": {
		manifest.Edit{
			Flushed: 301, NextFile: 1_000_004, NextRun: 303, FirstLog: 1_000_004,
			Removed: []manifest.Location{{Level: 0, Number: 7}, {Level: 6, Number: 1_000_000}},
			Added: []manifest.LevelTable{{Level: 1, Meta: version.FileMeta{
				Number: 7, Run: 300, Identity: vfs.Identity([]byte(otherIdentity)), Size: 70_000, Entries: 500, Tombstones: 3,
				Bounds: run.Range{From: []byte{}}, Clip: run.Range{From: []byte{}},
			}}},
		},
		pageEdit{
			version: 1, flushed: 301, nextFile: 1_000_004, nextRun: 303, firstLog: 1_000_004,
			removed: [][2]uint64{{0, 7}, {6, 1_000_000}},
			added:   []pageTable{{1, 7, 300, otherIdentity, 70_000, 500, 3, [2]string{"", noEnd}, [2]string{"", noEnd}}},
		},
	},
	"v1-numbers.edit": {
		manifest.Edit{Flushed: manifest.MaxFileNumber, NextFile: manifest.MaxFileNumber, NextRun: manifest.MaxFileNumber, FirstLog: 1},
		pageEdit{version: 1, flushed: 1e19 - 1, nextFile: 1e19 - 1, nextRun: 1e19 - 1, firstLog: 1},
	},
}

// goldenRecords holds log records, and the write that makes each record.
var goldenRecords = []struct {
	file  string
	write func(db *DB) error
	page  []byte
}{
	{"v1-run.record", (*DB).Seal, pageRecord(1, func(p *page) { p.uvarint(1) })},
	{
		"v1-set.record",
		func(db *DB) error { return db.Put([]byte("aa:1"), []byte("value")) },
		pageRecord(2, func(p *page) { p.op(1, "aa:1", "value") }),
	},
	{
		"v1-delete.record",
		func(db *DB) error { return db.Delete([]byte("ab:2")) },
		pageRecord(2, func(p *page) { p.op(2, "ab:2") }),
	},
	{
		"v1-append.record",
		func(db *DB) error { return db.Append([]byte("aa:1"), bytes.Repeat([]byte("more"), 50)) },
		pageRecord(2, func(p *page) { p.op(3, "aa:1", strings.Repeat("more", 50)) }),
	},
	{
		"v1-prefix.record",
		func(db *DB) error { return db.DeletePrefix([]byte("ac:")) },
		pageRecord(2, func(p *page) { p.op(4, "ac:") }),
	},
	{
		"v1-batch.record",
		func(db *DB) error {
			var b Batch
			b.Put([]byte("ba:"), nil)
			b.Delete([]byte("ba:1"))
			b.Append([]byte("ba:2"), []byte("appended"))
			b.DeletePrefix([]byte("bb:"))
			return db.Apply(&b)
		},
		pageRecord(2, func(p *page) {
			p.op(1, "ba:", "")
			p.op(2, "ba:1")
			p.op(3, "ba:2", "appended")
			p.op(4, "bb:")
		}),
	},
	{"v1-next.record", (*DB).Seal, pageRecord(1, func(p *page) { p.uvarint(2) })},
	{
		"v1-range.record",
		func(db *DB) error { return db.DeleteRange([]byte("b"), []byte("bb")) },
		pageRecord(2, func(p *page) { p.op(16, "b", "bb") }),
	},
	{
		"v1-range-to-end.record",
		func(db *DB) error { return db.DeleteRange([]byte("c"), nil) },
		pageRecord(2, func(p *page) { p.op(16, "c", "") }),
	},
}

// golden compares bytes with a fixture. With the flag -update it writes the fixture.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	name := filepath.Join("testdata", file)
	if *update {
		require.NoError(t, os.WriteFile(name, got, 0o644))
	}
	require.True(t, bytes.Equal(readGolden(t, file), got), "%s differs", file)
}

func readGolden(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	require.NoError(t, err)
	return b
}

// If this test fails, the encoding of edits has changed: undo the change or raise the version.
func TestEditsAreWrittenByteForByte(t *testing.T) {
	for file, g := range goldenEdits {
		golden(t, file, g.edit.Encode())
		golden(t, file, g.page.build())
	}
}

// goldenCurrents holds values of CURRENT, and the file contents that the type page makes.
var goldenCurrents = map[string]struct {
	current manifest.Current
	page    []byte
}{
	"v1-7.current":      {manifest.Current{Number: 7, File: wal.Identity([]byte(otherIdentity))}, pageCurrent(7, otherIdentity)},
	"v1-large.current":  {manifest.Current{Number: 12_345_678, File: wal.Identity([]byte(goldenIdentity))}, pageCurrent(12_345_678, goldenIdentity)},
	"v2-closed.current": {manifest.Current{Number: 7, File: wal.Identity([]byte(otherIdentity)), ClosedBytes: 4711}, pageClosedCurrent(7, otherIdentity, 4711)},
	"v2-highest.current": {
		manifest.Current{Number: manifest.MaxFileNumber, File: wal.Identity([]byte(goldenIdentity)), ClosedBytes: 1<<63 - 1},
		pageClosedCurrent(manifest.MaxFileNumber, goldenIdentity, 1<<63-1),
	},
}

// If this test fails, the encoding of CURRENT has changed: undo the change or raise the version.
func TestCurrentIsWrittenByteForByteAndRead(t *testing.T) {
	for file, g := range goldenCurrents {
		golden(t, file, []byte(g.current.Content()))
		golden(t, file, g.page)
		b := readGolden(t, file)
		require.LessOrEqual(t, len(b), manifest.MaxCurrentBytes)
		c, err := manifest.ParseCurrent(string(b))
		require.NoError(t, err, file)
		require.Equal(t, g.current, c, file)
		for n := range b {
			_, err := manifest.ParseCurrent(string(b[:n]))
			require.ErrorIs(t, err, ErrCorrupt, "%s cut to %d bytes", file, n)
			for bit := range 8 {
				flipped := bytes.Clone(b)
				flipped[n] ^= 1 << bit
				_, err := manifest.ParseCurrent(string(flipped))
				require.ErrorIs(t, err, ErrCorrupt, "%s, bit %d of byte %d", file, bit, n)
			}
		}
		_, err = manifest.ParseCurrent(string(b) + "\n")
		require.ErrorIs(t, err, ErrCorrupt)
	}
	_, err := manifest.ParseCurrent(string(pageSummed("3 something else")))
	require.ErrorIs(t, err, ErrVersion)
}

func TestFixtureEditsAreReadable(t *testing.T) {
	for file, g := range goldenEdits {
		b := readGolden(t, file)
		e, err := manifest.DecodeEdit(b)
		require.NoError(t, err, file)
		require.Equal(t, &g.edit, e, file)
		for n := range b {
			_, err := manifest.DecodeEdit(b[:n])
			require.ErrorIs(t, err, ErrCorrupt, "%s cut to %d bytes", file, n)
		}
		_, err = manifest.DecodeEdit(append(b, 0))
		require.ErrorIs(t, err, ErrCorrupt)
	}
}

// The decoder accepts only edits that the writer would have written.
func TestFlippedEditsAreRefusedOrEncodeToTheSameBytes(t *testing.T) {
	for file := range goldenEdits {
		b := readGolden(t, file)
		for i := range b {
			for bit := range 8 {
				flipped := bytes.Clone(b)
				flipped[i] ^= 1 << bit
				e, err := manifest.DecodeEdit(flipped)
				if err == nil {
					require.True(t, bytes.Equal(flipped, e.Encode()), "%s, bit %d of byte %d", file, bit, i)
					continue
				}
				want := ErrCorrupt
				if i == 0 {
					want = ErrVersion
				}
				require.ErrorIs(t, err, want, "%s, bit %d of byte %d", file, bit, i)
			}
		}
	}
}

// goldenFile is the table of a log record.
var goldenFile = version.FileMeta{
	Number: 200, Run: 3, Identity: vfs.Identity([]byte(goldenIdentity)), Size: 900_000, Entries: 1, Tombstones: 0,
	Bounds: run.Range{From: []byte("aa:1"), To: []byte("aa:1\x00")}, Clip: run.Range{From: []byte{}},
}

func TestRecordsAreWrittenByteForByte(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db, err := Open(context.Background(), "db", *goldenOptions(t, mem, LogBuffered))
	require.NoError(t, err)
	for _, g := range goldenRecords {
		require.NoError(t, g.write(db), g.file)
	}
	require.NoError(t, db.logs.w.Flush())
	var records [][]byte
	_, err = wal.Read(context.Background(), mem, db.dir.Join(directory.LogName(db.logs.number)), func(r []byte, _ int64) error {
		records = append(records, bytes.Clone(r))
		return nil
	})
	require.NoError(t, err)
	golden(t, "v1-log.record", goldenHead(goldenIdentity, 2))
	golden(t, "v1-log.record", firstRecord(vfs.Identity([]byte(goldenIdentity)), 2))
	require.Equal(t, goldenHead(string(db.identity[:]), db.logs.number), records[0])
	records = records[1:]
	require.Len(t, records, len(goldenRecords))
	for i, g := range goldenRecords {
		golden(t, g.file, records[i])
		golden(t, g.file, g.page)
	}
	require.NoError(t, db.Close())

	golden(t, "v1-file.record", manifest.AppendFileMeta([]byte{recordFile}, &goldenFile))
	golden(t, "v1-file.record", pageRecord(3, func(p *page) {
		p.table(pageTable{0, 200, 3, goldenIdentity, 900_000, 1, 0, [2]string{"aa:1", "aa:1\x00"}, [2]string{"", noEnd}})
	}))
}

// goldenLog returns a store in the documented format, without tables, whose log has the records.
func goldenLog(t *testing.T, records ...[]byte) *vfstest.Mem {
	t.Helper()
	mem := vfstest.NewMem(vfstest.MemOptions{})
	require.NoError(t, mem.MkdirAll("db"))
	first := pageEdit{version: 1, first: 1, identity: goldenIdentity, split: "colon", partition: 2, nextFile: 3, nextRun: 1, firstLog: 2}
	manifest := writeRecords(t, mem, "db/MANIFEST-000001", first.build())
	writeRecords(t, mem, "db/000002.log", append([][]byte{goldenHead(goldenIdentity, 2)}, records...)...)
	writeFile(t, mem, "db/CURRENT", pageCurrent(1, string(manifest[:])))
	return mem
}

// goldenHead returns the first record of a log.
func goldenHead(identity string, number uint64) []byte {
	return pageRecord(4, func(p *page) {
		p.raw(identity)
		p.uvarint(number)
	})
}

func writeRecords(t *testing.T, mem *vfstest.Mem, name string, records ...[]byte) wal.Identity {
	t.Helper()
	w, err := wal.Create(mem, name, wal.Options{})
	require.NoError(t, err)
	for _, r := range records {
		_, err := w.Append(r)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close(false))
	return w.Identity()
}

func writeFile(t *testing.T, fsys vfs.FS, name string, content []byte) {
	t.Helper()
	f, err := fsys.Create(name)
	require.NoError(t, err)
	_, err = f.Write(content)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestFixtureRecordsAreReadable(t *testing.T) {
	var records [][]byte
	for _, g := range goldenRecords {
		records = append(records, readGolden(t, g.file))
	}
	mem := goldenLog(t, records...)
	db, err := Open(context.Background(), "db", *goldenOptions(t, mem, LogOff))
	require.NoError(t, err)
	require.Equal(t, goldenIdentity, string(db.identity[:]))
	requireContent(t, db, map[string]string{"aa:1": "value" + strings.Repeat("more", 50)})
	require.NoError(t, db.Close())

	db, err = Open(context.Background(), "db", *goldenOptions(t, goldenLog(t, records[:6]...), LogOff))
	require.NoError(t, err)
	requireContent(t, db, map[string]string{"aa:1": "value" + strings.Repeat("more", 50), "ba:": "", "ba:2": "appended"})
	require.NoError(t, db.Close())
}

// The log's frames protect whole records. So a record that ends too early is corruption and not the
// result of a crash.
func TestCutRecordsAreCorruption(t *testing.T) {
	begin := readGolden(t, "v1-run.record")
	for _, file := range []string{"v1-set.record", "v1-append.record", "v1-range.record", "v1-file.record", "v1-next.record"} {
		r := readGolden(t, file)
		for n := range len(r) {
			if n == 1 && r[0] == recordOps {
				continue // a valid record without operations
			}
			_, err := Open(context.Background(), "db", *goldenOptions(t, goldenLog(t, begin, r[:n]), LogOff))
			require.ErrorIs(t, err, ErrCorrupt, "%s cut to %d bytes", file, n)
		}
	}
}
