package wal

import (
	"bytes"
	"encoding/binary"

	"github.com/weirstate/weir/vfs"
)

// findProof searches the file after a damaged position for a frame header that proves that the
// damage is below the synced part. It does not interpret payloads, so it takes one pass for
// any content; of a hole it reads only the first window. If tag is nil, frames of any log
// count.
func (s *source) findProof(damage int64, tag []byte) (synced bool, err error) {
	for at := damage + 1; s.sizeBytes-at >= frameBytes; {
		b, err := s.bytes(at, windowBytes)
		if err != nil {
			return false, err
		}
		if provesSynced(damage, b, at, tag) {
			return true, nil
		}
		next := at + int64(len(b))
		at = next - frameBytes + 1
		if isZero(b) { // frames never begin with a zero byte, and the zeros may belong to a hole
			at = max(at, vfs.NextData(s.file, next, s.sizeBytes))
		}
	}
	return false, nil
}

// provesSynced reports whether b, which begins at position at, has a frame header that says
// that more than the position of the damage was synced.
func provesSynced(damage int64, b []byte, at int64, tag []byte) bool {
	for i := 0; ; i++ {
		i += skip(b[i:], tag)
		if len(b)-i < frameBytes {
			return false
		}
		if synced := binary.BigEndian.Uint64(b[i+tagBytes:]); synced <= uint64(damage) {
			continue // rejects most bytes before the checksum is computed
		}
		if _, ok := parseFrame(b[i:], at+int64(i)); ok {
			return true
		}
	}
}

// skip returns the number of bytes before the first place where a frame can begin: the tag,
// or, if tag is nil, a byte that is not zero, because no tag begins with zero.
func skip(b, tag []byte) int {
	if tag == nil {
		return leadingZeros(b)
	}
	if next := bytes.Index(b, tag); next >= 0 {
		return next
	}
	return len(b)
}

// leadingZeros returns the number of leading zero bytes. It compares whole words, because
// holes of sparse files may be large.
func leadingZeros(b []byte) (n int) {
	for len(b)-n >= 32 {
		w := b[n:][:32]
		if binary.LittleEndian.Uint64(w)|binary.LittleEndian.Uint64(w[8:])|
			binary.LittleEndian.Uint64(w[16:])|binary.LittleEndian.Uint64(w[24:]) != 0 {
			break
		}
		n += 32
	}
	for n < len(b) && b[n] == 0 {
		n++
	}
	return n
}
