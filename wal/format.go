package wal

import (
	"bytes"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/vfs"
)

// docs/format-wal.md describes what is in this file. Integers are big-endian.
const (
	magic        = "WEIRWLOG"
	version      = 1
	headerBytes  = 36 // of the file
	frameBytes   = 36 // of a frame without its payload
	tagBytes     = 8
	lengthBytes  = 5 // of the length of a record, at most
	payloadBytes = 1 << 20

	// maxTailBytes is how much of a file a Writer leaves unsynced at most, and so the
	// most that a crash leaves from the first damage to the end. It is more than any
	// log of a store has, so that a Writer hardly ever syncs for its sake.
	maxTailBytes = 1 << 30

	// maxRecordBytes is what fits an int of 32 bits, and five bytes of uvarint.
	maxRecordBytes = 1<<31 - 1
)

// Kinds of frames. The byte is the last of a frame's header.
const (
	kindData byte = 'D'
	kindEnd  byte = 'E'
	// kindMark says that what is before it was synced, and nothing else.
	kindMark byte = 'M'
)

// Identity is a random number by which a log is told from every other.
type Identity = vfs.Identity

// tag returns the bytes that every frame of a log starts with.
func tag(id *Identity) []byte { return id[:tagBytes] }

func appendHeader(dst []byte, id Identity) []byte {
	from := len(dst)
	dst = append(dst, magic...)
	dst = binary.BigEndian.AppendUint16(dst, version)
	dst = binary.BigEndian.AppendUint16(dst, 0)
	dst = append(dst, id[:]...)
	return binary.BigEndian.AppendUint64(dst, xxhash.Sum64(dst[from:]))
}

// parseHeader is not ok if the header is not whole; one of another version may
// be. Every version has magic, version and checksum where this one has.
func parseHeader(b []byte) (id Identity, ok bool, err error) {
	sum := headerBytes - 8
	if len(b) < headerBytes || string(b[:8]) != magic || binary.BigEndian.Uint64(b[sum:]) != xxhash.Sum64(b[:sum]) {
		return id, false, nil
	}
	copy(id[:], b[12:])
	switch {
	case binary.BigEndian.Uint16(b[8:]) != version:
		err = ErrVersion
	case binary.BigEndian.Uint16(b[10:]) != 0:
		err = ErrCorrupt
	}
	return id, true, err
}

// frame is the header of a frame.
type frame struct {
	synced   int64 // the file was durable up to here before the frame was written
	checksum uint64
	length   int // of the payload
	kind     byte
}

// putFrame writes the header of the frame at a position of the file.
func putFrame(dst []byte, tag []byte, at int64, f frame) {
	copy(dst, tag)
	binary.BigEndian.PutUint64(dst[8:], uint64(f.synced))
	binary.BigEndian.PutUint64(dst[16:], f.checksum)
	binary.BigEndian.PutUint32(dst[32:], uint32(f.length)<<8|uint32(f.kind))
	binary.BigEndian.PutUint64(dst[24:], frameChecksum(dst, at))
}

// frameChecksum is that of the position and the header without itself.
func frameChecksum(b []byte, at int64) uint64 {
	var sum [8 + frameBytes - 8]byte
	binary.BigEndian.PutUint64(sum[:], uint64(at))
	copy(sum[8:], b[:24])
	copy(sum[32:], b[32:frameBytes])
	return xxhash.Sum64(sum[:])
}

// parseFrame reads the header of a frame at a position of the file. It is ok
// if a writer wrote it there; of which log says the tag.
func parseFrame(b []byte, at int64) (f frame, ok bool) {
	synced := binary.BigEndian.Uint64(b[8:])
	if synced > uint64(at) || binary.BigEndian.Uint64(b[24:]) != frameChecksum(b, at) {
		return f, false
	}
	length := binary.BigEndian.Uint32(b[32:])
	f = frame{
		synced: int64(synced), checksum: binary.BigEndian.Uint64(b[16:]),
		length: int(length >> 8), kind: byte(length),
	}
	switch f.kind {
	case kindData:
		return f, 0 < f.length && f.length <= payloadBytes
	case kindEnd, kindMark:
		return f, f.length == 0 && f.synced == at
	}
	return f, false
}

// emptyFrame is an end or a mark at a position: all before it was synced.
func emptyFrame(tag []byte, at int64, kind byte) []byte {
	b := make([]byte, frameBytes)
	putFrame(b, tag, at, frame{synced: at, checksum: xxhash.Sum64(nil), kind: kind})
	return b
}

// isAlteredEnd tells whether the last bytes of a file, at a position, are an end
// frame of which one byte was altered. A crash while it is written may leave it
// with zeros in front or behind, but with no other difference.
func isAlteredEnd(b, tag []byte, at int64) bool {
	want := emptyFrame(tag, at, kindEnd)
	if len(b) != len(want) {
		return false
	}
	i := 0
	for i < len(b) && b[i] == want[i] {
		i++
	}
	if i == len(b) || !bytes.Equal(b[i+1:], want[i+1:]) {
		return false
	}
	torn := b[i] == 0 && (isZero(b[:i]) || isZero(b[i+1:]))
	return !torn
}

func isZero(b []byte) bool { return leadingZeros(b) == len(b) }
