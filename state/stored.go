package state

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/state/codec"
)

// storedHeader is the first byte of each stored value, list element and map value. Bit 0 is
// reserved for "a timestamp of 8 bytes follows" (time to live); bits 1 to 7 are reserved for the
// index of the schema that encoded the value. This version writes 0 and refuses other bytes
// with ErrIncompatible.
const storedHeader byte = 0

// storedOverhead is the size of storedHeader in bytes. Limits count the encoding without it.
const storedOverhead = 1

// storedPayload returns the encoding in a stored value.
func storedPayload(stored []byte) ([]byte, error) {
	if len(stored) == 0 {
		return nil, fmt.Errorf("a stored value is empty, want a header byte: %w", ErrCorrupt)
	}
	if stored[0] != storedHeader {
		return nil, fmt.Errorf("a stored value has header %#02x, want 0x00 (a later version wrote it): %w", stored[0], ErrIncompatible)
	}
	return stored[storedOverhead:], nil
}

// decodeStored decodes a stored value.
func decodeStored[V any](c codec.Codec[V], stored []byte) (v V, err error) {
	payload, err := storedPayload(stored)
	if err != nil {
		return v, err
	}
	return c.Decode(payload)
}

// A list is stored as chunks of framed elements. A frame is the size of the stored element as a
// uvarint, then the stored element. Each element is in one chunk:
//
//	chunk   size | 00 | encoding   size | 00 | encoding   ...

// appendFrameHeader appends the size and the stored header of an element whose encoding has
// payloadSize bytes.
func appendFrameHeader(dst []byte, payloadSize int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(payloadSize)+storedOverhead)
	return append(dst, storedHeader)
}

// nextFrame returns the encoding of the first element of a chunk, and the rest of the chunk.
func nextFrame(chunk []byte) (payload, rest []byte, err error) {
	size, n := binary.Uvarint(chunk)
	if n <= 0 || size > uint64(len(chunk)-n) {
		return nil, nil, fmt.Errorf("list chunk of %d bytes ends inside an element: %w", len(chunk), ErrCorrupt)
	}
	end := n + int(size)
	payload, err = storedPayload(chunk[n:end])
	return payload, chunk[end:], err
}
