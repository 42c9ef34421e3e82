package codec

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Counts and lengths are uvarints as in encoding/binary, always in the fewest
// bytes, so that a number has one encoding.

func uvarintSize(v uint64) int {
	return (bits.Len64(v|1) + 6) / 7
}

// splitUvarint reads a uvarint from the front of src.
func splitUvarint(src []byte) (v uint64, rest []byte, ok bool) {
	if len(src) > 0 && src[0] < 0x80 {
		return uint64(src[0]), src[1:], true
	}
	v, n := binary.Uvarint(src)
	if n <= 0 || src[n-1] == 0 {
		return 0, nil, false
	}
	return v, src[n:], true
}

// compareUvarint orders numbers as their encodings are ordered, which is not
// by size: 300 (ac 02) comes before 255 (ff 01).
func compareUvarint(a, b uint64) int {
	if a == b {
		return 0
	}
	var x, y [binary.MaxVarintLen64]byte
	return bytes.Compare(binary.AppendUvarint(x[:0], a), binary.AppendUvarint(y[:0], b))
}
