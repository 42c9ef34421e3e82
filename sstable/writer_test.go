package sstable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs/vfstest"
)

func TestEntriesOutOfOrderAreRefused(t *testing.T) {
	a, b := []byte("a"), []byte("b")
	for _, c := range []struct {
		first, second run.Entry
		want          error
	}{
		{run.Entry{Key: a, Kind: run.Set}, run.Entry{Key: b, Kind: run.Set}, nil},
		{run.Entry{Key: a, Kind: run.DeletePrefix}, run.Entry{Key: a, Kind: run.Set}, nil},
		{run.Entry{Key: a, Kind: run.DeletePrefix}, run.Entry{Key: a, Kind: run.DeletePrefix}, ErrOrder},
		{run.Entry{Key: a, Kind: run.Set}, run.Entry{Key: a, Kind: run.DeletePrefix}, ErrOrder},
		{run.Entry{Key: a, Kind: run.Set}, run.Entry{Key: a, Kind: run.Delete}, ErrOrder},
		{run.Entry{Key: b, Kind: run.Set}, run.Entry{Key: a, Kind: run.Set}, ErrOrder},
		{run.Entry{Key: a, Kind: run.Set}, run.Entry{Key: nil, Kind: run.Set}, ErrOrder},
		{run.Entry{Key: a, Kind: run.Set}, run.Entry{Key: b}, ErrInvalidOption},
		{run.Entry{Key: a, Kind: run.Set}, run.Entry{Key: b, Kind: 5}, ErrInvalidOption},
	} {
		_, f := newFile(t)
		w := NewWriter(f, WriterOptions{})
		require.NoError(t, w.Add(&c.first))
		err := w.Add(&c.second)
		require.ErrorIs(t, err, c.want)
		_, finishErr := w.Finish()
		require.Equal(t, err, finishErr)
	}
}

func TestFinishedWriterRefusesCalls(t *testing.T) {
	_, f := newFile(t)
	w := NewWriter(f, WriterOptions{})
	_, err := w.Finish()
	require.NoError(t, err)
	require.ErrorIs(t, w.Add(&run.Entry{Kind: run.Set}), ErrFinished)
	require.ErrorIs(t, w.AddRange(run.Range{}), ErrFinished)
	_, err = w.Finish()
	require.ErrorIs(t, err, ErrFinished)
}

func TestUnknownCompressionIsRefused(t *testing.T) {
	_, f := newFile(t)
	_, err := NewWriter(f, WriterOptions{Compression: 3}).Finish()
	require.ErrorIs(t, err, ErrInvalidOption)
}

// A block that is larger than a frame is never cached. Only a single entry, or a prefix
// tombstone together with the entry of its key, may make a block larger than BlockBytes.
func TestOnlyALargeEntryMakesABlockTooLarge(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := randomModel(rng, 200)
		o := randomOptions(rng)
		table := openModel(t, &m, o, ReaderOptions{})
		for i := range table.index.count {
			raw, err := table.block(i)
			require.NoError(t, err)
			var b block
			require.True(t, b.parse(raw))
			if len(raw) > o.withDefaults().BlockBytes && b.count > 1 {
				require.Equal(t, 2, b.count)
				first, _ := b.at(b.offset(0))
				second, _ := b.at(b.offset(1))
				require.Equal(t, run.DeletePrefix, first.kind())
				require.Equal(t, b.suffix(first), b.suffix(second))
			}
		}
		require.NoError(t, table.Close())
	}
}

// The writer fills blocks nearly to BlockBytes.
func TestBlocksAreFull(t *testing.T) {
	m := numbered(5000, 'a', 90)
	table := openModel(t, &m, WriterOptions{}, ReaderOptions{})
	for i := range table.index.count - 1 {
		raw, err := table.block(i)
		require.NoError(t, err)
		require.Greater(t, len(raw), DefaultBlockBytes-130)
	}
	require.NoError(t, table.Close())
}

func TestSizeGrowsWithEachEntry(t *testing.T) {
	_, f := newFile(t)
	w := NewWriter(f, WriterOptions{FilterBits: -1})
	m := numbered(1000, 'a', 90)
	last := int64(0)
	for i := range m.entries {
		require.NoError(t, w.Add(&m.entries[i]))
		require.Greater(t, w.Size(), last)
		last = w.Size()
	}
	require.InDelta(t, 1000*102, last, 6000)
}

func TestInfoRangeIsTight(t *testing.T) {
	long := bytes.Repeat([]byte("k"), 3000)
	entry := func(kind run.Kind, key []byte) run.Entry { return run.Entry{Kind: kind, Key: key} }
	for name, c := range map[string]struct {
		entries []run.Entry
		ranges  run.Ranges
		want    run.Range
	}{
		"nothing":     {nil, nil, run.Range{From: []byte{}, To: []byte{}}},
		"key":         {[]run.Entry{entry(run.Set, []byte("b"))}, nil, run.Range{From: []byte("b"), To: []byte("b\x00")}},
		"prefix":      {[]run.Entry{entry(run.DeletePrefix, []byte("b:"))}, nil, run.Range{From: []byte("b:"), To: []byte("b;")}},
		"key after":   {[]run.Entry{entry(run.DeletePrefix, []byte("b:")), entry(run.Set, []byte("c"))}, nil, run.Range{From: []byte("b:"), To: []byte("c\x00")}},
		"key within":  {[]run.Entry{entry(run.DeletePrefix, []byte("b:")), entry(run.Set, []byte("b:x"))}, nil, run.Range{From: []byte("b:"), To: []byte("b;")}},
		"nested":      {[]run.Entry{entry(run.DeletePrefix, []byte("b")), entry(run.DeletePrefix, []byte("b:"))}, nil, run.Range{From: []byte("b"), To: []byte("c")}},
		"no end":      {[]run.Entry{entry(run.DeletePrefix, []byte{0xff})}, nil, run.Range{From: []byte{0xff}}},
		"ranges":      {[]run.Entry{entry(run.Set, []byte("b"))}, run.Ranges{{From: []byte("a"), To: []byte("aa")}, {From: []byte("x"), To: []byte("y")}}, run.Range{From: []byte("a"), To: []byte("y")}},
		"only ranges": {nil, run.Ranges{{From: []byte("a"), To: nil}}, run.Range{From: []byte("a")}},
		"long":        {[]run.Entry{entry(run.Set, long)}, nil, run.Range{From: long[:1024], To: append(bytes.Clone(long[:1023]), 'l')}},
	} {
		m := model{entries: c.entries, ranges: c.ranges, split: colon}
		_, info := written(t, m, WriterOptions{})
		if len(info.Range.From) == 0 {
			require.Empty(t, c.want.From, name)
			info.Range.From = c.want.From
		}
		require.Equal(t, c.want, info.Range, name)
	}
}

func TestInfoCountsEntries(t *testing.T) {
	m := fixtureModel()
	_, info := written(t, m, WriterOptions{})
	want := Info{Identity: fixtureIdentity, Size: info.Size, Range: info.Range}
	for _, e := range m.entries {
		want.KeyBytes += int64(len(e.Key))
		want.ValueBytes += int64(len(e.Value.Bytes))
		switch e.Kind {
		case run.DeletePrefix:
			want.Tombstones++
			continue
		case run.Delete:
			want.Deletes++
		case run.Append:
			want.Appends++
		}
		want.Entries++
	}
	require.Equal(t, want, info)
}

// zeros is a large value of zeros; only its size is in memory.
type zeros int64

func (z zeros) Size() int64       { return int64(z) }
func (z zeros) Reader() io.Reader { return &zeroReader{int64(z)} }

type zeroReader struct{ left int64 }

func (r *zeroReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.left)
	clear(p[:n])
	r.left -= n
	return int(n), nil
}

// Appends can make a value larger than a single write allows.
func TestValueAboveTwoGigabytesIsAStream(t *testing.T) {
	density.InCampaigns(t) // writes and reads 2 GiB of zeros
	const size = zeros(1<<31 + 1)
	_, f := newFile(t)
	w := NewWriter(f, WriterOptions{Compression: S2})
	require.NoError(t, w.Add(&run.Entry{Key: []byte("k"), Kind: run.Set, Value: run.Value{Large: size}}))
	info, err := w.Finish()
	require.NoError(t, err)
	require.EqualValues(t, size, info.ValueBytes)
	table, err := Open(f, ReaderOptions{})
	require.NoError(t, err)
	var p run.LookupKey
	var found run.Lookup
	run.WholeKey.Prepare(&p, []byte("k"))
	last, err := table.Get(&p, &found)
	require.NoError(t, err)
	require.True(t, last)
	require.EqualValues(t, size, found.Size())
	n, err := io.Copy(io.Discard, found.Reader())
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	require.NoError(t, table.Close())
}

// Add returns an error if the stream of a value ends early or fails.
func TestShortStreamIsAnError(t *testing.T) {
	bad := errors.New("bad")
	for _, size := range []int64{10, 100, maxChunkBytes + 1} {
		for _, c := range []struct {
			reader io.Reader
			want   error
		}{
			{&zeroReader{size - 1}, io.ErrUnexpectedEOF},
			{&zeroReader{0}, io.ErrUnexpectedEOF},
			{io.MultiReader(&zeroReader{size / 2}, failing{bad}), bad},
		} {
			_, f := newFile(t)
			w := NewWriter(f, WriterOptions{LargeBytes: 50})
			value := run.Value{Large: mismatchedLarge{size, c.reader}}
			require.ErrorIs(t, w.Add(&run.Entry{Kind: run.Set, Value: value}), c.want)
			_, err := w.Finish()
			require.ErrorIs(t, err, c.want)
		}
	}
}

// mismatchedLarge is a large value whose stream may not have the stated size.
type mismatchedLarge struct {
	size   int64
	reader io.Reader
}

func (l mismatchedLarge) Size() int64       { return l.size }
func (l mismatchedLarge) Reader() io.Reader { return l.reader }

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// A key larger than a block gets its own block.
func TestLongKeysAreFound(t *testing.T) {
	m := model{split: run.WholeKey}
	long := bytes.Repeat([]byte("long"), 1<<20)
	for i := range 3 {
		key := append(bytes.Clone(long), byte(i))
		m.entries = append(m.entries,
			run.Entry{Key: key, Kind: run.DeletePrefix},
			run.Entry{Key: key, Kind: run.Set, Value: run.Value{Bytes: []byte{byte(i)}}})
	}
	for _, c := range []Compression{None, S2} {
		table := openModel(t, &m, WriterOptions{Compression: c}, ReaderOptions{})
		for i := range m.entries {
			requireGet(t, &m, table, m.entries[i].Key)
		}
		requireGet(t, &m, table, long)
		require.NoError(t, table.Verify(t.Context(), nil))
		require.NoError(t, table.Close())
	}
}

// The published false positive rate of blocked Bloom filters with 10 bits is 1.1 to 1.3 %.
func TestFilterHasFewFalsePositives(t *testing.T) {
	for bits, most := range map[int]float64{5: 0.12, 10: 0.014, 16: 0.002} {
		h := hashes{budget: slab.NewBudget(0)}
		const n = 100_000
		hash := func(i int) uint64 { return run.Hash(binary.BigEndian.AppendUint32(nil, uint32(i))) }
		for i := range n {
			h.add(hash(i))
		}
		f, err := h.filter(bits)
		require.NoError(t, err)
		wrong := 0
		for i := range n {
			require.True(t, f.mayHold(hash(i)))
			if f.mayHold(hash(n + i)) {
				wrong++
			}
		}
		require.Less(t, float64(wrong)/n, most, bits)
	}
}

func TestFilterSizeIsCountedIn64Bits(t *testing.T) {
	require.EqualValues(t, 64, filterBytes(0, 10))
	require.EqualValues(t, 64, filterBytes(51, 10))
	require.EqualValues(t, 128, filterBytes(52, 10))
	require.EqualValues(t, int64(10)<<33, filterBytes(1<<36, 10))
	require.EqualValues(t, int64(1)<<62, filterBytes(1<<62, 64))
}

func TestClippedBytesEstimatesTheClippedPart(t *testing.T) {
	for name, valueBytes := range map[string]int{"small values": 100, "large values": defaultLargeBytes + 1} {
		_, f := newFile(t)
		w := NewWriter(f, WriterOptions{BlockBytes: 512})
		value, rng := make([]byte, valueBytes), rand.NewChaCha8([32]byte{})
		for i := range 400 {
			_, _ = rng.Read(value)
			require.NoError(t, w.Add(&run.Entry{Key: []byte{byte(i >> 8), byte(i)}, Kind: run.Set, Value: run.Value{Bytes: value}}))
		}
		info, err := w.Finish()
		require.NoError(t, err)
		for _, c := range []struct {
			clip run.Range
			want float64
		}{
			{run.Range{}, 1},
			{run.Range{From: []byte{0, 100}}, 0.75},
			{run.Range{To: []byte{1, 44}}, 0.75},
			{run.Range{From: []byte{0, 100}, To: []byte{0, 200}}, 0.25},
			{run.Range{From: []byte{2}}, 0},
		} {
			table, err := Open(f, ReaderOptions{Clip: c.clip})
			require.NoError(t, err)
			require.InDelta(t, c.want, float64(table.ClippedBytes())/float64(info.Size), 0.1, "%s, %v", name, c.clip)
		}
	}
}

// Building a filter takes 8 bytes for each key: 40 MB for a file with 5,000,000 keys.
func TestFileAboveFilterMemoryHasNoFilter(t *testing.T) {
	for _, keys := range []int{500, 2000} {
		budget := slab.NewBudget(0)
		disk := vfstest.NewMem(vfstest.MemOptions{})
		f, err := disk.Create("table")
		require.NoError(t, err)
		w := NewWriter(f, WriterOptions{FilterMemory: 8000, Budget: budget})
		for i := range keys {
			require.NoError(t, w.Add(&run.Entry{Key: fmt.Appendf(nil, "%06d", i), Kind: run.Set}))
			require.LessOrEqual(t, budget.Used(), int64(8000+hashChunkBytes))
		}
		_, err = w.Finish()
		require.NoError(t, err)
		require.Zero(t, budget.Used())
		w.Close()
		require.NoError(t, f.Close())
		f, err = disk.Open("table")
		require.NoError(t, err)
		table, err := Open(f, ReaderOptions{})
		require.NoError(t, err)
		require.Equal(t, keys < 1000, len(table.filter.blocks) > 0)
		var p run.LookupKey
		run.WholeKey.Prepare(&p, fmt.Appendf(nil, "%06d", keys-1))
		var found run.Lookup
		last, err := table.Get(&p, &found)
		require.NoError(t, err)
		require.True(t, last)
		require.NoError(t, table.Close())
	}
}

func TestClosedWriterRefusesCallsAndHoldsNoMemory(t *testing.T) {
	budget := slab.NewBudget(0)
	_, f := newFile(t)
	w := NewWriter(f, WriterOptions{Budget: budget})
	require.NoError(t, w.Add(&run.Entry{Key: []byte("a"), Kind: run.Set}))
	require.NotZero(t, budget.Used())
	for range 2 {
		w.Close()
		require.Zero(t, budget.Used())
		require.ErrorIs(t, w.Add(&run.Entry{Key: []byte("b"), Kind: run.Set}), ErrFinished)
	}
	_, err := w.Finish()
	require.ErrorIs(t, err, ErrFinished)
}
