package sstable

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
)

// damagedModel returns a model whose file has a few bytes in every kind of block, and a value of two
// chunks if the file is compressed.
func damagedModel(c Compression) model {
	m := model{split: colon}
	add := func(kind run.Kind, key string, value []byte) {
		m.entries = append(m.entries, run.Entry{Key: []byte(key), Kind: kind, Value: run.Value{Bytes: value}})
	}
	add(run.DeletePrefix, "a:", nil)
	add(run.Set, "a:", []byte("1"))
	add(run.Append, "a:2", bytes.Repeat([]byte("x"), 70))
	add(run.Delete, "a:3", nil)
	if c == None {
		add(run.Set, "b:1", bytes.Repeat([]byte("y"), 90))
	} else {
		add(run.Set, "b:1", make([]byte, maxChunkBytes+5))
	}
	for _, key := range []string{"c:1", "c:2", "c:3", "d"} {
		add(run.Set, key, bytes.Repeat([]byte(key), 10))
	}
	add(run.DeletePrefix, "e:", nil)
	m.ranges.Add(run.Range{From: []byte("b"), To: []byte("c:2")})
	m.ranges.Add(run.Range{From: []byte("q"), To: nil})
	return m
}

// requireCorrectOrCorrupt opens a damaged file and reads everything: each answer must be correct or
// ErrCorrupt. It reports whether everything was correct, including Verify.
func requireCorrectOrCorrupt(t *testing.T, m *model, data []byte, o ReaderOptions) (valid bool) {
	t.Helper()
	table, err := Open(fileOf(t, data), o)
	if err != nil {
		require.ErrorIs(t, err, ErrCorrupt)
		return false
	}
	defer func() { require.NoError(t, table.Close()) }()
	valid = true
	failed := func(err error) bool {
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			valid = false
		}
		return err != nil
	}
	for _, key := range append(keysOf(m), []byte("c:9"), []byte("zz")) {
		var p run.LookupKey
		var f run.Lookup
		m.split.Prepare(&p, key)
		last, err := table.Get(&p, &f)
		if failed(err) {
			continue
		}
		kind, want, wantLast := m.get(key)
		require.Equal(t, wantLast, last)
		require.Equal(t, kind.HasValue(), f.Exists())
		if value, err := f.AppendTo(nil); !failed(err) {
			require.True(t, bytes.Equal(want, value))
		}
	}
	it := table.Iterator(IteratorOptions{Readahead: 300})
	for i := 0; it.Next(); i++ {
		require.Less(t, i, len(m.entries))
		e := it.Entry()
		require.Equal(t, m.entries[i].Key, e.Key)
		require.Equal(t, m.entries[i].Kind, e.Kind)
		if value, err := e.Value.AppendTo(nil); !failed(err) {
			require.True(t, bytes.Equal(m.entries[i].Value.Bytes, value))
		}
	}
	failed(it.Err())
	require.Equal(t, m.ranges, table.Ranges())
	failed(table.Verify(t.Context(), nil))
	return valid
}

func keysOf(m *model) (keys [][]byte) {
	for i := range m.entries {
		keys = append(keys, m.entries[i].Key)
	}
	return keys
}

var damagedOptions = WriterOptions{BlockBytes: 100, LargeBytes: 60}

// checkDamagedFiles calls do with a file of each compression, and with a function that checks a
// damaged version of that file. It requires that the readers return all memory to the budget.
func checkDamagedFiles(t *testing.T, do func(data []byte, valid func(damaged []byte) bool)) {
	budget := slab.NewBudget(0)
	for _, c := range []Compression{None, S2, Zstd} {
		m := damagedModel(c)
		o := damagedOptions
		o.Compression = c
		data, _ := written(t, m, o)
		do(data, func(damaged []byte) bool {
			return requireCorrectOrCorrupt(t, &m, damaged, ReaderOptions{Split: m.split, Budget: budget})
		})
	}
	require.Zero(t, budget.Used())
}

// allFlips are the masks that flip one bit or all bits of a byte.
var allFlips = []byte{1, 2, 4, 8, 16, 32, 64, 128, 0xff}

// Every byte of a file is covered by a checksum, or compared with its expected value.
func TestEveryFlippedByteIsDetected(t *testing.T) {
	checkDamagedFiles(t, func(data []byte, valid func([]byte) bool) {
		require.True(t, valid(data))
		for i := range data {
			flips := []byte{1, 0x80, 0xff}
			flips = density.Of(t, flips[i%3:i%3+1], flips, allFlips)
			for _, flip := range flips {
				damaged := slices.Clone(data)
				damaged[i] ^= flip
				require.False(t, valid(damaged), "byte %d of %d", i, len(data))
			}
		}
	})
}

func TestTruncatedAndExtendedFilesAreDetected(t *testing.T) {
	checkDamagedFiles(t, func(data []byte, valid func([]byte) bool) {
		for n := range data {
			require.False(t, valid(data[:n]), n)
			require.False(t, valid(data[n:]) && n > 0, n)
		}
		for _, more := range [][]byte{{0}, make([]byte, 5000), data} {
			require.False(t, valid(append(slices.Clone(data), more...)))
		}
	})
}

// File systems return zeros for pages that they have lost.
func TestPagesOfZerosAreDetected(t *testing.T) {
	m := damagedModel(None)
	data, _ := written(t, m, damagedOptions)
	for from := 0; from < len(data); from += 16 {
		damaged := slices.Clone(data)
		clear(damaged[from:min(from+512, len(data))])
		require.False(t, requireCorrectOrCorrupt(t, &m, damaged, ReaderOptions{Split: m.split}), from)
	}
}

func TestMovedAndForeignBlocksAreDetected(t *testing.T) {
	m := model{split: run.WholeKey}
	for _, key := range []string{"a", "b", "c"} {
		m.entries = append(m.entries, run.Entry{Key: []byte(key), Kind: run.Set, Value: run.Value{Bytes: []byte(key)}})
	}
	o := WriterOptions{BlockBytes: 1}
	data, _ := written(t, m, o)
	table, err := Open(fileOf(t, data), ReaderOptions{})
	require.NoError(t, err)
	from, to, size := table.index.offset(0), table.index.offset(1), table.index.size(0)
	require.Equal(t, size, table.index.size(1))
	require.NoError(t, table.Close())

	moved := slices.Clone(data)
	copy(moved[from:from+size], data[to:])
	copy(moved[to:to+size], data[from:])
	require.False(t, requireCorrectOrCorrupt(t, &m, moved, ReaderOptions{}))

	o.Identity = vfs.Identity{1}
	other, _ := written(t, m, o)
	mixed := slices.Clone(data)
	copy(mixed[from:from+size], other[from:])
	require.False(t, requireCorrectOrCorrupt(t, &m, mixed, ReaderOptions{}))
}

func TestOpenRejectsFilesThatDoNotMatchTheOptions(t *testing.T) {
	m := damagedModel(None)
	data, info := written(t, m, damagedOptions)
	for name, c := range map[string]struct {
		data []byte
		o    ReaderOptions
		want error
	}{
		"identity": {data, ReaderOptions{Split: colon, Identity: vfs.Identity{9}}, ErrCorrupt},
		"size":     {data, ReaderOptions{Split: colon, Size: info.Size + 1}, ErrCorrupt},
		"split":    {data, ReaderOptions{Split: firstTwo}, ErrSplit},
		"version":  {withVersion(data, 2), ReaderOptions{Split: colon}, ErrVersion},
		"empty":    {nil, ReaderOptions{Split: colon}, ErrCorrupt},
	} {
		_, err := Open(fileOf(t, c.data), c.o)
		require.ErrorIs(t, err, c.want, name)
		require.Equal(t, c.want == ErrCorrupt, errors.Is(err, ErrCorrupt), name)
	}
}

func withVersion(data []byte, version int) []byte {
	b := building{id: fixtureIdentity}
	b.header(version)
	return append(b.file, data[len(b.file):]...)
}
