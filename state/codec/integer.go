package codec

import (
	"cmp"
	"encoding/binary"
	"reflect"
)

// Integer is the constraint of Int: all integer types, and types derived from them, without
// uintptr, since an address means nothing in another process.
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Int returns the codec of integers. The encoding is the number in big-endian bytes, with the sign
// bit flipped if T is signed, so encodings are ordered as the numbers are. The codec has the name
// and the size of T's underlying type, such as "int64" or "uint16". Int and uint take 8 bytes on
// all platforms; on a 32-bit platform, Decode returns ErrMalformed for a number that overflows.
func Int[T Integer]() Codec[T] {
	t := reflect.TypeFor[T]()
	c := &intCodec[T]{name: t.Kind().String(), size: int(t.Size())}
	if c.name == "int" || c.name == "uint" {
		c.size = 8
	}
	var zero T
	if zero-1 < zero {
		c.sign = 1 << (8*c.size - 1)
	}
	return c
}

type intCodec[T Integer] struct {
	name string
	size int    // size of an encoding in bytes
	sign uint64 // the sign bit of an encoding; 0: T is unsigned
}

func (c *intCodec[T]) ID() ID                { return ID{Name: c.name, Version: 1} }
func (c *intCodec[T]) FixedSize() int        { return c.size }
func (c *intCodec[T]) Size(T) (int64, error) { return int64(c.size), nil }
func (c *intCodec[T]) Compare(a, b T) int    { return cmp.Compare(a, b) }
func (c *intCodec[T]) traits() traits        { return traits{total: true, distinct: true, roundTrips: true} }

func (c *intCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	u := uint64(v) ^ c.sign
	switch c.size {
	case 1:
		return append(dst, byte(u)), nil
	case 2:
		return binary.BigEndian.AppendUint16(dst, uint16(u)), nil
	case 4:
		return binary.BigEndian.AppendUint32(dst, uint32(u)), nil
	default:
		return binary.BigEndian.AppendUint64(dst, u), nil
	}
}

func (c *intCodec[T]) Decode(src []byte) (T, error) {
	if len(src) != c.size {
		return 0, malformed(c.name, "%d bytes, want %d", len(src), c.size)
	}
	switch c.size {
	case 1:
		return T(uint64(src[0]) ^ c.sign), nil
	case 2:
		return T(uint64(binary.BigEndian.Uint16(src)) ^ c.sign), nil
	case 4:
		return T(uint64(binary.BigEndian.Uint32(src)) ^ c.sign), nil
	default:
		u := binary.BigEndian.Uint64(src) ^ c.sign
		v := T(u)
		if uint64(v) != u {
			return 0, malformed(c.name, "the number overflows the %d bits of this platform", reflect.TypeFor[T]().Bits())
		}
		return v, nil
	}
}
