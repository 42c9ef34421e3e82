package wal

import (
	"bytes"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/vfs"
)

// docs/format-wal.md describes the format of this file. Integers are big-endian.
const (
	magic        = "WEIRWLOG"
	version      = 1
	headerBytes  = 36 // size of the file's header
	frameBytes   = 36 // size of a frame's header
	tagBytes     = 8
	lengthBytes  = 5 // maximum size of a record's length
	payloadBytes = 1 << 20

	// maxTailBytes is the maximum number of bytes that a Writer leaves unsynced, and so the
	// largest distance from the first damage to the end of the file that a crash can cause.
	// Logs of a store are smaller, so a Writer hardly ever syncs because of it.
	maxTailBytes = 1 << 30

	// maxRecordBytes fits into an int of 32 bits, and into five bytes of uvarint.
	maxRecordBytes = 1<<31 - 1
)

// Kinds of frames: the last byte of a frame's header.
const (
	kindData byte = 'D'
	kindEnd  byte = 'E'
	// kindMark is a frame without records. It says that everything before it was synced.
	kindMark byte = 'M'
)

// Identity is a random number that distinguishes a log from all others.
type Identity = vfs.Identity

// tag returns the bytes with which every frame of a log begins.
func tag(id *Identity) []byte { return id[:tagBytes] }

// appendHeader appends the header of a log.
func appendHeader(dst []byte, id Identity) []byte {
	from := len(dst)
	dst = append(dst, magic...)
	dst = binary.BigEndian.AppendUint16(dst, version)
	dst = binary.BigEndian.AppendUint16(dst, 0)
	dst = append(dst, id[:]...)
	return binary.BigEndian.AppendUint64(dst, xxhash.Sum64(dst[from:]))
}

// parseHeader decodes the header. ok is false if the header is damaged. The header of an
// unsupported version is ok, with ErrVersion: all versions have magic, version and checksum in
// the same place.
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
	synced   int64  // position up to which the file was durable before the frame was written
	checksum uint64 // checksum of the payload
	length   int    // size of the payload
	kind     byte
}

// putFrame encodes the header of a frame at a position of the file.
func putFrame(dst []byte, tag []byte, at int64, f frame) {
	copy(dst, tag)
	binary.BigEndian.PutUint64(dst[8:], uint64(f.synced))
	binary.BigEndian.PutUint64(dst[16:], f.checksum)
	binary.BigEndian.PutUint32(dst[32:], uint32(f.length)<<8|uint32(f.kind))
	binary.BigEndian.PutUint64(dst[24:], frameChecksum(dst, at))
}

// frameChecksum returns the checksum of a frame's position and of its header without the
// checksum itself.
func frameChecksum(b []byte, at int64) uint64 {
	var sum [8 + frameBytes - 8]byte
	binary.BigEndian.PutUint64(sum[:], uint64(at))
	copy(sum[8:], b[:24])
	copy(sum[32:], b[32:frameBytes])
	return xxhash.Sum64(sum[:])
}

// parseFrame decodes the header of a frame at a position of the file. ok means that a writer
// wrote it at this position; the caller compares the tag to know whether it belongs to this
// log.
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

// emptyFrame returns a mark or an end for a position: everything before it was synced.
func emptyFrame(tag []byte, at int64, kind byte) []byte {
	b := make([]byte, frameBytes)
	putFrame(b, tag, at, frame{synced: at, checksum: xxhash.Sum64(nil), kind: kind})
	return b
}

// isAlteredEnd reports whether b, the last bytes of a file, are an end frame with one changed
// byte. A crash while the end is written may leave zeros at its beginning or end; this does
// not count as a change.
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

// isZero reports whether all bytes are zero.
func isZero(b []byte) bool { return leadingZeros(b) == len(b) }
