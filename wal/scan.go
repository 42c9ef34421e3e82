package wal

import (
	"bytes"
	"encoding/binary"
)

// scan looks behind damage for proof that it is below what was synced: for the
// header of a frame that says so. Payloads are not looked at, so that it takes
// one pass, whatever is in the file. Without a tag, frames of any log count.
func (s *source) scan(damage int64, tag []byte) (synced bool, err error) {
	for at := damage + 1; s.sizeBytes-at >= frameBytes; {
		b, err := s.bytes(at, windowBytes)
		if err != nil {
			return false, err
		}
		if claimsAbove(damage, b, at, tag) {
			return true, nil
		}
		at += int64(len(b)) - frameBytes + 1
	}
	return false, nil
}

// claimsAbove tells whether there is the header of a frame among the bytes at a
// position that says that more was synced than up to the damage.
func claimsAbove(damage int64, b []byte, at int64, tag []byte) bool {
	for i := 0; len(b)-i >= frameBytes; i++ {
		if tag != nil {
			next := bytes.Index(b[i:], tag)
			if next < 0 || len(b)-i-next < frameBytes {
				return false
			}
			i += next
		}
		if synced := binary.BigEndian.Uint64(b[i+tagBytes:]); synced <= uint64(damage) {
			continue // most of what is not a frame, before its checksum is computed
		}
		if _, ok := parseFrame(b[i:], at+int64(i)); ok {
			return true
		}
	}
	return false
}
