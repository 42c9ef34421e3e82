package run

import "encoding/binary"

// Head returns the first eight bytes of a key as a number; a shorter key counts as filled
// up with zeros. If the heads of two keys differ, the keys are in the same order.
func Head(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}
