package sstable

import (
	"cmp"
	"encoding/binary"
	"io"
	"runtime"
	"slices"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
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
	bomb    func(b *building) []byte          // a block for the place of another; nil: a valid one
	place   string                            // the block that bomb replaces: filter, index, properties or value
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
			block := b.block(0, c, len(c), len(b.file)+4)
			if h.place == "value" {
				b.put(u32(0))
				block = h.bomb(&b)
				b.file = b.file[:len(b.file)-4]
			}
			b.put(u32(len(block)), block)
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
		filterBytes = h.put(&b, "filter", filter)
	}
	index := h.put(&b, "index", builtIndex(nil, []int{at}, []int{size}))
	info := Info{Entries: h.entries, KeyBytes: 1, ValueBytes: h.bytes, Range: keyRange([]byte("k"))}
	b.footer(int64(filterBytes), int64(index), 0, int64(h.put(&b, "properties", builtProperties("whole", probes, info))))
	return b.file
}

// put appends a block, or the bomb if it replaces this block, and returns its size.
func (h hostile) put(b *building, place string, content []byte) int {
	if h.place != place {
		return b.raw(content)
	}
	bomb := h.bomb(b)
	b.put(bomb)
	return len(bomb)
}

// zstdBomb returns a zstd frame of n blocks, each of which repeats one byte 128 Ki times.
func zstdBomb(n int) []byte {
	frame := []byte{0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x38} // magic, no content size, window of 128 KiB
	for range n - 1 {
		frame = append(frame, 0x02, 0x00, 0x10, 0)
	}
	return append(frame, 0x03, 0x00, 0x10, 0)
}

// s2Bomb returns S2 data that has, or claims to have, the given size.
func s2Bomb(claimed uint64) []byte {
	encoded := s2.Encode(nil, make([]byte, 64<<20))
	_, n := binary.Uvarint(encoded)
	return append(binary.AppendUvarint(nil, claimed), encoded[n:]...)
}

// The files have a few KiB and contain, or claim to contain, up to 10 GiB. Reading them is an
// error in bounded memory, wherever the block stands.
func TestBombsInEveryBlockAreCorrupt(t *testing.T) {
	const tenGiB = 10 << 30
	decoder, err := zstd.NewReader(nil)
	require.NoError(t, err)
	defer decoder.Close()
	decoded, err := decoder.DecodeAll(zstdBomb(3), nil)
	require.NoError(t, err)
	require.Len(t, decoded, 3<<17, "the frame is valid")
	bombs := map[string]struct {
		form   byte
		stored []byte
	}{
		"zstd 31 MiB in 1 KiB": {2, zstdBomb(250)}, "zstd 10 GiB": {2, zstdBomb(tenGiB >> 17)},
		"s2 64 MiB": {1, s2Bomb(64 << 20)}, "s2 claims 4 GiB": {1, s2Bomb(1<<32 - 1)}, "s2 claims 10 GiB": {1, s2Bomb(tenGiB)},
	}
	for name, bomb := range bombs {
		for _, rawBytes := range []uint64{maxPackedBytes, maxPackedBytes + 1, 64 << 20, tenGiB, 1<<56 - 1} {
			for _, place := range []string{"data", "value", "filter", "index", "properties"} {
				block := func(b *building) []byte {
					all := slices.Concat(bomb.stored, u64(uint64(bomb.form)<<56|rawBytes))
					return append(all, b.sum(all, len(b.file))...)
				}
				h := hostile{entries: 1, bytes: 1, bomb: block, place: place}
				switch place {
				case "data":
					h.block = func(b *building, _ []byte) int { all := block(b); b.put(all); return len(all) }
				case "value":
					h.bytes, h.chunks = maxChunkBytes, [][]byte{make([]byte, maxChunkBytes)}
				case "filter":
					h.hashes = []uint64{run.Hash([]byte("k"))}
				}
				file := h.file()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				err := readKey(t, file)
				runtime.ReadMemStats(&after)
				require.ErrorIs(t, err, ErrCorrupt, "%s of %d as %s", name, rawBytes, place)
				require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20+4*len(file)), "%s of %d as %s", name, rawBytes, place)
			}
		}
	}
}

// readKey opens a file, verifies it, and reads the value of the key k. It returns the first error.
func readKey(t testing.TB, file []byte) error {
	table, err := Open(fileOf(t, file), ReaderOptions{})
	if err != nil {
		return err
	}
	defer table.Close()
	verified := table.Verify(t.Context(), nil)
	var p run.LookupKey
	var f run.Lookup
	run.WholeKey.Prepare(&p, []byte("k"))
	if _, err = table.Get(&p, &f); err == nil {
		_, err = io.Copy(io.Discard, f.Reader())
	}
	return cmp.Or(verified, err)
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
