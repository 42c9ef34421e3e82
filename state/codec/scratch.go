package codec

import (
	"bytes"
	"sync"
)

// scratchKeepBytes is the maximum size in bytes of a scratch that is kept in the pool. Common keys
// and values fit, and one scratch per processor takes little memory.
const scratchKeepBytes = 64 << 10

// scratch is memory for a temporary encoding. It belongs to the caller of newScratch until release.
type scratch struct {
	buf   []byte
	spans []span
}

var scratchPool = sync.Pool{New: func() any { return new(scratch) }}

// newScratch returns an empty scratch from the pool.
func newScratch() *scratch {
	return scratchPool.Get().(*scratch)
}

// release returns the scratch to the pool, unless it has grown too large.
func (s *scratch) release() {
	const spanBytes = 32
	if cap(s.buf)+cap(s.spans)*spanBytes > scratchKeepBytes {
		return
	}
	s.buf, s.spans = s.buf[:0], s.spans[:0]
	scratchPool.Put(s)
}

// CompareEncoded implements Compare for a codec that has no faster way: it encodes a and b and
// compares the encodings. A value without an encoding is compared as an empty encoding.
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

// sizeEncoded implements Size for a codec that has no faster way, by encoding v.
func sizeEncoded[T any](c Codec[T], v T) (int64, error) {
	s := newScratch()
	defer s.release()
	var err error
	s.buf, err = c.Append(s.buf, v)
	return int64(len(s.buf)), err
}
