package snapshot_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// The files of these tests have correct checksums and wrong content, as an attacker writes them.

// huge is a count or a size for which no memory may be allocated.
const huge = 1 << 60

type hostileFile struct {
	name  string
	build func(t testing.TB) []byte
	want  error
}

// requireHarmless reads and restores hostile files. Each must return its error in bounded
// memory.
func requireHarmless(t *testing.T, files []hostileFile) {
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			file := f.build(t)
			limit := 64<<20 + 4*uint64(len(file))
			var err error
			took := allocatedBytes(func() {
				if err = readFile(file, ignore); err == nil {
					_, err = restoreFile(t, eightGroups, file)
				}
			})
			require.ErrorIs(t, err, f.want)
			require.LessOrEqual(t, took, limit, "bytes allocated for a file of %d", len(file))
			t.Log(len(file), "bytes,", took, "allocated:", err)
		})
	}
}

// allocatedBytes returns the number of bytes that f allocates, freed or not.
func allocatedBytes(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// validFile returns a file that readers accept. It shows that the builder works, so that hostile
// files are refused for the reason under test.
func validFile(t testing.TB) *builder {
	b := hostile(t)
	b.rows(1, countRow(1, "a", 0), countRow(1, "b", 0))
	b.rows(3, countRow(3, "c", 0))
	return b
}

// keyOf returns the composite key of a row in the void namespace.
func keyOf(group uint16, name, key string) []byte {
	b := codec.AppendEscaped(backend.AppendHeader(nil, group, backend.IDOf(name)), []byte(key))
	return codec.AppendEscaped(b, nil)
}

// countRow returns a row of the state "count" with the given header byte before its value.
func countRow(group uint16, key string, header byte) row {
	return row{keyOf(group, "count", key), []byte{header, 0x80, 0, 0, 0, 0, 0, 0, 7}}
}

func TestFilesOfTheBuilderRestore(t *testing.T) {
	j, err := restoreFile(t, eightGroups, validFile(t).end())
	require.NoError(t, err)
	require.Len(t, content(t, j.backend), 3)
}

func TestHostileHeadersAreRefused(t *testing.T) {
	// header makes a file of a header block and an empty index.
	header := func(edit func(fields []byte) []byte) func(testing.TB) []byte {
		return func(t testing.TB) []byte {
			b := begin(fixtureID)
			raw := edit(headerOf(eightGroups)[:8]) // without the count of states
			if packed := compressed(t, raw); len(packed) < len(raw) {
				b.frame(kindHeader, formZstd, 0, uint32(len(raw)), uint32(len(packed)), packed)
			} else {
				b.block(kindHeader, 0, raw)
			}
			return b.end()
		}
	}
	space := func(k backend.Keyspace, states ...backend.Info) func(testing.TB) []byte {
		return header(func([]byte) []byte { return headerOf(k, states...) })
	}
	value := func(name string) backend.Info {
		return backend.Info{Name: name, Kind: backend.KindValue, Codecs: []codec.ID{{}}}
	}
	requireHarmless(t, []hostileFile{
		{"nothing", header(func([]byte) []byte { return nil }), snapshot.ErrCorrupt},
		{"bytes too many", header(func(h []byte) []byte { return append(h, 0, 0) }), snapshot.ErrCorrupt},
		{"no parallelism", space(backend.Keyspace{}), snapshot.ErrCorrupt},
		{"parallelism too high", space(backend.Keyspace{MaxParallelism: 1 << 16}), snapshot.ErrCorrupt},
		{"groups beyond the last one", space(backend.Keyspace{MaxParallelism: 8, Groups: backend.GroupRange{First: 3, Last: 8}}), snapshot.ErrCorrupt},
		{"groups backwards", space(backend.Keyspace{MaxParallelism: 8, Groups: backend.GroupRange{First: 3, Last: 2}}), snapshot.ErrCorrupt},
		{"count of states", header(func(h []byte) []byte { return binary.AppendUvarint(h, huge) }), snapshot.ErrCorrupt},
		{"count that never ends", header(func(h []byte) []byte { return append(h, bytes.Repeat([]byte{0xFF}, 20)...) }), snapshot.ErrCorrupt},
		{"name", header(func(h []byte) []byte { return binary.AppendUvarint(append(h, 1), huge) }), snapshot.ErrCorrupt},
		{"name too long", space(eightGroups, value(strings.Repeat("n", backend.MaxNameSize+1))), snapshot.ErrCorrupt},
		{"no name", space(eightGroups, value("")), snapshot.ErrCorrupt},
		{"state twice", space(eightGroups, value("a"), value("a")), snapshot.ErrCorrupt},
		{"states out of order", space(eightGroups, outOfOrder(value)...), snapshot.ErrCorrupt},
		{"unknown kind", space(eightGroups, backend.Info{Name: "a", Kind: 99}), snapshot.ErrCorrupt},
		{"codec missing", space(eightGroups, backend.Info{Name: "a", Kind: backend.KindMap, Codecs: []codec.ID{{}}}), snapshot.ErrCorrupt},
		{"count of codecs", header(func(h []byte) []byte {
			return binary.AppendUvarint(append(h, 1, 1, 'a', byte(backend.KindList), 0, 0, 0, 1), huge)
		}), snapshot.ErrCorrupt},
		{"version of a codec", header(func(h []byte) []byte {
			return append(binary.AppendUvarint(append(h, 1, 1, 'a', byte(backend.KindTimers), 0), 1<<32), 0, 1, 0)
		}), snapshot.ErrCorrupt},
		{"two schemas", header(func(h []byte) []byte {
			return append(h, 1, 1, 'a', byte(backend.KindTimers), 0, 0, 0, 2, 0, 0)
		}), snapshot.ErrVersion},
		{"states by the million", header(func(h []byte) []byte {
			return bombOf(h, 1<<21, []byte{0, 1, 0, 0, 0, 1, 0})
		}), snapshot.ErrCorrupt},
		{"codecs by the million", header(func(h []byte) []byte {
			h = append(h, 1, 1, 'a', byte(backend.KindList), 0, 0, 0, 1)
			return bombOf(h, 5<<20, []byte{0, 0, 0})
		}), snapshot.ErrCorrupt},
		{"as many states as are allowed", header(func(h []byte) []byte {
			id := append(append([]byte{0, 0}, 85), bytes.Repeat([]byte{'s'}, 85)...)
			return bombOf(h, 1<<16, slices.Concat([]byte{1, 'a', 1}, id, []byte{1, 1}, id))
		}), snapshot.ErrCorrupt},
	})
}

// outOfOrder returns three states, at least two of them in the wrong order.
func outOfOrder(value func(name string) backend.Info) []backend.Info {
	infos := []backend.Info{value("a"), value("b"), value("c")}
	slices.SortFunc(infos, func(a, b backend.Info) int { return int(b.ID()>>1) - int(a.ID()>>1) })
	return infos
}

// bombOf returns a count and as many equal items.
func bombOf(before []byte, count int, thing []byte) []byte {
	return append(binary.AppendUvarint(before, uint64(count)), bytes.Repeat(thing, count)...)
}

func TestHostileIndexesAreRefused(t *testing.T) {
	const entryBytes = 22
	// edited makes a file and calls edit with its index entries, for the key groups 1 and 3.
	edited := func(edit func(first, second []byte) []byte) func(testing.TB) []byte {
		return func(t testing.TB) []byte {
			b := validFile(t)
			return b.endWith(edit(bytes.Clone(b.index[:entryBytes]), bytes.Clone(b.index[entryBytes:])))
		}
	}
	// field sets a number in one of the entries.
	field := func(entry, at, size int, change func(uint64) uint64) func(testing.TB) []byte {
		return edited(func(first, second []byte) []byte {
			e := [][]byte{first, second}[entry][at : at+size]
			number := change(binary.BigEndian.Uint64(append(make([]byte, 8-size), e...)))
			copy(e, binary.BigEndian.AppendUint64(nil, number)[8-size:])
			return slices.Concat([]byte{2}, first, second)
		})
	}
	plus := func(n uint64) func(uint64) uint64 { return func(v uint64) uint64 { return v + n } }
	set := func(n uint64) func(uint64) uint64 { return func(uint64) uint64 { return n } }
	const group, offset, sequence, rows = 0, 2, 10, 14
	requireHarmless(t, []hostileFile{
		{"nothing", edited(func(_, _ []byte) []byte { return nil }), snapshot.ErrCorrupt},
		{"no sections", edited(func(_, _ []byte) []byte { return []byte{0} }), snapshot.ErrCorrupt},
		{"count", edited(func(_, _ []byte) []byte { return binary.AppendUvarint(nil, huge) }), snapshot.ErrCorrupt},
		{"entry cut", edited(func(f, _ []byte) []byte { return append([]byte{1}, f[:20]...) }), snapshot.ErrCorrupt},
		{"bytes too many", edited(func(f, s []byte) []byte { return slices.Concat([]byte{2}, f, s, f) }), snapshot.ErrCorrupt},
		{"first section missing", edited(func(_, s []byte) []byte { return append([]byte{1}, s...) }), snapshot.ErrCorrupt},
		{"second section missing", edited(func(f, _ []byte) []byte { return append([]byte{1}, f...) }), snapshot.ErrCorrupt},
		{"sections swapped", edited(func(f, s []byte) []byte { return slices.Concat([]byte{2}, s, f) }), snapshot.ErrCorrupt},
		{"section twice", edited(func(f, s []byte) []byte { return slices.Concat([]byte{3}, f, f, s) }), snapshot.ErrCorrupt},
		{"group twice", field(1, group, 2, set(1)), snapshot.ErrCorrupt},
		{"group backwards", field(1, group, 2, set(0)), snapshot.ErrCorrupt},
		{"group of another file", field(1, group, 2, set(8)), snapshot.ErrCorrupt},
		{"group of another section", field(1, group, 2, set(4)), snapshot.ErrCorrupt},
		{"section before the header's end", field(0, offset, 8, plus(^uint64(0))), snapshot.ErrCorrupt},
		{"section behind the header's end", field(0, offset, 8, plus(1)), snapshot.ErrCorrupt},
		{"sections overlap", field(1, offset, 8, plus(^uint64(0))), snapshot.ErrCorrupt},
		{"section inside a block", field(1, offset, 8, plus(1)), snapshot.ErrCorrupt},
		{"section behind the file", field(1, offset, 8, set(huge)), snapshot.ErrCorrupt},
		{"section before the file", field(1, offset, 8, set(1<<63)), snapshot.ErrCorrupt},
		{"block of another number", field(1, sequence, 4, plus(1)), snapshot.ErrCorrupt},
		{"block of the section before", field(1, sequence, 4, set(1)), snapshot.ErrCorrupt},
		{"a row too few", field(0, rows, 8, set(1)), snapshot.ErrCorrupt},
		{"a row too many", field(0, rows, 8, set(3)), snapshot.ErrCorrupt},
		{"no rows", field(0, rows, 8, set(0)), snapshot.ErrCorrupt},
		{"rows", field(0, rows, 8, set(huge)), snapshot.ErrCorrupt},
		{"rows below none", field(0, rows, 8, set(1<<63)), snapshot.ErrCorrupt},
		{"sections by the million", func(t testing.TB) []byte {
			b := validFile(t)
			at, raw := uint64(len(b.out)), bombOf(nil, 700_000, b.index[:entryBytes])
			packed := compressed(t, raw)
			b.frame(kindIndex, formZstd, 0, uint32(len(raw)), uint32(len(packed)), packed)
			return b.trailer(at, b.blocks)
		}, snapshot.ErrCorrupt},
		{"an index before the end", func(t testing.TB) []byte {
			b := validFile(t)
			at := uint64(len(b.out))
			b.block(kindIndex, 0, append([]byte{2}, b.index...))
			b.block(kindIndex, 0, append([]byte{2}, b.index...))
			return b.trailer(at, b.blocks-1)
		}, snapshot.ErrCorrupt},
	})
}

// Reader.Len reports the number of rows before any row is read, so opening must check it.
func TestRowCountThatCannotBeIsRefusedOnOpening(t *testing.T) {
	for _, rows := range []uint64{0, 1 << 63, huge, 2<<20 + 1} {
		b := hostile(t)
		b.section(1, rows)
		b.block(kindRows, 1, rowsBlock(countRow(1, "a", 0)))
		file := b.end()
		_, err := snapshot.NewReader(bytes.NewReader(file), int64(len(file)))
		require.ErrorIs(t, err, snapshot.ErrCorrupt, "%d rows", rows)
	}
}

func TestHostileTrailersAreRefused(t *testing.T) {
	trailer := func(at func(index uint64) uint64, blocks int) func(testing.TB) []byte {
		return func(t testing.TB) []byte {
			b := validFile(t)
			index := uint64(len(b.out))
			b.block(kindIndex, 0, append([]byte{2}, b.index...))
			return b.trailer(at(index), uint32(int(b.blocks)+blocks))
		}
	}
	same := func(index uint64) uint64 { return index }
	require.NoError(t, readFile(trailer(same, 0)(t), ignore))
	requireHarmless(t, []hostileFile{
		{"index at the beginning", trailer(func(uint64) uint64 { return 0 }, 0), snapshot.ErrCorrupt},
		{"index is the header", trailer(func(uint64) uint64 { return preambleBytes }, 0), snapshot.ErrCorrupt},
		{"index a byte late", trailer(func(index uint64) uint64 { return index + 1 }, 0), snapshot.ErrCorrupt},
		{"index behind the file", trailer(func(uint64) uint64 { return huge }, 0), snapshot.ErrCorrupt},
		{"index before the file", trailer(func(uint64) uint64 { return 1 << 63 }, 0), snapshot.ErrCorrupt},
		{"no blocks", trailer(same, -4), snapshot.ErrCorrupt},
		{"a block too few", trailer(same, -1), snapshot.ErrCorrupt},
		{"a block too many", trailer(same, 1), snapshot.ErrCorrupt},
	})
}

// zstdBomb returns a zstd frame of n blocks, each of which repeats one byte 128 Ki times.
func zstdBomb(n int) []byte {
	frame := []byte{0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x38} // magic, no content size, window of 128 KiB
	for range n - 1 {
		frame = append(frame, 0x02, 0x00, 0x10, 0)
	}
	return append(frame, 0x03, 0x00, 0x10, 0)
}

func TestHostileBlocksAreRefused(t *testing.T) {
	// block makes a file with one section, of key group 1 and one row.
	block := func(write func(t testing.TB, b *builder, rows []byte)) func(testing.TB) []byte {
		return func(t testing.TB) []byte {
			b := hostile(t)
			b.section(1, 1)
			write(t, b, rowsBlock(countRow(1, "a", 0)))
			return b.end()
		}
	}
	packed := func(kind byte, raw uint32, content []byte) func(testing.TB) []byte {
		return block(func(t testing.TB, b *builder, _ []byte) {
			stored := compressed(t, content)
			b.frame(kind, formZstd, 1, raw, uint32(len(stored)), stored)
		})
	}
	bomb := func(kind byte, raw uint32, blocks int) func(testing.TB) []byte {
		return block(func(_ testing.TB, b *builder, _ []byte) {
			stored := zstdBomb(blocks)
			b.frame(kind, formZstd, 1, raw, uint32(len(stored)), stored)
		})
	}
	indexBomb := func(t testing.TB) []byte {
		b, stored := validFile(t), zstdBomb(10<<30>>17)
		at := uint64(len(b.out))
		b.frame(kindIndex, formZstd, 0, 1<<30, uint32(len(stored)), stored)
		return b.trailer(at, b.blocks)
	}
	headerBomb := func(testing.TB) []byte {
		b, stored := begin(fixtureID), zstdBomb(10<<30>>17)
		b.frame(kindHeader, formZstd, 0, 1<<30, uint32(len(stored)), stored)
		return b.end()
	}
	long := countRow(1, strings.Repeat("a", 1000), 0)
	inRows, inLarge := rowsBlock(long), largeOf(long)
	kind := func(k byte) func(testing.TB) []byte {
		return block(func(_ testing.TB, b *builder, rows []byte) { b.block(k, 1, rows) })
	}
	sizes := func(form byte, raw, stored uint32) func(testing.TB) []byte {
		return block(func(_ testing.TB, b *builder, rows []byte) { b.frame(kindRows, form, 1, raw, stored, rows) })
	}
	require.NoError(t, readFile(kind(kindRows)(t), ignore))
	require.NoError(t, readFile(packed(kindRows, uint32(len(inRows)), inRows)(t), ignore))
	require.NoError(t, readFile(block(func(_ testing.TB, b *builder, _ []byte) { b.block(kindLarge, 1, inLarge) })(t), ignore))
	requireHarmless(t, []hostileFile{
		{"kind 0", kind(0), snapshot.ErrCorrupt},
		{"kind 6", kind(6), snapshot.ErrCorrupt},
		{"header among rows", kind(kindHeader), snapshot.ErrCorrupt},
		{"index among rows", kind(kindIndex), snapshot.ErrCorrupt},
		{"continuation of nothing", kind(kindContinued), snapshot.ErrCorrupt},
		{"form 2", sizes(2, 100, 20), snapshot.ErrCorrupt},
		{"raw, but sizes differ", sizes(formRaw, 100, 20), snapshot.ErrCorrupt},
		{"stored beyond the file", sizes(formRaw, 1<<20, 1<<20), snapshot.ErrCorrupt},
		{"stored beyond the limit", sizes(formRaw, 1<<32-1, 1<<32-1), snapshot.ErrCorrupt},
		{"larger when compressed", sizes(formZstd, 10, 20), snapshot.ErrCorrupt},
		{"not zstd", sizes(formZstd, 2<<20, 30), snapshot.ErrCorrupt},
		{"bomb beyond the limit", packed(kindRows, 1<<31, make([]byte, 64<<20)), snapshot.ErrCorrupt},
		{"bomb beyond its size", packed(kindRows, 20_000, make([]byte, 64<<20)), snapshot.ErrCorrupt},
		{"bomb of its size", packed(kindRows, 2<<20, make([]byte, 2<<20)), snapshot.ErrCorrupt},
		{"10 GiB beyond the limit", bomb(kindRows, 1<<32-1, 10<<30>>17), snapshot.ErrCorrupt},
		{"10 GiB beyond its size", bomb(kindRows, 2<<20, 10<<30>>17), snapshot.ErrCorrupt},
		{"1 KiB beyond its size", bomb(kindRows, 1<<20, 250), snapshot.ErrCorrupt},
		{"10 GiB of a large row", bomb(kindLarge, 1<<32-1, 10<<30>>17), snapshot.ErrCorrupt},
		{"10 GiB of an index", indexBomb, snapshot.ErrCorrupt},
		{"10 GiB of a header", headerBomb, snapshot.ErrCorrupt},
		{"more than its size", packed(kindRows, uint32(len(inRows)-1), inRows), snapshot.ErrCorrupt},
		{"less than its size", packed(kindRows, uint32(len(inRows)+1), inRows), snapshot.ErrCorrupt},
		{"large row, compressed", packed(kindLarge, uint32(len(inLarge)), inLarge), snapshot.ErrCorrupt},
		{"numbers of two blocks swapped", func(t testing.TB) []byte {
			b := hostile(t)
			b.section(1, 2)
			b.blocks = 2
			b.block(kindRows, 1, rowsBlock(countRow(1, "a", 0)))
			b.blocks = 1
			b.block(kindRows, 1, rowsBlock(countRow(1, "b", 0)))
			b.blocks = 3
			return b.end()
		}, snapshot.ErrCorrupt},
		{"zstd that wants a huge window", block(func(_ testing.TB, b *builder, _ []byte) {
			// Magic, no content size, window of 2^41 bytes, one last RLE block.
			stored := []byte{0x28, 0xB5, 0x2F, 0xFD, 0x00, 0xF8, 0x43, 0x00, 0x00, 0x00}
			b.frame(kindRows, formZstd, 1, 1000, uint32(len(stored)), stored)
		}), snapshot.ErrCorrupt},
		{"block of another key group", block(func(_ testing.TB, b *builder, rows []byte) { b.block(kindRows, 2, rows) }), snapshot.ErrCorrupt},
		{"no block in a section", block(func(testing.TB, *builder, []byte) {}), snapshot.ErrCorrupt},
		{"header of a key group", func(t testing.TB) []byte {
			b := begin(fixtureID)
			b.block(kindHeader, 1, headerOf(eightGroups))
			return b.end()
		}, snapshot.ErrCorrupt},
		{"header behind the rows", func(testing.TB) []byte {
			b := begin(fixtureID)
			b.block(kindRows, 0, rowsBlock(countRow(0, "a", 0)))
			b.header(eightGroups)
			return b.end()
		}, snapshot.ErrCorrupt},
	})
}

// largeOf returns the bytes of a large row, to be cut into blocks.
func largeOf(r row) []byte {
	lengths := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(r.key))), uint64(len(r.value)))
	return slices.Concat(lengths, r.key, r.value)
}

func TestHostileRowsAreRefused(t *testing.T) {
	// raw makes a file with one section, of key group 1 and n rows, in blocks of rows.
	raw := func(n uint64, blocks ...[]byte) func(testing.TB) []byte {
		return func(t testing.TB) []byte {
			b := hostile(t)
			b.section(1, n)
			for _, raw := range blocks {
				b.block(kindRows, 1, raw)
			}
			return b.end()
		}
	}
	a, z := countRow(1, "a", 0), countRow(1, "z", 0)
	uvarints := func(numbers ...uint64) (b []byte) {
		for _, n := range numbers {
			b = binary.AppendUvarint(b, n)
		}
		return b
	}
	require.NoError(t, readFile(raw(2, rowsBlock(a), rowsBlock(z))(t), ignore))
	requireHarmless(t, []hostileFile{
		{"out of order", raw(2, rowsBlock(z, a)), snapshot.ErrCorrupt},
		{"out of order between blocks", raw(2, rowsBlock(z), rowsBlock(a)), snapshot.ErrCorrupt},
		{"key twice", raw(2, rowsBlock(a, a)), snapshot.ErrCorrupt},
		{"key twice in two blocks", raw(2, rowsBlock(a), rowsBlock(a)), snapshot.ErrCorrupt},
		{"key of another key group", raw(1, rowsBlock(countRow(2, "a", 0))), snapshot.ErrCorrupt},
		{"key without header", raw(1, rowsBlock(row{a.key[:5], a.value})), snapshot.ErrCorrupt},
		{"no key", raw(1, make([]byte, 3)), snapshot.ErrCorrupt},
		{"rows of a key group that the file does not have", func(t testing.TB) []byte {
			b := hostile(t)
			b.rows(8, countRow(8, "a", 0))
			return b.end()
		}, snapshot.ErrCorrupt},
		{"no rows in a block", raw(1, rowsBlock(a), nil), snapshot.ErrCorrupt},
		{"length cut", raw(1, []byte{0, 0x80}), snapshot.ErrCorrupt},
		{"row cut", raw(1, rowsBlock(a)[:20]), snapshot.ErrCorrupt},
		{"key beyond the block", raw(1, append(uvarints(0, huge, 1), a.key...)), snapshot.ErrCorrupt},
		{"value beyond the block", raw(1, append(uvarints(0, uint64(len(a.key)), huge), a.key...)), snapshot.ErrCorrupt},
		{"lengths that add up to nothing", raw(1, append(uvarints(0, 1<<63, 1<<63), a.key...)), snapshot.ErrCorrupt},
		{"first row of a block shares", raw(2, rowsBlock(a), appendRow(nil, 6, z.key[6:], z.value)), snapshot.ErrCorrupt},
		{"shares more than there is", raw(2, appendRow(rowsBlock(a), 100, z.key, z.value)), snapshot.ErrCorrupt},
		{"shares more than can be", raw(2, appendRow(rowsBlock(a), 1<<63, z.key, z.value)), snapshot.ErrCorrupt},
	})
}

// The limit is 2^31 bytes and room for the suffix of a row.
func TestReaderBoundsTheKeysOfLargeRows(t *testing.T) {
	const most = 1<<31 + 64
	for size, want := range map[uint64]string{most: "but the section has 0 left", most + 1: "limits"} {
		b := hostile(t)
		b.section(1, 1)
		b.block(kindLarge, 1, binary.AppendUvarint(binary.AppendUvarint(nil, size), 1))
		err := readFile(b.end(), ignore)
		if uint64(math.MaxInt) < most {
			require.Error(t, err)
			continue
		}
		require.ErrorIs(t, err, snapshot.ErrCorrupt)
		require.ErrorContains(t, err, fmt.Sprintf("large row with a key of %d and a value of 1 bytes, %s", size, want))
	}
}

// The limit is 2^31 bytes and room for 4 MiB of smaller list elements.
func TestReaderBoundsTheValuesOfLargeRows(t *testing.T) {
	const most = 1<<31 + 4<<20
	for size, want := range map[uint64]string{most: "but the section has 11 left", most + 1: "limits"} {
		key := countRow(1, "a", 0).key
		b := hostile(t)
		b.section(1, 1)
		b.block(kindLarge, 1, append(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(key))), size), key...))
		err := readFile(b.end(), ignore)
		if uint64(math.MaxInt) < most {
			require.Error(t, err)
			continue
		}
		require.ErrorIs(t, err, snapshot.ErrCorrupt)
		require.ErrorContains(t, err, fmt.Sprintf("large row with a key of %d and a value of %d bytes, %s", len(key), size, want))
	}
}

func TestHostileLargeRowsAreRefused(t *testing.T) {
	large := countRow(1, strings.Repeat("a", 5000), 0)
	whole := largeOf(large)
	// pieces makes a file with one section, of key group 1 and a row.
	pieces := func(first []byte, more ...[]byte) func(testing.TB) []byte {
		return func(t testing.TB) []byte {
			b := hostile(t)
			b.section(1, 1)
			b.block(kindLarge, 1, first)
			for _, piece := range more {
				b.block(kindContinued, 1, piece)
			}
			return b.end()
		}
	}
	sizes := func(key, value uint64) []byte {
		return append(binary.AppendUvarint(binary.AppendUvarint(nil, key), value), large.key...)
	}
	require.NoError(t, readFile(pieces(whole)(t), ignore))
	require.NoError(t, readFile(pieces(whole[:10], whole[10:5000], whole[5000:])(t), ignore))
	requireHarmless(t, []hostileFile{
		{"key", pieces(sizes(huge, 9)), snapshot.ErrCorrupt},
		{"value", pieces(sizes(uint64(len(large.key)), huge)), snapshot.ErrCorrupt},
		{"sizes that add up to nothing", pieces(sizes(1<<63, 1<<63)), snapshot.ErrCorrupt},
		{"sizes that overflow to the right sum", pieces(append(binary.AppendUvarint(binary.AppendUvarint(nil, 1<<64-10), 15), 1, 2, 3, 4, 5)), snapshot.ErrCorrupt},
		{"value of all that is left", pieces(sizes(uint64(len(large.key)), 100), bytes.Repeat([]byte{1}, 10)), snapshot.ErrCorrupt},
		{"never ends", pieces(sizes(5005, 900), slices.Repeat([][]byte{{1}}, 800)...), snapshot.ErrCorrupt},
		{"never goes on", pieces(whole[:4000], slices.Repeat([][]byte{nil}, 100)...), snapshot.ErrCorrupt},
		{"ends early", pieces(whole[:4000]), snapshot.ErrCorrupt},
		{"too long", pieces(whole[:4000], append(bytes.Clone(whole[4000:]), 1)), snapshot.ErrCorrupt},
		{"too long at once", pieces(append(bytes.Clone(whole), 1)), snapshot.ErrCorrupt},
		{"sizes cut", pieces([]byte{0x80}, whole), snapshot.ErrCorrupt},
		{"no key", pieces([]byte{0, 0}), snapshot.ErrCorrupt},
		{"continued by rows", func(t testing.TB) []byte {
			b := hostile(t)
			b.section(1, 1)
			b.block(kindLarge, 1, whole[:4000])
			b.block(kindRows, 1, whole[4000:])
			return b.end()
		}, snapshot.ErrCorrupt},
		{"continued in another section", func(t testing.TB) []byte {
			b := hostile(t)
			b.section(1, 1)
			b.block(kindLarge, 1, whole[:4000])
			b.section(2, 1)
			b.block(kindContinued, 2, whole[4000:])
			return b.end()
		}, snapshot.ErrCorrupt},
		{"continued in another key group", func(t testing.TB) []byte {
			b := hostile(t)
			b.section(1, 1)
			b.block(kindLarge, 1, whole[:4000])
			b.block(kindContinued, 2, whole[4000:])
			return b.end()
		}, snapshot.ErrCorrupt},
	})
}

// The files are intact, but no state can have written their rows.
func TestHostileStateIsRefused(t *testing.T) {
	rows := func(rows ...row) func(testing.TB) []byte {
		return func(t testing.TB) []byte {
			b := hostile(t)
			b.rows(1, rows...)
			return b.end()
		}
	}
	void := func(name string) []byte { return keyOf(1, name, "a") }
	timer := func(rest ...byte) []byte {
		return append(backend.AppendHeader(nil, 1, backend.IDOf("timers")), rest...)
	}
	count := []byte{0, 0x80, 0, 0, 0, 0, 0, 0, 7}
	requireHarmless(t, []hostileFile{
		{"unknown state", rows(row{keyOf(1, "stranger", "a"), count}), snapshot.ErrCorrupt},
		{"timestamp bit", rows(countRow(1, "a", 1)), backend.ErrIncompatible},
		{"another schema", rows(countRow(1, "a", 2)), backend.ErrIncompatible},
		{"no header byte", rows(row{void("count"), nil}), backend.ErrCorrupt},
		{"value too short", rows(row{void("count"), count[:8]}), backend.ErrCorrupt},
		{"value too long", rows(row{void("count"), append(count, 0)}), backend.ErrCorrupt},
		{"value of no struct", rows(row{void("order"), []byte{0, 'u', 0, 0}}), backend.ErrCorrupt},
		{"suffix where none belongs", rows(row{append(void("count"), 1), count}), backend.ErrCorrupt},
		{"key without end", rows(row{void("count")[:7], count}), backend.ErrCorrupt},
		{"unknown mark in the key", rows(row{keyOf(1, "count", "a\x00")[:8], count}), backend.ErrCorrupt},
		{"no namespace", rows(row{void("count")[:9], count}), backend.ErrCorrupt},
		{"map value with timestamp bit", rows(row{append(void("totals"), 'x'), append([]byte{1}, count[1:]...)}), backend.ErrIncompatible},
		{"list element with timestamp bit", rows(row{append(void("events"), 0, 0, 0, 0), []byte{2, 1, 'x'}}), backend.ErrIncompatible},
		{"list element of another schema", rows(row{append(void("events"), 0, 0, 0, 0), []byte{2, 4, 'x'}}), backend.ErrIncompatible},
		{"list element without header byte", rows(row{append(void("events"), 0, 0, 0, 0), []byte{0}}), backend.ErrCorrupt},
		{"list element beyond its chunk", rows(row{append(void("events"), 0, 0, 0, 0), binary.AppendUvarint(nil, huge)}), backend.ErrCorrupt},
		{"list element cut", rows(row{append(void("events"), 0, 0, 0, 0), []byte{2, 0, 'x', 9, 0}}), backend.ErrCorrupt},
		{"slice inside a struct", rows(row{void("order"), slices.Concat(
			[]byte{0, 'u', 0, 1, 0}, make([]byte, 8), make([]byte, 12), binary.AppendUvarint(nil, huge), []byte{0, 1, 0, 0, 1, 0})}), backend.ErrCorrupt},
		{"timer cut", rows(row{timer(0, 0x80, 0), nil}), backend.ErrCorrupt},
		{"timer of a third domain", rows(row{timer(2, 0x80, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 1, 0, 1), nil}), backend.ErrCorrupt},
		{"timer with a value", rows(row{timer(0, 0x80, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 1, 0, 1), count}), backend.ErrCorrupt},
	})
}

func TestNamesOfFilesCannotLeaveTheDirectory(t *testing.T) {
	ctx := context.Background()
	file := validFile(t).end()
	for _, name := range []string{"", ".", "..", "../state", "a/../../state", "/etc/passwd", `a\b`, ".hidden", "a\x00b", "ä", strings.Repeat("n", 201)} {
		files := memory{name: file}
		_, err := snapshot.ReadHandle(ctx, files, name)
		require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
		ref := snapshot.FileRef{Name: name, Identity: fixtureID, Size: int64(len(file)), Bounds: eightGroups.Groups}
		j := newJob(t, eightGroups)
		h := snapshot.Handle{Keyspace: eightGroups, States: j.backend.Registry().States(), Files: []snapshot.FileRef{ref}}
		_, err = snapshot.Restore(ctx, j.backend, files, []snapshot.Handle{h}, snapshot.RestoreOptions{})
		require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
		_, err = snapshot.Start(ctx, j.backend, nil, snapshot.Options{Name: "../state"})
		require.ErrorIs(t, err, snapshot.ErrName, "%q", name)
	}
	// Valid names are accepted.
	for _, name := range []string{"state", "0", "a-b_C.snap", "a..b", strings.Repeat("n", 200)} {
		_, err := snapshot.ReadHandle(ctx, memory{name: file}, name)
		require.NoError(t, err, "%q", name)
	}
}

// A reader copies a large row only once.
func TestLargeRowsTakeTheirSizeInMemory(t *testing.T) {
	b := hostile(t)
	b.section(1, 1)
	value := make([]byte, 8<<20)
	key := keyOf(1, "count", "a")
	whole := largeOf(row{key, value})
	for i, piece := range slices.Collect(slices.Chunk(whole, 2<<20)) {
		b.block([]byte{kindLarge, kindContinued}[min(i, 1)], 1, piece)
	}
	file := b.end()
	var err error
	took := allocatedBytes(func() { err = readFile(file, ignore) })
	require.NoError(t, err)
	require.LessOrEqual(t, took, 2*uint64(len(file)))
}
