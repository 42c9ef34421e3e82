package run

import "encoding/binary"

// Head returns the first eight bytes of a key as a big-endian number; shorter keys are padded
// with zeros. If the heads of two keys differ, the keys are in the same order as their heads.
func Head(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}
