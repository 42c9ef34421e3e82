package snapshot

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/weirstate/weir/state/backend"
)

// The portable format, version 1. docs/format-snapshot.md draws it; this file
// has its constants and the block, the unit that is compressed and checked.
//
//	preamble | header block | row blocks, by key group | index block | trailer
const (
	magic         = "WEIRSNAP"
	formatVersion = 1

	// preamble: magic (8) | version (2) | zero (2) | identity (16) | xxh64 (8)
	preambleSize = 36
	// trailer: index offset (8) | blocks (4) | magic (8) | xxh64 (8)
	trailerSize = 28
	// frame: kind (1) | compression (1) | key group (2) | raw size (4) |
	// stored size (4) | sequence (4) | xxh64 (8)
	frameSize = 24

	// blockBytes is the size at which a block of rows is full. Larger blocks
	// compress hardly better and cost a reader of one group more.
	blockBytes = 256 << 10
	// maxBlockBytes bounds a block of rows, raw. A row that does not fit is
	// large: it is stored raw, in blocks of its own.
	maxBlockBytes = 2 << 20
	// maxKeyBytes bounds the key of a row: the largest that a program may have, with the
	// number of a row of a list or the domain of a timer.
	maxKeyBytes = uint64(backend.MaxKeySize) + 64
	// maxValueBytes bounds a stored value: the largest value with its header, and room
	// for the smaller elements that the row of a list has before a large one, as first
	// versions of the byte seam wrote them.
	maxValueBytes = uint64(backend.MaxValueSize) + 4<<20
	// maxMetaBytes bounds the header and the index, raw.
	maxMetaBytes = 16 << 20
	// maxStates and maxCodecs, of one state, bound what a few compressed bytes
	// of header can grow into.
	maxStates = 1 << 16
	maxCodecs = 8
)

type blockKind uint8

const (
	headerBlock    blockKind = 1
	rowBlock       blockKind = 2 // whole rows of one key group
	largeBlock     blockKind = 3 // the beginning of a large row
	continuedBlock blockKind = 4 // more of a large row
	indexBlock     blockKind = 5
)

// maxRaw is the largest raw size of a block of a kind.
func (k blockKind) maxRaw() uint32 {
	if k == headerBlock || k == indexBlock {
		return maxMetaBytes
	}
	return maxBlockBytes
}

// Stored forms of a block.
const (
	storedRaw  = 0
	storedZstd = 1
)

// frame is what precedes the stored bytes of a block.
type frame struct {
	kind     blockKind
	form     uint8
	group    uint16
	raw      uint32 // bytes
	stored   uint32 // bytes
	sequence uint32 // number of the block in the file, from 0
}

func (f frame) append(dst []byte) []byte {
	dst = append(dst, byte(f.kind), f.form)
	dst = binary.BigEndian.AppendUint16(dst, f.group)
	dst = binary.BigEndian.AppendUint32(dst, f.raw)
	dst = binary.BigEndian.AppendUint32(dst, f.stored)
	return binary.BigEndian.AppendUint32(dst, f.sequence)
}

// parseFrame checks what can be checked without the stored bytes.
func parseFrame(b []byte) (f frame, checksum uint64, err error) {
	f = frame{
		kind:     blockKind(b[0]),
		form:     b[1],
		group:    binary.BigEndian.Uint16(b[2:]),
		raw:      binary.BigEndian.Uint32(b[4:]),
		stored:   binary.BigEndian.Uint32(b[8:]),
		sequence: binary.BigEndian.Uint32(b[12:]),
	}
	packed := f.form == storedZstd && f.stored < f.raw && f.kind != largeBlock && f.kind != continuedBlock
	sound := f.form == storedRaw && f.stored == f.raw || packed
	switch {
	case f.kind < headerBlock || f.kind > indexBlock:
		err = fmt.Errorf("block of kind %d: %w", f.kind, ErrCorrupt)
	case !sound:
		err = fmt.Errorf("block of %d bytes stored as %d in form %d: %w", f.raw, f.stored, f.form, ErrCorrupt)
	case f.raw > f.kind.maxRaw():
		err = fmt.Errorf("block of %d bytes, limit %d: %w", f.raw, f.kind.maxRaw(), ErrCorrupt)
	}
	return f, binary.BigEndian.Uint64(b[frameSize-8:]), err
}

// checksum binds the bytes to the file: a block that stands in another file, or
// at another place, does not match.
func checksum(id Identity, parts ...[]byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	d.Write(id[:])
	for _, p := range parts {
		d.Write(p)
	}
	return d.Sum64()
}

// compressor makes stored forms. It belongs to one goroutine.
type compressor struct {
	encoder *zstd.Encoder // nil: everything is stored raw
	buffer  []byte
}

// idle has compressors for Zstd that wait for the next snapshot: an encoder has
// tables and a history of 9 MiB.
var idle sync.Pool

func newCompressor(c Compression) (*compressor, error) {
	if c == None {
		return &compressor{}, nil
	}
	if ready, ok := idle.Get().(*compressor); ok {
		return ready, nil
	}
	encoder, err := newEncoder()
	return &compressor{encoder: encoder}, err
}

func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false)) // blocks have their own checksum
}

// release gives the compressor to the next snapshot.
func (c *compressor) release() {
	if c.encoder != nil {
		idle.Put(c)
	}
}

// store returns the stored form of raw, which may be raw itself. It is good
// until the next call.
func (c *compressor) store(raw []byte) (form uint8, stored []byte) {
	if c.encoder == nil {
		return storedRaw, raw
	}
	c.buffer = c.encoder.EncodeAll(raw, c.buffer[:0])
	if len(c.buffer) >= len(raw) {
		return storedRaw, raw
	}
	return storedZstd, c.buffer
}

// decompressor undoes a compressor, in bounded memory whatever it is given.
type decompressor struct {
	decoder *zstd.Decoder
	buffer  []byte
}

func newDecompressor() (*decompressor, error) {
	decoder, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(maxMetaBytes),
		zstd.WithDecodeAllCapLimit(true))
	return &decompressor{decoder: decoder}, err
}

// load returns the raw bytes of a block. They are good until the next call.
func (d *decompressor) load(f frame, stored []byte) ([]byte, error) {
	if f.form == storedRaw {
		return stored, nil
	}
	if cap(d.buffer) < int(f.raw) {
		d.buffer = make([]byte, 0, f.raw)
	}
	raw, err := d.decoder.DecodeAll(stored, d.buffer[:0:f.raw])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if len(raw) != int(f.raw) {
		return nil, fmt.Errorf("block of %d bytes where %d are due: %w", len(raw), f.raw, ErrCorrupt)
	}
	return raw, nil
}

func (d *decompressor) close() { d.decoder.Close() }
