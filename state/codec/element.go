package codec

import (
	"encoding/binary"
	"reflect"
)

// element encodes the elements of a slice, or the keys or values of a map. An element of fixed
// size is written raw. Another element is framed: its size as a uvarint, then its encoding. A
// codec of fixed size 0 is framed too, so that each element takes at least one byte and Decode can
// check a count against the size of the input.
type element[T any] struct {
	codec  Codec[T]
	fixed  int // size of a raw element in bytes; 0: framed
	memory int // size of a T in memory in bytes, without the memory that it points to
	traits traits
}

func elementOf[T any](c Codec[T]) element[T] {
	return element[T]{
		codec:  c,
		fixed:  max(c.FixedSize(), 0),
		memory: int(reflect.TypeFor[T]().Size()),
		traits: traitsOf(c),
	}
}

// minSize returns the least number of bytes that an element takes.
func (e *element[T]) minSize() int { return max(e.fixed, 1) }

// size returns the number of bytes that append adds.
func (e *element[T]) size(v T) (int64, error) {
	if e.fixed > 0 && e.traits.total {
		return int64(e.fixed), nil
	}
	n, err := e.codec.Size(v)
	if err != nil {
		return 0, err
	}
	if e.fixed > 0 {
		if n != int64(e.fixed) {
			return 0, wrongSize(n, e.fixed)
		}
		return n, nil
	}
	return int64(uvarintSize(uint64(n))) + n, nil
}

// append appends an element, framed if its size varies.
func (e *element[T]) append(dst []byte, v T) ([]byte, error) {
	if e.fixed > 0 {
		out, err := e.codec.Append(dst, v)
		if err != nil {
			return dst, err
		}
		if n := len(out) - len(dst); n != e.fixed {
			return dst, wrongSize(int64(n), e.fixed)
		}
		return out, nil
	}
	out, err := e.codec.Append(append(dst, 0), v)
	if err != nil {
		return dst, err
	}
	return frame(out, len(dst)), nil
}

// frame adds a frame to buf[at:], which holds one unused byte and then an encoding. Writing the
// size after the encoding avoids a call of Size, which some codecs implement by encoding.
func frame(buf []byte, at int) []byte {
	n := len(buf) - at - 1
	if n < 0x80 {
		buf[at] = byte(n)
		return buf
	}
	var header [binary.MaxVarintLen64]byte
	h := binary.PutUvarint(header[:], uint64(n))
	buf = append(buf, header[1:h]...)
	copy(buf[at+h:], buf[at+1:at+1+n])
	copy(buf[at:], header[:h])
	return buf
}

// split returns the encoding of the first element of src, without its frame, and the rest of src.
// It returns false if src is too short.
func (e *element[T]) split(src []byte) (raw, rest []byte, ok bool) {
	n, rest := uint64(e.fixed), src
	if e.fixed == 0 {
		if n, rest, ok = splitUvarint(src); !ok {
			return nil, nil, false
		}
	}
	if n > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:n:n], rest[n:], true
}

// compare compares the bytes that append writes for a and b, including frames.
func (e *element[T]) compare(a, b T) int {
	if e.fixed == 0 {
		x, _ := e.codec.Size(a)
		y, _ := e.codec.Size(b)
		if x != y {
			return compareUvarint(uint64(x), uint64(y))
		}
	}
	return e.codec.Compare(a, b)
}

// initialCapacity returns the capacity to allocate for count elements before decoding them from size bytes. It
// limits the memory to about four times size, since a corrupt count may be too high; append grows
// the result later if the elements are there.
func initialCapacity(count uint64, size, memory int) int {
	const multiple = 4
	return int(min(count, uint64(size/max(memory/multiple, 1)+1)))
}
