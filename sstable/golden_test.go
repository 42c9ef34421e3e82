package sstable

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
)

var update = flag.Bool("update", false, "write the golden fixtures anew")

var fixtureIdentity = vfs.Identity{'f', 'i', 'x', 't', 'u', 'r', 'e', 0, 1, 2, 3, 4, 5, 6, 7, 8}

// fixtureModel returns entries of all kinds, values of all forms, prefix tombstones next to an
// entry of the same key, and range tombstones.
func fixtureModel() model {
	m := model{split: colon}
	add := func(kind run.Kind, value []byte, format string, args ...any) {
		m.entries = append(m.entries, run.Entry{Key: fmt.Appendf(nil, format, args...), Kind: kind, Value: run.Value{Bytes: value}})
	}
	add(run.Delete, nil, "")
	for i := range 40 {
		add(run.Set, bytes.Repeat([]byte{byte(i)}, i), "user%03d:name", i)
	}
	add(run.DeletePrefix, nil, "zone1:")
	add(run.Set, bytes.Repeat([]byte("large "), 45_000), "zone1:")
	add(run.Append, []byte("more"), "zone1:a")
	add(run.Append, nil, "zone1:b")
	add(run.DeletePrefix, nil, "zone2:")
	add(run.Delete, nil, "zone2:x")
	add(run.Set, bytes.Repeat([]byte{7}, 500), "%s", bytes.Repeat([]byte{0xff}, 2000))
	for i := range 4 {
		key := append(bytes.Repeat([]byte{0xff}, 2000), byte(i))
		m.entries = append(m.entries, run.Entry{Key: key, Kind: run.Kind(1 + i%3)})
	}
	m.ranges.Add(run.Range{From: []byte("a"), To: []byte("b")})
	m.ranges.Add(run.Range{From: []byte("x"), To: nil})
	return m
}

// smallModel returns fixtureModel with values of at most 320 bytes.
func smallModel() model {
	m := fixtureModel()
	for i := range m.entries {
		v := &m.entries[i].Value
		v.Bytes = v.Bytes[:min(len(v.Bytes), 320)]
	}
	return m
}

// rangesModel returns a model that has only range tombstones.
func rangesModel() model {
	m := model{split: run.WholeKey}
	m.ranges.Add(run.Range{From: nil, To: []byte{0}})
	m.ranges.Add(run.Range{From: []byte("k"), To: bytes.Repeat([]byte("k"), 1500)})
	return m
}

type fixture struct {
	model   func() model
	options WriterOptions
}

var fixtures = map[string]fixture{
	"v1-full.sst":      {fixtureModel, WriterOptions{BlockBytes: 400, LargeBytes: 300, Compression: S2}},
	"v1-one-block.sst": {fixtureModel, WriterOptions{BlockBytes: 1 << 20, LargeBytes: 1 << 20, Compression: S2}},
	"v1-raw.sst":       {smallModel, WriterOptions{BlockBytes: 400, LargeBytes: 300, FilterBits: 3}},
	"v1-ranges.sst":    {rangesModel, WriterOptions{}},
	"v1-empty.sst":     {func() model { return model{split: run.WholeKey} }, WriterOptions{}},
	"v1-zstd.sst":      {fixtureModel, WriterOptions{Compression: Zstd}},
}

// written returns the file of a model.
func written(t testing.TB, m model, o WriterOptions) ([]byte, Info) {
	t.Helper()
	_, f := newFile(t)
	if o.Identity == (vfs.Identity{}) {
		o.Identity = fixtureIdentity
	}
	info := m.write(t, f, o)
	data := make([]byte, info.Size)
	_, err := f.ReadAt(data, 0)
	require.True(t, err == nil || err == io.EOF)
	return data, info
}

// fileOf returns a file with the given bytes.
func fileOf(t testing.TB, data []byte) vfs.File {
	t.Helper()
	_, f := newFile(t)
	_, err := f.Write(data)
	require.NoError(t, err)
	return f
}

func readFixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return b
}

// A difference means that the bytes of version 1 have changed: raise the version, or find the
// mistake. The output of compressors is not part of the format and depends on the processor,
// so fixtures with compression are only read.
func TestFixturesAreWrittenByteForByte(t *testing.T) {
	for name, fixture := range fixtures {
		data, _ := written(t, fixture.model(), fixture.options)
		if *update {
			require.NoError(t, os.WriteFile(filepath.Join("testdata", name), data, 0o644))
		}
		if fixture.options.Compression != None {
			continue
		}
		require.True(t, bytes.Equal(readFixture(t, name), data), "%d bytes differ from testdata/%s", len(data), name)
	}
}

func TestFixturesAreRead(t *testing.T) {
	for name, fixture := range fixtures {
		m := fixture.model()
		table, err := Open(fileOf(t, readFixture(t, name)), ReaderOptions{Split: m.split, Identity: fixtureIdentity})
		require.NoError(t, err, name)
		it := table.Iterator(IteratorOptions{})
		for i := range m.entries {
			require.True(t, it.Next())
			requireEntry(t, &m.entries[i], it.Entry())
			requireGet(t, &m, table, m.entries[i].Key)
		}
		require.False(t, it.Next())
		require.NoError(t, it.Err())
		require.NoError(t, table.Verify(t.Context(), nil))
		require.NoError(t, table.Close())
	}
}

// The builder was written from the format page alone.
func TestFormatPageIsEnoughToWriteTables(t *testing.T) {
	for name, fixture := range fixtures {
		if fixture.options.Compression == Zstd {
			continue
		}
		m := fixture.model()
		o := fixture.options.withDefaults()
		data, info := written(t, m, fixture.options)
		groups := groupsOf(t, data, &m)
		mine := built(fixtureIdentity, fixture.options.Compression == S2, groups, m.ranges, m.split, info, o.FilterBits, int(o.LargeBytes))
		require.True(t, bytes.Equal(data, mine), name)
	}
}

// groupsOf returns the entries of each data block, because the writer is free to choose where
// blocks end.
func groupsOf(t testing.TB, data []byte, m *model) (groups [][]run.Entry) {
	table, err := Open(fileOf(t, data), ReaderOptions{Split: m.split})
	require.NoError(t, err)
	it := table.Iterator(IteratorOptions{})
	at := -1
	for i := 0; it.Next(); i++ {
		if it.at != at {
			groups, at = append(groups, nil), it.at
		}
		last := &groups[len(groups)-1]
		*last = append(*last, m.entries[i])
	}
	require.NoError(t, it.Err())
	require.NoError(t, table.Close())
	return groups
}
