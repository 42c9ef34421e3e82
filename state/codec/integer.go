package codec

import (
	"cmp"
	"encoding/binary"
	"reflect"
)

// Integer is every integer type that means the same in another process, and
// all types made from them. (An address does not: there is no uintptr.)
type Integer interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Int encodes an integer as big-endian bytes, with the sign bit flipped if the
// type is signed, so that encodings are ordered as the numbers are. Its name is
// that of T's underlying type ("int64", "uint16"), its size that type's; int
// and uint take 8 bytes everywhere, and a number that overflows a 32-bit int
// is malformed there.
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
	size int    // bytes of an encoding
	sign uint64 // the sign bit of an encoding, 0 if unsigned
}

func (c *intCodec[T]) ID() ID                { return ID{Name: c.name, Version: 1} }
func (c *intCodec[T]) FixedSize() int        { return c.size }
func (c *intCodec[T]) Size(T) (int64, error) { return int64(c.size), nil }
func (c *intCodec[T]) Compare(a, b T) int    { return cmp.Compare(a, b) }
func (c *intCodec[T]) traits() traits        { return traits{total: true, distinct: true} }

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
