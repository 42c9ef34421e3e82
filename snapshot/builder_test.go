package snapshot_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// builder writes files of the portable format as docs/format-snapshot.md describes it. It shares no
// code with the writer, and can write any invalid content with correct checksums.
type builder struct {
	id     snapshot.Identity
	out    []byte
	blocks uint32
	index  []byte
	count  uint64 // sections in the index
}

// Kinds and forms of blocks.
const (
	kindHeader, kindRows, kindLarge, kindContinued, kindIndex = 1, 2, 3, 4, 5
	formRaw, formZstd                                         = 0, 1
)

// hostile returns a builder that has written the preamble and the header of a job with eight key
// groups.
func hostile(t testing.TB) *builder {
	b := begin(fixtureID)
	b.header(eightGroups, newJob(t, eightGroups).backend.Registry().States()...)
	return b
}

func begin(id snapshot.Identity) *builder {
	b := &builder{id: id}
	b.out = append(b.out, "WEIRSNAP\x00\x01\x00\x00"...)
	b.out = append(b.out, id[:]...)
	b.out = binary.BigEndian.AppendUint64(b.out, b.sum(b.out))
	return b
}

func (b *builder) sum(parts ...[]byte) uint64 {
	return xxhash.Sum64(append(b.id[:len(b.id):len(b.id)], bytes.Join(parts, nil)...))
}

// block adds a block without compression.
func (b *builder) block(kind byte, group uint16, raw []byte) {
	b.frame(kind, formRaw, group, uint32(len(raw)), uint32(len(raw)), raw)
}

// frame adds a block. The caller chooses every field except number and checksum.
func (b *builder) frame(kind, form byte, group uint16, raw, stored uint32, bytes []byte) {
	at := len(b.out)
	b.out = append(b.out, kind, form)
	b.out = binary.BigEndian.AppendUint16(b.out, group)
	b.out = binary.BigEndian.AppendUint32(b.out, raw)
	b.out = binary.BigEndian.AppendUint32(b.out, stored)
	b.out = binary.BigEndian.AppendUint32(b.out, b.blocks)
	b.out = binary.BigEndian.AppendUint64(b.out, b.sum(b.out[at:], bytes))
	b.out = append(b.out, bytes...)
	b.blocks++
}

func (b *builder) header(space backend.Keyspace, states ...backend.Info) {
	b.block(kindHeader, 0, headerOf(space, states...))
}

func headerOf(space backend.Keyspace, states ...backend.Info) []byte {
	h := binary.BigEndian.AppendUint32(nil, uint32(space.MaxParallelism))
	h = binary.BigEndian.AppendUint16(h, space.Groups.First)
	h = binary.BigEndian.AppendUint16(h, space.Groups.Last)
	h = binary.AppendUvarint(h, uint64(len(states)))
	for _, s := range states {
		h = appendText(h, s.Name)
		h = append(h, byte(s.Kind))
		h = appendCodec(h, s.Key)
		h = append(h, 1, byte(len(s.Codecs)))
		for _, c := range s.Codecs {
			h = appendCodec(h, c)
		}
	}
	return h
}

func appendCodec(dst []byte, id codec.ID) []byte {
	dst = binary.AppendUvarint(appendText(dst, id.Name), uint64(id.Version))
	return appendText(dst, id.Schema)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// section adds an index entry for a key group. The next block is the first of the group.
func (b *builder) section(group uint16, rows uint64) {
	b.entry(group, uint64(len(b.out)), b.blocks, rows)
}

// entry adds an index entry.
func (b *builder) entry(group uint16, offset uint64, sequence uint32, rows uint64) {
	b.index = binary.BigEndian.AppendUint16(b.index, group)
	b.index = binary.BigEndian.AppendUint64(b.index, offset)
	b.index = binary.BigEndian.AppendUint32(b.index, sequence)
	b.index = binary.BigEndian.AppendUint64(b.index, rows)
	b.count++
}

// row is a composite key and a stored value.
type row struct{ key, value []byte }

// rows adds a section with one block.
func (b *builder) rows(group uint16, rows ...row) {
	b.section(group, uint64(len(rows)))
	b.block(kindRows, group, rowsBlock(rows...))
}

// rowsBlock returns the raw content of a block of rows.
func rowsBlock(rows ...row) []byte {
	var raw, before []byte
	for _, r := range rows {
		shared := 0
		for shared < min(len(before), len(r.key)) && before[shared] == r.key[shared] {
			shared++
		}
		raw = appendRow(raw, uint64(shared), r.key[shared:], r.value)
		before = r.key
	}
	return raw
}

func appendRow(dst []byte, shared uint64, tail, value []byte) []byte {
	dst = binary.AppendUvarint(dst, shared)
	dst = binary.AppendUvarint(dst, uint64(len(tail)))
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(append(dst, tail...), value...)
}

// end adds the index and the trailer and returns the file.
func (b *builder) end() []byte {
	return b.endWith(append(binary.AppendUvarint(nil, b.count), b.index...))
}

// endWith is end with the given content of the index.
func (b *builder) endWith(index []byte) []byte {
	at := uint64(len(b.out))
	b.block(kindIndex, 0, index)
	return b.trailer(at, b.blocks)
}

func (b *builder) trailer(index uint64, blocks uint32) []byte {
	tail := binary.BigEndian.AppendUint64(nil, index)
	tail = binary.BigEndian.AppendUint32(tail, blocks)
	tail = append(tail, "WEIRSNAP"...)
	tail = binary.BigEndian.AppendUint64(tail, b.sum(tail))
	return append(b.out, tail...)
}

// compressed returns raw as one zstd frame.
func compressed(t testing.TB, raw []byte) []byte {
	encoder, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	defer encoder.Close()
	return encoder.EncodeAll(raw, nil)
}

// The builder, written from the format page alone, must write the same bytes as the writer.
func TestFormatPageIsEnoughToWriteAFile(t *testing.T) {
	f := fixtures[0]
	v, err := f.job(t).backend.View()
	require.NoError(t, err)
	defer v.Close()
	b := begin(fixtureID)
	b.header(v.Keyspace(), v.States()...)
	for group := range uint16(8) {
		var rows []row
		require.NoError(t, v.Rows(group, func(key, value []byte) error {
			rows = append(rows, row{bytes.Clone(key), bytes.Clone(value)})
			return nil
		}))
		if len(rows) > 0 {
			b.rows(group, rows...)
		}
	}
	require.True(t, bytes.Equal(f.read(t), b.end()))
}
