package snapshot

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/internal/pace"
	"github.com/weirstate/weir/state/backend"
)

// Compression selects how blocks of rows are compressed.
type Compression uint8

const (
	// Zstd compresses with zstd at its fastest level. It is the default.
	Zstd Compression = iota
	// None does not compress.
	None
)

// Writing a row takes approximately rowNanos, and byteNanos for each byte of key and value.
const rowNanos, byteNanos = 100, 1.5

// writer writes one file of the portable format.
//
// Problem: the file must be written while a view yields rows one by one, to a target that can
// only append; it must let a reader find each key group without reading the others; and a
// reader must detect every damaged or misplaced part.
//
// Idea: a log of blocks, and an index at the end. Rows are collected in a block until it is full
// (256 KiB), then compressed and written with a header (frame) that has kind, sizes, key group,
// sequence number and checksum. A block has rows of one key group only. The writer notes the
// position of each key group's first block and writes these sections as the index block; the
// trailer, of fixed size, refers to the index.
//
//	rows of key group 3 ─> block [ shared | unshared | size | key tail | value ]...
//	                          | full, or the group ends
//	                          v
//	             frame + zstd(block) ─> put ─> out, digest of the file, offset
//
//	preamble | header | g0 g0 | g3 g3 g3 | ... | index: g0 → offset, g3 → offset | trailer
//
// Within a block a key is stored without the bytes that it shares with the key before. A row
// of more than 2 MiB is written alone, raw, as one block of kind large and several of kind
// continued, so that neither writer nor reader needs a block of its size.
//
// Invariant: keys ascend strictly, within and between key groups, and begin with the group of
// their section. The writer checks it, and all limits of readers, before it counts a row:
// when a reader finds out, the view is gone and nobody can write it again.
//
// Invariant: block number, offset and section always describe the next block to be written.
//
// Cost: one pass; memory for a block, its compressed form and the encoder's 9 MiB, which idle
// compressors keep for the next snapshot. A row costs one comparison with the key before and one
// copy.
//
// Thread safety: one goroutine.
type writer struct {
	out        io.Writer
	id         Identity
	compressor *compressor
	digest     xxhash.Digest // of the whole file

	// blockBytes, maxBlockBytes and maxValueBytes. Tests lower them.
	fullBytes, largeBytes int
	valueBytes            uint64

	offset   int64     // number of bytes written
	sequence uint32    // number of the next block
	sections []section // of the key groups so far
	rows     int64

	group   uint16 // of the current section
	block   []byte // rows of the current block, raw
	lastKey []byte // key of the previous row, of any key group
	pacer   pace.Pacer
	scratch []byte
}

func newWriter(w io.Writer, id Identity, c Compression) (*writer, error) {
	compressor, err := newCompressor(c)
	if err != nil {
		return nil, err
	}
	out := &writer{out: w, id: id, compressor: compressor, fullBytes: blockBytes, largeBytes: maxBlockBytes, valueBytes: maxValueBytes}
	out.digest.Reset()
	return out, nil
}

// view writes a whole file. It calls progress after each key group.
func (w *writer) view(ctx context.Context, v View, progress func(Progress)) error {
	space := v.Keyspace()
	if err := w.begin(space, v.States()); err != nil {
		return err
	}
	for group := int(space.Groups.First); group <= int(space.Groups.Last); group++ {
		if err := w.rowsOf(ctx, v, uint16(group)); err != nil {
			return err
		}
		progress(Progress{
			Groups: group - int(space.Groups.First) + 1, OfGroups: space.Groups.Len(),
			Rows: w.rows, Bytes: w.offset,
		})
	}
	if err := w.end(); err != nil {
		return err
	}
	w.compressor.release()
	return nil
}

// rowsOf writes the section of one key group, if the group has rows.
func (w *writer) rowsOf(ctx context.Context, v View, group uint16) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w.group = group
	err := v.Rows(group, func(key, value []byte) error { return w.row(ctx, key, value) })
	if err != nil {
		return err
	}
	return w.flush(ctx)
}

// put appends bytes to the file.
func (w *writer) put(b []byte) error {
	if _, err := w.out.Write(b); err != nil {
		return err
	}
	w.digest.Write(b)
	w.offset += int64(len(b))
	return nil
}

// begin writes the preamble and the header block.
func (w *writer) begin(space backend.Keyspace, states []backend.Info) error {
	b := append(w.scratch[:0], magic...)
	b = binary.BigEndian.AppendUint16(b, formatVersion)
	b = append(b, 0, 0)
	b = append(b, w.id[:]...)
	b = binary.BigEndian.AppendUint64(b, checksum(w.id, b))
	if err := w.put(b); err != nil {
		return err
	}
	header := appendHeader(nil, space, states)
	if len(header) > maxMetaBytes || len(states) > maxStates {
		return fmt.Errorf("name table of %d states takes %d bytes, limits %d and %d: %w",
			len(states), len(header), maxStates, maxMetaBytes, backend.ErrInvalid)
	}
	return w.putBlock(headerBlock, 0, header)
}

// putBlock writes a block. It compresses the block if that makes it smaller and if it is not part
// of a large row.
func (w *writer) putBlock(kind blockKind, group uint16, raw []byte) error {
	form, stored := uint8(storedRaw), raw
	if kind != largeBlock && kind != continuedBlock {
		form, stored = w.compressor.store(raw)
	}
	f := frame{kind, form, group, uint32(len(raw)), uint32(len(stored)), w.sequence}
	b := f.append(w.scratch[:0])
	b = binary.BigEndian.AppendUint64(b, checksum(w.id, b, stored))
	w.scratch = b
	if err := w.put(b); err != nil {
		return err
	}
	w.sequence++
	return w.put(stored)
}

// row adds a row to the section of w.group.
func (w *writer) row(ctx context.Context, key, value []byte) error {
	shared := sharedPrefix(w.lastKey, key)
	if err := w.count(key, shared, uint64(len(value))); err != nil {
		return err
	}
	w.pacer.Spend(rowNanos + int(byteNanos*float64(min(len(key)+len(value), pace.QuantumNanos))))
	const lengths = 3 * binary.MaxVarintLen64
	size := lengths + len(key) + len(value)
	if size > w.largeBytes {
		return w.largeRow(ctx, key, value)
	}
	if len(w.block) > 0 && len(w.block)+size > w.fullBytes {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.lastKey = append(w.lastKey[:shared], key[shared:]...)
	if len(w.block) == 0 {
		shared = 0
	}
	tail := key[shared:]
	w.block = appendLengths(w.block, uint64(shared), uint64(len(tail)), uint64(len(value)))
	w.block = append(w.block, tail...)
	w.block = append(w.block, value...)
	return nil
}

// appendLengths appends three uvarints. In most rows each of them takes one byte.
func appendLengths(dst []byte, a, b, c uint64) []byte {
	if a|b|c < 0x80 {
		return append(dst, byte(a), byte(b), byte(c))
	}
	dst = binary.AppendUvarint(dst, a)
	dst = binary.AppendUvarint(dst, b)
	return binary.AppendUvarint(dst, c)
}

// count checks a row and counts it in the index. The row's key shares its first shared bytes with
// the key before. count refuses rows that a reader would refuse, as long as the view exists and
// the snapshot can be taken again.
func (w *writer) count(key []byte, shared int, valueBytes uint64) error {
	ascends := shared < len(key) && (shared == len(w.lastKey) || key[shared] > w.lastKey[shared])
	if !ascends || len(key) < backend.HeaderSize || binary.BigEndian.Uint16(key) != w.group {
		return fmt.Errorf("row %d of the view, in key group %d: its key is of another key group or not above the key before it: %w", w.rows, w.group, backend.ErrInvalid)
	}
	if uint64(len(key)) > maxKeyBytes || valueBytes > w.valueBytes {
		return fmt.Errorf("row %d of the view, in key group %d, has a key of %d and a value of %d bytes, limits %d and %d: %w",
			w.rows, w.group, len(key), valueBytes, maxKeyBytes, w.valueBytes, backend.ErrInvalid)
	}
	if last := len(w.sections) - 1; last < 0 || w.sections[last].group != w.group {
		w.sections = append(w.sections, section{group: w.group, offset: w.offset, sequence: w.sequence})
	}
	w.sections[len(w.sections)-1].rows++
	w.rows++
	return nil
}

// flush writes the current block, if it has rows.
func (w *writer) flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(w.block) == 0 {
		return nil
	}
	err := w.putBlock(rowBlock, w.group, w.block)
	w.block = w.block[:0]
	return err
}

// largeRow writes a row as blocks of its own: lengths, key and value, cut into pieces of the
// maximum block size.
func (w *writer) largeRow(ctx context.Context, key, value []byte) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	w.lastKey = append(w.lastKey[:0], key...)
	lengths := binary.AppendUvarint(nil, uint64(len(key)))
	lengths = binary.AppendUvarint(lengths, uint64(len(value)))
	kind := largeBlock
	piece := make([]byte, 0, w.largeBytes)
	for _, part := range [][]byte{lengths, key, value} {
		for len(part) > 0 {
			n := min(len(part), w.largeBytes-len(piece))
			piece, part = append(piece, part[:n]...), part[n:]
			if len(piece) < w.largeBytes {
				continue
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := w.putBlock(kind, w.group, piece); err != nil {
				return err
			}
			kind, piece = continuedBlock, piece[:0]
		}
	}
	if len(piece) == 0 {
		return nil
	}
	return w.putBlock(kind, w.group, piece)
}

// end writes the index block and the trailer.
func (w *writer) end() error {
	at := w.offset
	if err := w.putBlock(indexBlock, 0, appendIndex(nil, w.sections)); err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(at))
	b = binary.BigEndian.AppendUint32(b, w.sequence)
	b = append(b, magic...)
	return w.put(binary.BigEndian.AppendUint64(b, checksum(w.id, b)))
}

// sharedPrefix returns the length of the longest common prefix of a and b.
func sharedPrefix(a, b []byte) (n int) {
	a, b = a[:min(len(a), len(b))], b[:min(len(a), len(b))]
	for ; len(a)-n >= 8; n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}
