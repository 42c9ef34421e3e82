package state

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/state/codec"
)

// Every stored value, list element and map value starts with one byte. Bit 0
// says that a timestamp of 8 bytes follows it (time to live, not built yet);
// bits 1 to 7 are the index of the schema that encoded it (0 until schemas
// evolve). Readers refuse what they do not know.
const storedHeader byte = 0

// storedOverhead is the size in bytes of that header. Limits count what the
// codec produced, not the header.
const storedOverhead = 1

// storedPayload takes the header off a stored value.
func storedPayload(stored []byte) ([]byte, error) {
	if len(stored) == 0 {
		return nil, fmt.Errorf("stored value without header: %w", ErrCorrupt)
	}
	if stored[0] != storedHeader {
		return nil, fmt.Errorf("stored value with header %#02x, which this version does not know: %w", stored[0], ErrIncompatible)
	}
	return stored[storedOverhead:], nil
}

// decodeStored reads a value in its stored form.
func decodeStored[V any](c codec.Codec[V], stored []byte) (v V, err error) {
	payload, err := storedPayload(stored)
	if err != nil {
		return v, err
	}
	return c.Decode(payload)
}

// A list is stored as chunks of framed elements: the size of the stored
// element as a uvarint, then the stored element. No element straddles chunks.

// appendFrameHeader adds what precedes an encoded element of the given size.
func appendFrameHeader(dst []byte, payloadSize int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(payloadSize)+storedOverhead)
	return append(dst, storedHeader)
}

// nextFrame takes the first element off a chunk and returns its encoding.
func nextFrame(chunk []byte) (payload, rest []byte, err error) {
	size, n := binary.Uvarint(chunk)
	if n <= 0 || size > uint64(len(chunk)-n) {
		return nil, nil, fmt.Errorf("list chunk of %d bytes ends inside an element: %w", len(chunk), ErrCorrupt)
	}
	end := n + int(size)
	payload, err = storedPayload(chunk[n:end])
	return payload, chunk[end:], err
}
