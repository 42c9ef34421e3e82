package codec

import (
	"bytes"
	"sync"
)

// scratchKeepBytes bounds what one scratch keeps for the next user: large
// enough for common keys and values, small enough that a pool with one scratch
// per processor does not matter.
const scratchKeepBytes = 64 << 10

// scratch is memory for an encoding that is only looked at. It belongs to
// whoever got it, until release.
type scratch struct {
	buf   []byte
	spans []span
}

var scratchPool = sync.Pool{New: func() any { return new(scratch) }}

func newScratch() *scratch {
	return scratchPool.Get().(*scratch)
}

func (s *scratch) release() {
	const spanBytes = 32
	if cap(s.buf)+cap(s.spans)*spanBytes > scratchKeepBytes {
		return
	}
	s.buf, s.spans = s.buf[:0], s.spans[:0]
	scratchPool.Put(s)
}

// CompareEncoded is Compare for a codec that has no faster way: it encodes a
// and b and compares the bytes. A value that has no encoding counts as an
// empty one.
func CompareEncoded[T any](c Codec[T], a, b T) int {
	s := newScratch()
	defer s.release()
	first, err := c.Append(s.buf, a)
	if err != nil {
		first = s.buf
	}
	both, err := c.Append(first, b)
	if err != nil {
		both = first
	}
	s.buf = both
	return bytes.Compare(first, both[len(first):])
}

// sizeEncoded is Size for a codec that has no faster way.
func sizeEncoded[T any](c Codec[T], v T) (int64, error) {
	s := newScratch()
	defer s.release()
	var err error
	s.buf, err = c.Append(s.buf, v)
	return int64(len(s.buf)), err
}
