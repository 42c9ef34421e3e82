package codec

import (
	"encoding/binary"
	"reflect"
)

// element is how a slice or a map holds a part of itself: raw if all encodings
// have one size, else framed, which is the length as a uvarint, then the
// encoding. A codec of fixed size 0 is framed too, so that every element takes
// at least one byte and a count can be checked against the bytes that are left.
type element[T any] struct {
	codec  Codec[T]
	fixed  int // bytes, 0 if framed
	memory int // bytes of a T, without what it points to
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

func (e *element[T]) minSize() int { return max(e.fixed, 1) }

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

// frame makes a frame of buf[at:], which is one byte to spare and then an
// encoding. Writing the length last saves asking for it first, which would
// cost a second encoding in some codecs.
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

// split cuts the first element off src, without its frame.
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

// compare orders as the bytes that append writes, the frame included.
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

// room is how many of count elements to make room for before they are decoded
// from size bytes: never much more memory than the bytes that are there. The
// rest is grown into as elements really arrive.
func room(count uint64, size, memory int) int {
	const multiple = 4
	return int(min(count, uint64(size/max(memory/multiple, 1)+1)))
}
