package snapshot

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"runtime"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/state/backend"
)

// Compression is how blocks of rows are stored.
type Compression uint8

const (
	// Zstd is zstd at its fastest level: the default.
	Zstd Compression = iota
	// None stores bytes as they are.
	None
)

// yieldBytes is how many bytes of rows, about a hundred microseconds of work,
// are written between two offers of the processor to others. The collector may
// take the other one; the task would then wait for this one until the scheduler
// takes it away, ten milliseconds later. Oftener costs more than it gives: an
// offer wakes an idle processor.
const yieldBytes = 64 << 10

// rowCost is what a row counts for above the bytes of key and value.
const rowCost = 64

// writer writes one file of the portable format. It belongs to one goroutine.
type writer struct {
	out        io.Writer
	id         Identity
	compressor *compressor
	digest     xxhash.Digest // of the whole file

	// blockBytes, maxBlockBytes and maxValueBytes. Tests lower them to reach the border.
	fullBytes, largeBytes int
	valueBytes            uint64

	offset   int64
	sequence uint32
	sections []section
	rows     int64

	group   uint16
	block   []byte // rows, raw
	lastKey []byte // of the row before, whatever its key group
	busy    int    // since the processor was offered last: see yieldBytes
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

// view writes a view as a whole file. Progress is called after each key group.
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

// rowsOf writes the section of one key group.
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

// put writes bytes as they are.
func (w *writer) put(b []byte) error {
	if _, err := w.out.Write(b); err != nil {
		return err
	}
	w.digest.Write(b)
	w.offset += int64(len(b))
	return nil
}

// begin writes preamble and header.
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
		return fmt.Errorf("name table of %d states in %d bytes, limits %d and %d: %w",
			len(states), len(header), maxStates, maxMetaBytes, backend.ErrInvalid)
	}
	return w.putBlock(headerBlock, 0, header)
}

// putBlock writes a block, compressed if that helps and it is no large row.
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

// row adds a row to the section of w.group. Within a block a row gives the
// number of bytes that its key shares with the key before.
func (w *writer) row(ctx context.Context, key, value []byte) error {
	shared := sharedPrefix(w.lastKey, key)
	if err := w.count(key, shared, uint64(len(value))); err != nil {
		return err
	}
	if w.busy += rowCost + len(key) + len(value); w.busy > yieldBytes {
		w.busy = 0
		runtime.Gosched()
	}
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

// appendLengths adds three uvarints, which mostly take a byte each.
func appendLengths(dst []byte, a, b, c uint64) []byte {
	if a|b|c < 0x80 {
		return append(dst, byte(a), byte(b), byte(c))
	}
	dst = binary.AppendUvarint(dst, a)
	dst = binary.AppendUvarint(dst, b)
	return binary.AppendUvarint(dst, c)
}

// count enters a row, whose key shares some bytes with the key before, and whose value has
// a size, in the index. It refuses what a reader would refuse: by then the view is gone and
// nobody can write it again.
func (w *writer) count(key []byte, shared int, valueBytes uint64) error {
	ascends := shared < len(key) && (shared == len(w.lastKey) || key[shared] > w.lastKey[shared])
	if !ascends || len(key) < backend.HeaderSize || binary.BigEndian.Uint16(key) != w.group {
		return fmt.Errorf("row %d of the view, in key group %d: its key is out of order: %w", w.rows, w.group, backend.ErrInvalid)
	}
	if uint64(len(key)) > maxKeyBytes || valueBytes > w.valueBytes {
		return fmt.Errorf("row %d of the view, in key group %d: %d and %d bytes, limits %d and %d: %w",
			w.rows, w.group, len(key), valueBytes, maxKeyBytes, w.valueBytes, backend.ErrInvalid)
	}
	if last := len(w.sections) - 1; last < 0 || w.sections[last].group != w.group {
		w.sections = append(w.sections, section{group: w.group, offset: w.offset, sequence: w.sequence})
	}
	w.sections[len(w.sections)-1].rows++
	w.rows++
	return nil
}

// flush writes the rows that are waiting.
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

// largeRow writes a row in blocks of its own: the lengths, the key and the
// value, cut where a block is full.
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

// end writes index and trailer.
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

// sharedPrefix is the number of bytes with which both slices begin.
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
