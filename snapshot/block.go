package snapshot

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"github.com/weirstate/weir/state/backend"
)

// The portable format, version 1, is described in docs/format-snapshot.md. This file has its
// constants and the block, which is the unit of compression and of checksums.
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

	// blockBytes is the raw size at which a block of rows is full. Larger blocks compress
	// hardly better, and a reader of one key group has to read more.
	blockBytes = 256 << 10
	// maxBlockBytes is the maximum raw size of a block of rows. A larger row is stored raw,
	// in several blocks of its own.
	maxBlockBytes = 2 << 20
	// maxKeyBytes is the maximum size of a row's key: the largest composite key of a program,
	// and room for the suffix of a list's row or the time of a timer.
	maxKeyBytes = uint64(backend.MaxKeySize) + 64
	// maxValueBytes is the maximum size of a stored value: the largest value and its header,
	// and room for smaller list elements before a large one, which first versions of byte
	// backends stored in one row.
	maxValueBytes = uint64(backend.MaxValueSize) + 4<<20
	// maxMetaBytes is the maximum raw size of the header and of the index.
	maxMetaBytes = 16 << 20
	// maxStates, and maxCodecs per state, limit the memory that a few compressed bytes of a
	// hostile header can claim.
	maxStates = 1 << 16
	maxCodecs = 8
)

type blockKind uint8

const (
	headerBlock    blockKind = 1
	rowBlock       blockKind = 2 // whole rows of one key group
	largeBlock     blockKind = 3 // the first part of a large row
	continuedBlock blockKind = 4 // another part of a large row
	indexBlock     blockKind = 5
)

// maxRaw returns the maximum raw size of a block of the kind.
func (k blockKind) maxRaw() uint32 {
	if k == headerBlock || k == indexBlock {
		return maxMetaBytes
	}
	return maxBlockBytes
}

// Values of frame.form: how a block is stored.
const (
	storedRaw  = 0
	storedZstd = 1
)

// frame is the header of a block. The stored bytes follow it.
type frame struct {
	kind     blockKind
	form     uint8 // storedRaw or storedZstd
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

// parseFrame reads a frame and checks kind, form and sizes. The caller verifies the checksum,
// which needs the stored bytes.
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
		err = fmt.Errorf("block of unknown kind %d: %w", f.kind, ErrCorrupt)
	case !sound:
		err = fmt.Errorf("block of kind %d with %d raw bytes stored as %d bytes in form %d: %w", f.kind, f.raw, f.stored, f.form, ErrCorrupt)
	case f.raw > f.kind.maxRaw():
		err = fmt.Errorf("block of %d bytes, limit %d: %w", f.raw, f.kind.maxRaw(), ErrCorrupt)
	}
	return f, binary.BigEndian.Uint64(b[frameSize-8:]), err
}

// checksum returns the xxh64 of the file's identity and of parts. Because of the identity, a block
// of another file does not match; the sequence number in the frame detects a misplaced block.
func checksum(id Identity, parts ...[]byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	d.Write(id[:])
	for _, p := range parts {
		d.Write(p)
	}
	return d.Sum64()
}

// compressor compresses blocks. It belongs to one goroutine.
type compressor struct {
	encoder *zstd.Encoder // nil to store blocks raw
	buffer  []byte
}

// idleCompressors holds compressors with an encoder for later snapshots: an encoder allocates
// 9 MiB of tables and history.
var idleCompressors sync.Pool

func newCompressor(c Compression) (*compressor, error) {
	if c == None {
		return &compressor{}, nil
	}
	if ready, ok := idleCompressors.Get().(*compressor); ok {
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

// release makes the compressor available to later snapshots.
func (c *compressor) release() {
	if c.encoder != nil {
		idleCompressors.Put(c)
	}
}

// store compresses raw, and returns raw itself if compression does not make it smaller. The
// result is valid until the next call.
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

// decompressor decompresses blocks. It takes bounded memory for any input.
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

// load returns the raw bytes of a block. They are valid until the next call.
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
		return nil, fmt.Errorf("block decompresses to %d bytes, want %d: %w", len(raw), f.raw, ErrCorrupt)
	}
	return raw, nil
}

func (d *decompressor) close() { d.decoder.Close() }
