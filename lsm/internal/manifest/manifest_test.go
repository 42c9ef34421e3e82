package manifest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// drawTable returns a table whose description is valid.
func drawTable(t *rapid.T) LevelTable {
	size := rapid.Int64Range(0, 1<<62)
	key := rapid.SliceOfN(rapid.Byte(), 0, 5)
	m := version.FileMeta{
		Number: rapid.Uint64Range(1, MaxFileNumber).Draw(t, "number"), Run: rapid.Uint64Range(0, MaxFileNumber).Draw(t, "run"),
		Size: size.Draw(t, "size"), Entries: size.Draw(t, "entries"), Tombstones: size.Draw(t, "tombstones"),
		Bounds: run.PrefixRange(key.Draw(t, "bounds")), Clip: run.Range{From: key.Draw(t, "clip"), To: []byte{}},
	}
	m.Identity[0] = 1
	if rapid.Bool().Draw(t, "clip without end") {
		m.Clip.To = nil
	}
	return LevelTable{rapid.IntRange(0, version.NumLevels-1).Draw(t, "level"), m}
}

func drawEdit(t *rapid.T) *Edit {
	number := rapid.Uint64Range(0, MaxFileNumber)
	e := &Edit{
		Flushed: number.Draw(t, "flushed"), NextFile: number.Draw(t, "next file"),
		NextRun: number.Draw(t, "next run"), FirstLog: number.Draw(t, "first log"),
	}
	if e.First = rapid.Bool().Draw(t, "first"); e.First {
		e.Identity, e.Split, e.PartitionBytes = vfs.Identity{9}, "whole", 2
	}
	for range rapid.IntRange(0, 3).Draw(t, "removed") {
		e.Removed = append(e.Removed, Location{rapid.IntRange(0, version.NumLevels-1).Draw(t, "level"), number.Draw(t, "number")})
	}
	for range rapid.IntRange(0, 3).Draw(t, "added") {
		e.Added = append(e.Added, drawTable(t))
	}
	return e
}

func TestDecodeEditInvertsEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEdit(t)
		b := e.Encode()
		got, err := DecodeEdit(b)
		require.NoError(t, err)
		require.Equal(t, b, got.Encode())
		require.Equal(t, len(e.Added), len(got.Added))
		for i := range e.Added {
			require.Equal(t, e.Added[i].Meta.Bounds.To == nil, got.Added[i].Meta.Bounds.To == nil)
			require.Equal(t, e.Added[i].Meta.Clip.To == nil, got.Added[i].Meta.Clip.To == nil)
			require.Equal(t, e.Added[i].Meta.Identity, got.Added[i].Meta.Identity)
		}
		require.Equal(t, e.Removed, got.Removed)
		require.Equal(t, []uint64{e.Flushed, e.NextFile, e.NextRun, e.FirstLog}, []uint64{got.Flushed, got.NextFile, got.NextRun, got.FirstLog})
		for n := range b {
			_, err := DecodeEdit(b[:n])
			require.ErrorIs(t, err, sstable.ErrCorrupt, "the first %d of %d bytes", n, len(b))
		}
		_, err = DecodeEdit(append(b, 0))
		require.ErrorIs(t, err, sstable.ErrCorrupt, "one byte more")
	})
}

func TestDecodeEditRejectsInvalidFields(t *testing.T) {
	table := version.FileMeta{Number: 7, Bounds: run.PrefixRange([]byte("a"))}
	noNumber, noBounds := table, table
	noNumber.Number, noBounds.Bounds = 0, run.Range{From: []byte("b"), To: []byte("a")}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"another version":          {[]byte{EditVersion + 1, 0}, sstable.ErrVersion},
		"flag":                     {[]byte{EditVersion, 2, 0, 0, 0, 0, 0, 0}, sstable.ErrCorrupt},
		"number not shortest":      {[]byte{EditVersion, 0, 0x80, 0, 0, 0, 0, 0, 0}, sstable.ErrCorrupt},
		"number too large":         {(&Edit{NextFile: MaxFileNumber + 1}).Encode(), sstable.ErrCorrupt},
		"level of a removed table": {(&Edit{Removed: []Location{{version.NumLevels, 1}}}).Encode(), sstable.ErrCorrupt},
		"level of an added table":  {(&Edit{Added: []LevelTable{{version.NumLevels, table}}}).Encode(), sstable.ErrCorrupt},
		"table without number":     {(&Edit{Added: []LevelTable{{0, noNumber}}}).Encode(), sstable.ErrCorrupt},
		"table without bounds":     {(&Edit{Added: []LevelTable{{0, noBounds}}}).Encode(), sstable.ErrCorrupt},
		"large partitions":         {(&Edit{First: true, PartitionBytes: MaxPartitionBytes + 1}).Encode(), sstable.ErrCorrupt},
	} {
		_, err := DecodeEdit(c.b)
		require.ErrorIs(t, err, c.want, name)
	}
}

func TestApplyRejectsEditsThatContradictTheCatalog(t *testing.T) {
	meta := func(number, ofRun uint64) version.FileMeta {
		return version.FileMeta{Number: number, Run: ofRun, Bounds: run.PrefixRange([]byte("a"))}
	}
	numbers := Edit{Flushed: 5, NextFile: 10, NextRun: 6, FirstLog: 9}
	for name, c := range map[string]struct {
		change func(e *Edit)
		want   string // part of the error, empty if the edit is valid
	}{
		"nothing changes":          {func(*Edit) {}, ""},
		"a table is replaced":      {func(e *Edit) { e.Removed, e.Added = []Location{{1, 3}}, []LevelTable{{2, meta(3, 5)}} }, ""},
		"a second first edit":      {func(e *Edit) { e.First = true }, "the first edit, and no other"},
		"a number falls":           {func(e *Edit) { e.NextFile-- }, "lowers a number"},
		"removal of another level": {func(e *Edit) { e.Removed = []Location{{2, 3}} }, "removes table 3, which is not in the tree"},
		"a table twice":            {func(e *Edit) { e.Added = []LevelTable{{2, meta(3, 5)}} }, "adds table 3, which is in the tree already"},
		"an unassigned number":     {func(e *Edit) { e.Added = []LevelTable{{2, meta(10, 5)}} }, "has an unassigned number"},
		"a run not flushed yet":    {func(e *Edit) { e.Added = []LevelTable{{2, meta(4, 6)}} }, "only runs up to 5 are flushed"},
	} {
		c0 := &Catalog{Tables: make(map[uint64]LevelTable)}
		first := numbers
		first.First, first.Added = true, []LevelTable{{1, meta(3, 5)}}
		require.NoError(t, c0.Apply(&first))
		e := numbers
		c.change(&e)
		err := c0.Apply(&e)
		if c.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, sstable.ErrCorrupt, name)
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestParseCurrentRejectsEveryChangedByte(t *testing.T) {
	for _, c := range []Current{{Number: 7, File: vfs.Identity{1, 2}}, {Number: 1 << 40, File: vfs.Identity{3}, ClosedBytes: 1234}} {
		content := c.Content()
		got, err := ParseCurrent(content)
		require.NoError(t, err)
		require.Equal(t, c, got)
		for i := range content {
			for _, flip := range []byte{1, 0x20} {
				changed := []byte(content)
				changed[i] ^= flip
				_, err := ParseCurrent(string(changed))
				require.ErrorIs(t, err, sstable.ErrCorrupt, "%q", changed)
			}
			_, err := ParseCurrent(content[:i])
			require.Error(t, err)
		}
	}
}

func TestParseCurrentAcceptsOneSpellingOnly(t *testing.T) {
	body := Current{Number: 7, ClosedBytes: 1234}.Content()
	body = body[:strings.LastIndex(body, " ")]
	for name, changed := range map[string]string{
		"unchanged":         body,
		"leading zero":      strings.Replace(body, " 1234", " 01234", 1),
		"sign":              strings.Replace(body, " 1234", " +1234", 1),
		"size 0":            strings.Replace(body, " 1234", " 0", 1),
		"one field more":    body + " 1",
		"no identity":       "MANIFEST-000007",
		"uppercase":         strings.Replace(body, "0 1234", "A 1234", 1),
		"version 1 in full": "1 " + strings.TrimPrefix(body, "2 "),
	} {
		_, err := ParseCurrent(fmt.Sprintf("%s %016x\n", changed, run.Hash([]byte(changed))))
		switch name {
		case "unchanged":
			require.NoError(t, err)
		case "version 1 in full":
			require.ErrorIs(t, err, sstable.ErrVersion)
		default:
			require.ErrorIs(t, err, sstable.ErrCorrupt, name)
		}
	}
}

// Edits survive in the file, and a clean close is told from a file that has lost its end.
func TestReadReturnsWhatTheManifestRecorded(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	dir := directory.New(mem, "db")
	require.NoError(t, dir.Lock())
	var m Manifest
	m.Init(dir, func(err error) { require.NoError(t, err) })
	require.NoError(t, m.Begin(1, &Edit{First: true, Split: "whole", NextFile: 2, NextRun: 1}))
	table := version.FileMeta{Number: 2, Run: 1, Bounds: run.PrefixRange([]byte("a")), Clip: run.Range{From: []byte{}}}
	require.NoError(t, m.Append(&Edit{Flushed: 1, NextFile: 3, NextRun: 2, Added: []LevelTable{{0, table}}}))

	c, _, err := Read(t.Context(), mem, "db")
	require.NoError(t, err)
	require.False(t, c.Closed)
	require.Equal(t, "whole", c.Split)
	require.Equal(t, []LevelTable{{0, table}}, c.SortedTables())

	require.NoError(t, m.CloseComplete())
	c, _, err = Read(t.Context(), mem, "db")
	require.NoError(t, err)
	require.True(t, c.Closed)
	name := dir.Join(directory.ManifestName(1))
	content, err := ReadFile(mem, name, 1<<20)
	require.NoError(t, err)
	require.NoError(t, mem.Remove(name))
	f, err := mem.Create(name)
	require.NoError(t, err)
	_, err = f.Write(content[:len(content)-1])
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, file, err := Read(t.Context(), mem, "db")
	require.ErrorIs(t, err, sstable.ErrCorrupt)
	require.True(t, strings.HasPrefix(file, directory.ManifestPrefix))
	require.ErrorContains(t, err, "the store was closed with a manifest of")
}
