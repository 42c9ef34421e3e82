package wal

import (
	"bytes"
	"encoding/binary"

	"github.com/weirstate/weir/vfs"
)

// scan looks behind damage for proof that it is below what was synced: for the
// header of a frame that says so. Payloads are not looked at, so that it takes
// one pass, whatever is in the file; of a hole it reads the first window alone.
// Without a tag, frames of any log count.
func (s *source) scan(damage int64, tag []byte) (synced bool, err error) {
	for at := damage + 1; s.sizeBytes-at >= frameBytes; {
		b, err := s.bytes(at, windowBytes)
		if err != nil {
			return false, err
		}
		if claimsAbove(damage, b, at, tag) {
			return true, nil
		}
		next := at + int64(len(b))
		at = next - frameBytes + 1
		if isZero(b) { // no frame begins with a zero, and the zeros may be those of a hole
			at = max(at, vfs.NextData(s.file, next, s.sizeBytes))
		}
	}
	return false, nil
}

// claimsAbove reports whether the bytes at a position have the header of a frame
// that says that more was synced than up to the damage.
func claimsAbove(damage int64, b []byte, at int64, tag []byte) bool {
	for i := 0; ; i++ {
		i += skip(b[i:], tag)
		if len(b)-i < frameBytes {
			return false
		}
		if synced := binary.BigEndian.Uint64(b[i+tagBytes:]); synced <= uint64(damage) {
			continue // most of what is not a frame, before its checksum is computed
		}
		if _, ok := parseFrame(b[i:], at+int64(i)); ok {
			return true
		}
	}
}

// skip returns the number of bytes before the first place where a frame may begin: at
// the tag, or, without one, at a byte that is not zero, as the first of every tag is.
func skip(b, tag []byte) int {
	if tag == nil {
		return leadingZeros(b)
	}
	if next := bytes.Index(b, tag); next >= 0 {
		return next
	}
	return len(b)
}

// leadingZeros returns the number of zero bytes at the front. Holes of sparse files may
// be large, so it goes by words.
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
