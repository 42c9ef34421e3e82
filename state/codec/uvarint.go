package codec

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Counts and sizes are uvarints of encoding/binary, always in the shortest form, so that a number has
// one encoding.

// uvarintSize returns the size in bytes of v as a uvarint.
func uvarintSize(v uint64) int {
	return (bits.Len64(v|1) + 6) / 7
}

// splitUvarint decodes a uvarint from the front of src and returns the rest. It returns false if the
// uvarint is truncated, too large, or not in the shortest form.
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

// compareUvarint compares the encodings of two numbers. Their order is not that of the numbers: 300
// (ac 02) is before 255 (ff 01).
func compareUvarint(a, b uint64) int {
	if a == b {
		return 0
	}
	var x, y [binary.MaxVarintLen64]byte
	return bytes.Compare(binary.AppendUvarint(x[:0], a), binary.AppendUvarint(y[:0], b))
}
