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

// Compression is how blocks and chunks are stored. The numbers are part of the
// format.
type Compression uint8

// What does not become an eighth smaller is stored as it is.
const (
	None Compression = iota
	S2
	Zstd
)

// maxPackedBytes bounds what a compressed block may grow into. Larger blocks,
// which a key or the index may need, are stored raw: then there is as much in
// the file as they need in memory.
const maxPackedBytes = 1 << 20

// zstdCodecs are shared by all tables: an encoder has tables of some MiB.
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

type zstdCodec struct {
	*zstd.Encoder
	*zstd.Decoder
}

// packer makes blocks of raw bytes. It belongs to one goroutine.
type packer struct {
	id          vfs.Identity
	compression Compression
	buffer      []byte
}

// pack returns raw as a block for an offset of the file: what is stored, then
// its trailer. The result is good until the next call; it may be raw itself,
// grown.
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

// envelope is a block whose checksum was right.
type envelope struct {
	stored   []byte
	form     Compression
	rawBytes int
}

// unseal checks a block that stands at an offset. What it accepts needs no more
// memory than maxPackedBytes or what is stored.
func unseal(b []byte, id *vfs.Identity, offset int64) (e envelope, err error) {
	end := len(b) - trailerBytes
	if end < 0 || binary.BigEndian.Uint64(b[end+8:]) != checksum(id, b[:end+8], offset) {
		return e, corrupt(offset, "checksum of a block")
	}
	word := binary.BigEndian.Uint64(b[end:])
	rawBytes := word & (1<<56 - 1)
	e = envelope{b[:end:end], Compression(word >> 56), int(rawBytes)}
	switch {
	case e.form > Zstd:
		return e, corrupt(offset, "unknown compression")
	case e.form == None && rawBytes != uint64(end):
		return e, corrupt(offset, "size of a raw block")
	case e.form != None && (rawBytes > maxPackedBytes || rawBytes <= uint64(end)):
		return e, corrupt(offset, "size of a compressed block")
	}
	return e, nil
}

// unpack writes the raw bytes to dst, which has that size.
func (e *envelope) unpack(dst []byte, offset int64) error {
	switch e.form {
	case None:
		copy(dst, e.stored)
	case S2:
		n, err := s2.DecodedLen(e.stored)
		if err != nil || n != len(dst) {
			return corrupt(offset, "s2 of another size")
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
			return corrupt(offset, "zstd of another size")
		}
	}
	return nil
}

// addressable says whether a size fits into an int of this system.
func addressable(n int64) bool { return uint64(n) <= math.MaxInt }

// resized returns a slice of n bytes with any content, b if it is large enough.
func resized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
