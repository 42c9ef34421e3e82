package sstable

import (
	"io"
	"slices"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/run"
)

// hostile describes a file with one entry and correct checksums, whose content may be invalid.
type hostile struct {
	chunks  [][]byte // uncompressed chunks of the value; nil: the value is in the data block
	size    int64    // size of the value in the reference; 0: the correct one
	stored  int      // added to the size of the chunks in the reference
	form    byte
	block   func(b *building, raw []byte) int // appends the data block; nil: a valid one
	hashes  []uint64                          // hashes in the filter; nil: no filter
	entries int64                             // number of entries in the properties
	bytes   int64                             // bytes of values in the properties
}

func (h hostile) file() []byte {
	b := building{id: fixtureIdentity}
	b.header(1)
	e := run.Entry{Key: []byte("k"), Kind: run.Set, Value: run.Value{Bytes: []byte("v")}}
	if h.chunks != nil {
		from, size := len(b.file), int64(0)
		for _, c := range h.chunks {
			b.put(u32(len(c)+16), b.block(0, c, len(c), len(b.file)+4))
			size += int64(len(c))
		}
		if h.size != 0 {
			size = h.size
		}
		e.Value.Bytes = slices.Concat(u64(uint64(from)), u64(uint64(size)), u64(uint64(len(b.file)-from+h.stored)))
		h.form = 8
	}
	raw := builtEntries([]run.Entry{e}, []byte{h.form})
	at := len(b.file)
	size := 0
	if h.block == nil {
		size = b.raw(raw)
	} else {
		size = h.block(&b, raw)
	}
	filterBytes, probes := 0, 0
	if h.hashes != nil {
		var filter []byte
		filter, probes = builtFilter(h.hashes, 10)
		filterBytes = b.raw(filter)
	}
	index := b.raw(builtIndex(nil, []int{at}, []int{size}))
	info := Info{Entries: h.entries, KeyBytes: 1, ValueBytes: h.bytes, Range: keyRange([]byte("k"))}
	b.footer(int64(filterBytes), int64(index), 0, int64(b.raw(builtProperties("whole", probes, info))))
	return b.file
}

// Verify must reject invalid files with correct checksums; a read must reject them if it reaches the
// invalid part.
func TestInvalidFilesWithCorrectChecksumsAreCorrupt(t *testing.T) {
	chunk := []byte("0123456789")
	full := make([]byte, maxChunkBytes)
	key := run.Hash([]byte("k"))
	// packed appends a block that claims to have rawBytes before compression.
	packed := func(rawBytes int, stored []byte) func(*building, []byte) int {
		return func(b *building, _ []byte) int {
			all := b.block(1, stored, rawBytes, len(b.file))
			b.put(all)
			return len(all)
		}
	}
	bomb := s2.Encode(nil, make([]byte, 64<<20))
	for name, c := range map[string]struct {
		file        hostile
		valid, read bool // result of Verify; result of Get and of reading its value
	}{
		"valid":                     {hostile{entries: 1, bytes: 1}, true, true},
		"valid with filter":         {hostile{entries: 1, bytes: 1, hashes: []uint64{key}}, true, true},
		"valid chunk":               {hostile{entries: 1, bytes: 10, chunks: [][]byte{chunk}}, true, true},
		"valid chunks":              {hostile{entries: 1, bytes: maxChunkBytes + 10, chunks: [][]byte{full, chunk}}, true, true},
		"chunk too long":            {hostile{entries: 1, bytes: 9, chunks: [][]byte{chunk}, size: 9}, false, false},
		"chunk too short":           {hostile{entries: 1, bytes: 11, chunks: [][]byte{chunk}, size: 11}, false, false},
		"first chunk too short":     {hostile{entries: 1, bytes: 20, chunks: [][]byte{chunk, chunk}}, false, false},
		"chunks after the end":      {hostile{entries: 1, bytes: maxChunkBytes, chunks: [][]byte{full, chunk}, size: maxChunkBytes}, false, false},
		"missing chunk":             {hostile{entries: 1, bytes: maxChunkBytes + 1, chunks: [][]byte{full}, size: maxChunkBytes + 1, stored: 30}, false, false},
		"chunks cut off":            {hostile{entries: 1, bytes: 10, chunks: [][]byte{chunk}, stored: -1}, false, false},
		"value of no bytes":         {hostile{entries: 1, chunks: [][]byte{{}}}, false, false},
		"value too large":           {hostile{entries: 1, chunks: [][]byte{chunk}, size: 1 << 40}, false, false},
		"reference too short":       {hostile{entries: 1, bytes: 1, form: 8}, false, false},
		"unknown form":              {hostile{entries: 1, bytes: 1, form: 16}, false, false},
		"wrong number of entries":   {hostile{entries: 2, bytes: 1}, false, true},
		"wrong bytes of values":     {hostile{entries: 1, bytes: 2}, false, true},
		"filter without the key":    {hostile{entries: 1, bytes: 1, hashes: []uint64{}}, false, true},
		"bomb":                      {hostile{entries: 1, bytes: 1, block: packed(64<<20, bomb)}, false, false},
		"bomb with a small size":    {hostile{entries: 1, bytes: 1, block: packed(1<<20, bomb)}, false, false},
		"compression saves nothing": {hostile{entries: 1, bytes: 1, block: packed(3, []byte{3, 8, 1, 2, 3})}, false, false},
	} {
		table, err := Open(fileOf(t, c.file.file()), ReaderOptions{})
		require.NoError(t, err, name)
		if err := table.Verify(t.Context(), nil); c.valid {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, ErrCorrupt, name)
		}
		var p run.LookupKey
		var f run.Lookup
		run.WholeKey.Prepare(&p, []byte("k"))
		_, err = table.Get(&p, &f)
		if err == nil {
			_, err = io.Copy(io.Discard, f.Reader())
		}
		if c.read {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, ErrCorrupt, name)
		}
		require.LessOrEqual(t, cap(table.lock.raw), maxPackedBytes, name)
		require.NoError(t, table.Close())
	}
}

// Sizes in the footer must not make the reader allocate more memory than the file has bytes.
func TestImpossibleSectionSizesAreCorrupt(t *testing.T) {
	h := hostile{entries: 1, bytes: 1}
	for _, sizes := range [][4]int64{
		{1 << 62, 72, 0, 30}, {0, 1 << 40, 0, 30}, {0, 0, 0, 30}, {0, 72, 0, 0}, {15, 72, 0, 30}, {-1, 72, 0, 30},
	} {
		file := h.file()
		b := building{id: fixtureIdentity, file: file[:len(file)-footerBytes]}
		b.footer(sizes[0], sizes[1], sizes[2], sizes[3])
		_, err := Open(fileOf(t, b.file), ReaderOptions{})
		require.ErrorIs(t, err, ErrCorrupt)
	}
}
