package snapshot

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/weirstate/weir/state/backend"
)

// Reader reads a file of the portable format.
//
// Problem: the file may be damaged, may be another file of the same name, or may be made by
// somebody who wants to crash the process. The reader must not take wrong rows for right ones,
// nor allocate memory that the file's size does not justify. A restore at another parallelism
// reads some key groups only, so the reader must not have to read the rest.
//
// Idea: open reads the parts with fixed positions first and checks each part against the next:
//
//	(1) preamble: magic, version, identity
//	(2) trailer, the last 28 bytes: position of the index, number of blocks
//	(3) header block, directly after the preamble: keyspace, states
//	(4) index block: sections, which must tile the bytes between header and index
//
//	[1 preamble][3 header][ section of group 0 ][ section of group 3 ]...[4 index][2 trailer]
//
// Rows then reads the section of one key group, block by block. It checks the checksum, sequence
// number, kind and key group of each block, the key group and order of each row, and the number of
// rows at the end of the section.
//
// Invariant: a checksum covers every byte, and includes the file's identity, so that a block
// of another file never passes.
//
// Invariant: before memory is allocated for a count or a size from the file, it is compared
// with a limit of the format and with the number of bytes that are left.
//
// Cost: memory for a few blocks of at most 2 MiB, or for one large row, which is never larger
// than the file. Opening reads four parts; a key group costs one sequential read.
//
// Thread safety: one goroutine.
type Reader struct {
	file     io.ReaderAt
	id       Identity
	space    backend.Keyspace
	states   []backend.Info
	sections []section
	end      section // position of the index block; the last section ends there

	decompressor *decompressor
	stored       []byte
}

// NewReader opens a file of the given size. It reads everything except the rows. It returns
// ErrCorrupt for a damaged file and ErrVersion for one of another version.
func NewReader(file io.ReaderAt, size int64) (*Reader, error) {
	decompressor, err := newDecompressor()
	if err != nil {
		return nil, err
	}
	r := &Reader{file: file, decompressor: decompressor}
	if err := r.open(size); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Close frees memory. It does not close the file, which belongs to the caller.
func (r *Reader) Close() { r.decompressor.close() }

// Identity returns the identity of the file.
func (r *Reader) Identity() Identity { return r.id }

// Keyspace returns the keyspace of the backend that wrote the file.
func (r *Reader) Keyspace() backend.Keyspace { return r.space }

// States returns the name table, ordered by id.
func (r *Reader) States() []backend.Info { return r.states }

// Len returns the number of rows in the file.
func (r *Reader) Len() (n int64) {
	for _, s := range r.sections {
		n += s.rows
	}
	return n
}

// open reads preamble, trailer, header and index.
func (r *Reader) open(size int64) error {
	if err := r.readPreamble(size); err != nil {
		return err
	}
	if err := r.readTrailer(size); err != nil {
		return err
	}
	header, first, err := r.readMeta(headerBlock, section{offset: preambleSize}, r.end.offset)
	if err != nil {
		return err
	}
	if r.space, r.states, err = parseHeader(header); err != nil {
		return err
	}
	index, after, err := r.readMeta(indexBlock, r.end, size-trailerSize)
	if err != nil {
		return err
	}
	if after.offset != size-trailerSize {
		return fmt.Errorf("%d bytes between index and trailer: %w", size-trailerSize-after.offset, ErrCorrupt)
	}
	if r.sections, err = parseIndex(index, first, r.end); err != nil {
		return err
	}
	for _, s := range r.sections {
		if !r.space.Groups.Contains(s.group) {
			return fmt.Errorf("section of key group %d in a file of key groups %v: %w", s.group, r.space.Groups, ErrCorrupt)
		}
	}
	return nil
}

// readAt fills b from the file. It returns ErrCorrupt if the file is too short.
func (r *Reader) readAt(b []byte, offset int64) error {
	n, err := r.file.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("file ends at byte %d: %w", offset+int64(n), ErrCorrupt)
	}
	return err
}

func (r *Reader) readPreamble(size int64) error {
	if size < preambleSize+2*frameSize+trailerSize {
		return fmt.Errorf("file of %d bytes is too short for a snapshot: %w", size, ErrCorrupt)
	}
	var b [preambleSize]byte
	if err := r.readAt(b[:], 0); err != nil {
		return err
	}
	if string(b[:8]) != magic {
		return fmt.Errorf("file is not a Weir snapshot: %w", ErrCorrupt)
	}
	if v := binary.BigEndian.Uint16(b[8:]); v != formatVersion {
		return fmt.Errorf("version %d, this program reads %d: %w", v, formatVersion, ErrVersion)
	}
	copy(r.id[:], b[12:])
	body := b[:preambleSize-8]
	if checksum(r.id, body) != binary.BigEndian.Uint64(b[preambleSize-8:]) {
		return fmt.Errorf("checksum of the preamble does not match: %w", ErrCorrupt)
	}
	return nil
}

func (r *Reader) readTrailer(size int64) error {
	var b [trailerSize]byte
	if err := r.readAt(b[:], size-trailerSize); err != nil {
		return err
	}
	if checksum(r.id, b[:trailerSize-8]) != binary.BigEndian.Uint64(b[trailerSize-8:]) || string(b[12:20]) != magic {
		return fmt.Errorf("checksum or magic of the trailer does not match: %w", ErrCorrupt)
	}
	at, blocks := binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint32(b[8:])
	if at < preambleSize+frameSize || at > uint64(size-trailerSize-frameSize) || blocks < 2 {
		return fmt.Errorf("trailer says that the index of %d blocks is at byte %d of %d: %w", blocks, at, size, ErrCorrupt)
	}
	r.end = section{offset: int64(at), sequence: blocks - 1}
	return nil
}

// readMeta reads the header block or the index block. It returns the raw bytes, which are valid
// until the next call, and the position of the next block.
func (r *Reader) readMeta(kind blockKind, at section, limit int64) (raw []byte, next section, err error) {
	f, raw, err := r.readBlock(&at, limit)
	if err != nil {
		return nil, at, err
	}
	if f.kind != kind || f.group != 0 {
		return nil, at, fmt.Errorf("block has kind %d, want %d: %w", f.kind, kind, ErrCorrupt)
	}
	return raw, at, nil
}

// readBlock reads the block at a position and advances at to the next block. The block must not
// extend past limit. The raw bytes are valid until the next call.
func (r *Reader) readBlock(at *section, limit int64) (f frame, raw []byte, err error) {
	var head [frameSize]byte
	if err := r.readAt(head[:], at.offset); err != nil {
		return f, nil, err
	}
	f, sum, err := parseFrame(head[:])
	if err != nil {
		return f, nil, err
	}
	next := at.offset + frameSize + int64(f.stored)
	if next > limit || f.sequence != at.sequence {
		return f, nil, fmt.Errorf("block at byte %d has number %d and ends at %d, want number %d and an end up to %d: %w",
			at.offset, f.sequence, next, at.sequence, limit, ErrCorrupt)
	}
	if cap(r.stored) < int(f.stored) {
		r.stored = make([]byte, max(int(f.stored), 2*cap(r.stored)))
	}
	stored := r.stored[:f.stored]
	if err := r.readAt(stored, at.offset+frameSize); err != nil {
		return f, nil, err
	}
	if checksum(r.id, head[:frameSize-8], stored) != sum {
		return f, nil, fmt.Errorf("checksum of block %d at byte %d does not match: %w", f.sequence, at.offset, ErrCorrupt)
	}
	at.offset, at.sequence = next, at.sequence+1
	raw, err = r.decompressor.load(f, stored)
	return f, raw, err
}

// check reads and verifies every row of the file.
func (r *Reader) check(ctx context.Context) error {
	for _, s := range r.sections {
		if err := r.rowsOf(ctx, s.group, func(_, _ []byte) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// Rows calls yield with every row of a key group, strictly ascending by
// composite key. Both slices are valid until yield returns. If yield returns an error, Rows stops
// and returns it.
func (r *Reader) Rows(group uint16, yield func(key, value []byte) error) error {
	return r.rowsOf(context.Background(), group, yield)
}

// rowsOf is Rows with a context, which it checks before each block.
func (r *Reader) rowsOf(ctx context.Context, group uint16, yield func(key, value []byte) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	i, ok := slices.BinarySearchFunc(r.sections, group, func(s section, g uint16) int { return cmp.Compare(s.group, g) })
	if !ok {
		return nil
	}
	end := r.end
	if i+1 < len(r.sections) {
		end = r.sections[i+1]
	}
	rows := rowReader{ctx: ctx, reader: r, group: group, at: r.sections[i], end: end, yield: yield}
	return rows.run()
}

// rowReader reads the rows of one section.
type rowReader struct {
	ctx    context.Context
	reader *Reader
	group  uint16
	at     section // position of the next block
	end    section // end of the section
	yield  func(key, value []byte) error
	key    []byte // of the last row
	rows   int64  // that were read
}

// run reads all blocks of the section.
func (s *rowReader) run() error {
	want := s.at.rows
	for s.at.offset < s.end.offset {
		f, raw, err := s.next()
		if err != nil {
			return err
		}
		if f.group != s.group {
			return fmt.Errorf("block of key group %d in the section of key group %d: %w", f.group, s.group, ErrCorrupt)
		}
		switch f.kind {
		case rowBlock:
			err = s.block(raw)
		case largeBlock:
			err = s.large(raw)
		default:
			err = fmt.Errorf("block of kind %d among rows: %w", f.kind, ErrCorrupt)
		}
		if err != nil {
			return err
		}
	}
	if s.rows != want || s.at.offset != s.end.offset || s.at.sequence != s.end.sequence {
		return fmt.Errorf("key group %d has %d rows up to byte %d, want %d up to %d: %w",
			s.group, s.rows, s.at.offset, want, s.end.offset, ErrCorrupt)
	}
	return nil
}

// next reads the next block of the section.
func (s *rowReader) next() (f frame, raw []byte, err error) {
	if s.ctx.Err() != nil {
		return f, nil, context.Cause(s.ctx)
	}
	return s.reader.readBlock(&s.at, s.end.offset)
}

// block reads a block of one or more whole rows.
func (s *rowReader) block(raw []byte) error {
	p := parser{rest: raw}
	for first := true; first || len(p.rest) > 0; first = false {
		shared, unshared, size := p.uvarint(), p.uvarint(), p.uvarint()
		tail, value := p.bytes(unshared), p.bytes(size)
		if p.err != nil {
			return p.err
		}
		if shared > uint64(len(s.key)) || first && shared > 0 {
			return fmt.Errorf("row shares %d bytes with the key before it, want at most %d and 0 in the first row of a block: %w", shared, len(s.key), ErrCorrupt)
		}
		if err := s.row(int(shared), tail, value); err != nil {
			return err
		}
	}
	return nil
}

// row checks key group and order of a row and yields it. The row's key is the first shared bytes
// of the previous key, followed by tail.
func (s *rowReader) row(shared int, tail, value []byte) error {
	if s.rows > 0 && bytes.Compare(tail, s.key[shared:]) <= 0 {
		return fmt.Errorf("key group %d: key of row %d is not above the key before it: %w", s.group, s.rows, ErrCorrupt)
	}
	s.key = append(s.key[:shared], tail...)
	s.rows++
	group, _, _, err := backend.SplitHeader(s.key)
	if err != nil || group != s.group {
		return fmt.Errorf("row of key group %d in the section of key group %d: %w", group, s.group, ErrCorrupt)
	}
	return s.yield(s.key, value)
}

// large reads a large row, which is cut into several blocks. raw is the first of them. The blocks
// are stored raw, so large can refuse a row that is larger than the rest of the section before it
// allocates memory for it.
func (s *rowReader) large(raw []byte) error {
	p := parser{rest: raw}
	keySize, valueSize := p.uvarint(), p.uvarint()
	left := uint64(len(p.rest)) + uint64(s.end.offset-s.at.offset)
	if keySize > maxKeyBytes || valueSize > maxValueBytes {
		return fmt.Errorf("large row with a key of %d and a value of %d bytes, limits %d and %d: %w",
			keySize, valueSize, maxKeyBytes, maxValueBytes, ErrCorrupt)
	}
	if keySize+valueSize > math.MaxInt {
		return fmt.Errorf("large row with a key of %d and a value of %d bytes does not fit a 32-bit process: %w", keySize, valueSize, backend.ErrValueTooLarge)
	}
	if p.err != nil || keySize > left || valueSize > left-keySize {
		return fmt.Errorf("large row with a key of %d and a value of %d bytes, but the section has %d left: %w", keySize, valueSize, left, ErrCorrupt)
	}
	whole := make([]byte, 0, keySize+valueSize)
	piece := p.rest
	for {
		if len(piece) > cap(whole)-len(whole) {
			return fmt.Errorf("large row is longer than its sizes: %w", ErrCorrupt)
		}
		whole = append(whole, piece...)
		if len(whole) == cap(whole) {
			return s.row(0, whole[:keySize], whole[keySize:])
		}
		if s.at.offset >= s.end.offset {
			return fmt.Errorf("section ends within a large row: %w", ErrCorrupt)
		}
		f, next, err := s.next()
		if err != nil {
			return err
		}
		if f.kind != continuedBlock || f.group != s.group || len(next) == 0 {
			return fmt.Errorf("block of kind %d within a large row, want a non-empty one of kind %d: %w", f.kind, continuedBlock, ErrCorrupt)
		}
		piece = next
	}
}
