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

// Reader reads a file of the portable format. Whatever the file holds, it
// takes no more memory than a few blocks, or one large row, which is never
// larger than the file.
//
// Thread safety: one goroutine.
type Reader struct {
	file     io.ReaderAt
	id       Identity
	space    backend.Keyspace
	states   []backend.Info
	sections []section
	end      section // where the index block is

	decompressor *decompressor
	stored       []byte
}

// NewReader reads all of a file but its rows. It returns ErrCorrupt or
// ErrVersion for what it cannot read.
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

// Close gives back memory. The file stays the caller's.
func (r *Reader) Close() { r.decompressor.close() }

// Identity is the file's.
func (r *Reader) Identity() Identity { return r.id }

// Keyspace is that of the backend that was written.
func (r *Reader) Keyspace() backend.Keyspace { return r.space }

// States is the name table, ordered by id.
func (r *Reader) States() []backend.Info { return r.states }

// Len is the number of rows.
func (r *Reader) Len() (n int64) {
	for _, s := range r.sections {
		n += s.rows
	}
	return n
}

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
	index, behind, err := r.readMeta(indexBlock, r.end, size-trailerSize)
	if err != nil {
		return err
	}
	if behind.offset != size-trailerSize {
		return fmt.Errorf("%d bytes between index and trailer: %w", size-trailerSize-behind.offset, ErrCorrupt)
	}
	if r.sections, err = parseIndex(index, first, r.end); err != nil {
		return err
	}
	for _, s := range r.sections {
		if !r.space.Groups.Contains(s.group) {
			return fmt.Errorf("section of key group %d in a file of %v: %w", s.group, r.space.Groups, ErrCorrupt)
		}
	}
	return nil
}

// readAt fills b; a file that is too short is corrupt.
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
		return fmt.Errorf("file of %d bytes: %w", size, ErrCorrupt)
	}
	var b [preambleSize]byte
	if err := r.readAt(b[:], 0); err != nil {
		return err
	}
	if string(b[:8]) != magic {
		return fmt.Errorf("no Weir snapshot: %w", ErrCorrupt)
	}
	if v := binary.BigEndian.Uint16(b[8:]); v != formatVersion {
		return fmt.Errorf("version %d, this program reads %d: %w", v, formatVersion, ErrVersion)
	}
	copy(r.id[:], b[12:])
	body := b[:preambleSize-8]
	if checksum(r.id, body) != binary.BigEndian.Uint64(b[preambleSize-8:]) {
		return fmt.Errorf("preamble: %w", ErrCorrupt)
	}
	return nil
}

func (r *Reader) readTrailer(size int64) error {
	var b [trailerSize]byte
	if err := r.readAt(b[:], size-trailerSize); err != nil {
		return err
	}
	if checksum(r.id, b[:trailerSize-8]) != binary.BigEndian.Uint64(b[trailerSize-8:]) || string(b[12:20]) != magic {
		return fmt.Errorf("trailer: %w", ErrCorrupt)
	}
	at, blocks := binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint32(b[8:])
	if at < preambleSize+frameSize || at > uint64(size-trailerSize-frameSize) || blocks < 2 {
		return fmt.Errorf("index at byte %d of %d: %w", at, size, ErrCorrupt)
	}
	r.end = section{offset: int64(at), sequence: blocks - 1}
	return nil
}

// readMeta reads the header or the index, and says where the next block is.
// The bytes are good until the next call.
func (r *Reader) readMeta(kind blockKind, at section, limit int64) (raw []byte, next section, err error) {
	f, raw, err := r.readBlock(&at, limit)
	if err != nil {
		return nil, at, err
	}
	if f.kind != kind || f.group != 0 {
		return nil, at, fmt.Errorf("block of kind %d where %d is due: %w", f.kind, kind, ErrCorrupt)
	}
	return raw, at, nil
}

// readBlock reads the block at a place, which must end before limit, and moves
// the place behind it. The bytes are good until the next call.
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
		return f, nil, fmt.Errorf("block %d at byte %d, block %d is due: %w", f.sequence, at.offset, at.sequence, ErrCorrupt)
	}
	if cap(r.stored) < int(f.stored) {
		r.stored = make([]byte, max(int(f.stored), 2*cap(r.stored)))
	}
	stored := r.stored[:f.stored]
	if err := r.readAt(stored, at.offset+frameSize); err != nil {
		return f, nil, err
	}
	if checksum(r.id, head[:frameSize-8], stored) != sum {
		return f, nil, fmt.Errorf("block %d at byte %d: checksum: %w", f.sequence, at.offset, ErrCorrupt)
	}
	at.offset, at.sequence = next, at.sequence+1
	raw, err = r.decompressor.load(f, stored)
	return f, raw, err
}

// check reads every row of the file.
func (r *Reader) check(ctx context.Context) error {
	for _, s := range r.sections {
		if err := r.rowsOf(ctx, s.group, func(_, _ []byte) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// Rows calls yield with every row of a key group, strictly ascending by
// composite key. Both slices are good until yield returns.
func (r *Reader) Rows(group uint16, yield func(key, value []byte) error) error {
	return r.rowsOf(context.Background(), group, yield)
}

// rowsOf is Rows until the context ends, which it looks at before each block.
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
	at     section // the next block
	end    section
	yield  func(key, value []byte) error
	key    []byte
	rows   int64
}

func (s *rowReader) run() error {
	due := s.at.rows
	for s.at.offset < s.end.offset {
		f, raw, err := s.next()
		if err != nil {
			return err
		}
		if f.group != s.group {
			return fmt.Errorf("block of key group %d in the section of %d: %w", f.group, s.group, ErrCorrupt)
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
	if s.rows != due || s.at.offset != s.end.offset || s.at.sequence != s.end.sequence {
		return fmt.Errorf("key group %d: %d rows where %d are due: %w", s.group, s.rows, due, ErrCorrupt)
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

// block reads a block of whole rows, one at the least.
func (s *rowReader) block(raw []byte) error {
	p := parser{rest: raw}
	for first := true; first || len(p.rest) > 0; first = false {
		shared, unshared, size := p.uvarint(), p.uvarint(), p.uvarint()
		tail, value := p.bytes(unshared), p.bytes(size)
		if p.err != nil {
			return p.err
		}
		if shared > uint64(len(s.key)) || first && shared > 0 {
			return fmt.Errorf("row shares %d bytes of a key of %d: %w", shared, len(s.key), ErrCorrupt)
		}
		if err := s.row(int(shared), tail, value); err != nil {
			return err
		}
	}
	return nil
}

// row checks the order of keys and hands a row on. A key is the first shared
// bytes of the one before and a tail.
func (s *rowReader) row(shared int, tail, value []byte) error {
	if s.rows > 0 && bytes.Compare(tail, s.key[shared:]) <= 0 {
		return fmt.Errorf("key group %d: row %d is out of order: %w", s.group, s.rows, ErrCorrupt)
	}
	s.key = append(s.key[:shared], tail...)
	s.rows++
	group, _, _, err := backend.SplitHeader(s.key)
	if err != nil || group != s.group {
		return fmt.Errorf("row of key group %d in the section of %d: %w", group, s.group, ErrCorrupt)
	}
	return s.yield(s.key, value)
}

// large puts the pieces of a large row together. They are stored raw, so a row
// that the section has no bytes for is refused before memory is taken for it.
func (s *rowReader) large(raw []byte) error {
	p := parser{rest: raw}
	keySize, valueSize := p.uvarint(), p.uvarint()
	left := uint64(len(p.rest)) + uint64(s.end.offset-s.at.offset)
	if keySize > maxKeyBytes || valueSize > maxValueBytes {
		return fmt.Errorf("large row of %d and %d bytes: %w", keySize, valueSize, ErrCorrupt)
	}
	if keySize+valueSize > math.MaxInt {
		return fmt.Errorf("large row of %d and %d bytes on a 32-bit platform: %w", keySize, valueSize, backend.ErrValueTooLarge)
	}
	if p.err != nil || keySize > left || valueSize > left-keySize {
		return fmt.Errorf("large row of %d and %d bytes, %d are left: %w", keySize, valueSize, left, ErrCorrupt)
	}
	whole := make([]byte, 0, keySize+valueSize)
	piece := p.rest
	for {
		if len(piece) > cap(whole)-len(whole) {
			return fmt.Errorf("large row with bytes too many: %w", ErrCorrupt)
		}
		whole = append(whole, piece...)
		if len(whole) == cap(whole) {
			return s.row(0, whole[:keySize], whole[keySize:])
		}
		if s.at.offset >= s.end.offset {
			return fmt.Errorf("large row ends early: %w", ErrCorrupt)
		}
		f, next, err := s.next()
		if err != nil {
			return err
		}
		if f.kind != continuedBlock || f.group != s.group || len(next) == 0 {
			return fmt.Errorf("large row is not continued: %w", ErrCorrupt)
		}
		piece = next
	}
}
