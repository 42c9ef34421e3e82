package sstable

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/weirstate/weir/vfs"
)

// Compression is the algorithm with which blocks and chunks are compressed. The numbers are
// part of the format. A block that does not shrink by at least one eighth is stored
// uncompressed.
type Compression uint8

// Compression algorithms.
const (
	None Compression = iota // uncompressed
	S2                      // an extension of Snappy: fast
	Zstd                    // Zstandard at its fastest level: slower, compresses better
)

// maxPackedBytes is the maximum uncompressed size of a compressed block. Larger blocks, which
// a long key or the index may need, are stored uncompressed. So a damaged or hostile file
// cannot make a reader allocate more memory than the file's size, or this limit.
const maxPackedBytes = 1 << 20

// zstdCodecs are shared by all tables, because an encoder has tables of several MiB.
var zstdCodecs = sync.OnceValues(func() (*zstdCodec, error) {
	e, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(false), // blocks have their own checksum
		zstd.WithWindowSize(maxPackedBytes))
	if err != nil {
		return nil, err
	}
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(0),
		zstd.WithDecoderMaxMemory(maxPackedBytes),
		zstd.WithDecodeAllCapLimit(true))
	return &zstdCodec{e, d}, err
})

// zstdCodec is an encoder and a decoder, which are safe for concurrent use.
type zstdCodec struct {
	*zstd.Encoder
	*zstd.Decoder
}

// packer turns uncompressed bytes into blocks of a file. It is used by one goroutine.
type packer struct {
	id          vfs.Identity
	compression Compression
	buffer      []byte
}

// pack returns raw as a block for an offset of the file: the stored bytes and the trailer. The
// result is valid until the next call; it may be raw itself, extended.
func (p *packer) pack(raw []byte, offset int64) ([]byte, error) {
	form, stored := None, raw
	if p.compression != None && len(raw) <= maxPackedBytes {
		packed, err := p.compress(raw)
		if err != nil {
			return nil, err
		}
		if len(packed) <= len(raw)-len(raw)/8 && len(packed) < len(raw) {
			form, stored = p.compression, packed
		}
	}
	return seal(stored, form, len(raw), p.id, offset), nil
}

// compress returns raw in compressed form, in the packer's buffer.
func (p *packer) compress(raw []byte) ([]byte, error) {
	switch p.compression {
	case S2:
		if need := s2.MaxEncodedLen(len(raw)) + trailerBytes; cap(p.buffer) < need {
			p.buffer = make([]byte, need)
		}
		return s2.Encode(p.buffer[:cap(p.buffer)], raw), nil
	default:
		codec, err := zstdCodecs()
		if err != nil {
			return nil, err
		}
		p.buffer = codec.EncodeAll(raw, p.buffer[:0])
		return p.buffer, nil
	}
}

// seal appends the trailer of a block.
func seal(stored []byte, form Compression, rawBytes int, id vfs.Identity, offset int64) []byte {
	stored = binary.BigEndian.AppendUint64(stored, uint64(form)<<56|uint64(rawBytes))
	return binary.BigEndian.AppendUint64(stored, checksum(&id, stored, offset))
}

// envelope is a block whose checksum is correct.
type envelope struct {
	stored   []byte
	form     Compression
	rawBytes int
}

// unseal checks a block at an offset. The uncompressed size of an accepted block is at most
// maxPackedBytes or its stored size.
func unseal(b []byte, id *vfs.Identity, offset int64) (e envelope, err error) {
	end := len(b) - trailerBytes
	if end < 0 || binary.BigEndian.Uint64(b[end+8:]) != checksum(id, b[:end+8], offset) {
		return e, corrupt(offset, "wrong checksum of a block")
	}
	word := binary.BigEndian.Uint64(b[end:])
	rawBytes := word & (1<<56 - 1)
	e = envelope{b[:end:end], Compression(word >> 56), int(rawBytes)}
	switch {
	case e.form > Zstd:
		return e, corrupt(offset, "unknown compression")
	case e.form == None && rawBytes != uint64(end):
		return e, corrupt(offset, "wrong size of an uncompressed block")
	case e.form != None && (rawBytes > maxPackedBytes || rawBytes <= uint64(end)):
		return e, corrupt(offset, "impossible size of a compressed block")
	}
	return e, nil
}

// unpack writes the uncompressed bytes to dst, which must have their size.
func (e *envelope) unpack(dst []byte, offset int64) error {
	switch e.form {
	case None:
		copy(dst, e.stored)
	case S2:
		n, err := s2.DecodedLen(e.stored)
		if err != nil || n != len(dst) {
			return corrupt(offset, "S2 data of the wrong size")
		}
		if _, err := s2.Decode(dst, e.stored); err != nil {
			return fmt.Errorf("offset %d: %w: %w", offset, ErrCorrupt, err)
		}
	default:
		codec, err := zstdCodecs()
		if err != nil {
			return err
		}
		raw, err := codec.DecodeAll(e.stored, dst[:0:len(dst)])
		if err != nil || len(raw) != len(dst) {
			return corrupt(offset, "zstd data of the wrong size")
		}
	}
	return nil
}

// addressable reports whether a size fits into an int of this system.
func addressable(n int64) bool { return uint64(n) <= math.MaxInt }

// resized returns a slice of n bytes with undefined content; it reuses b if b is large enough.
func resized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
