package codec

import (
	"cmp"
	"encoding/binary"
	"math"
	"reflect"
)

// Float returns the codec of floating-point numbers. The encoding is the IEEE 754 bits, big-endian:
// all bits flipped if the number is negative, else only the sign bit. Encodings are ordered as the
// numbers are: negative NaNs first, -0 before +0, positive NaNs last. Decode restores every bit,
// also of a NaN. So, unlike under ==, a NaN is the same key as itself, and -0 and +0 are two keys.
func Float[T ~float32 | ~float64]() Codec[T] {
	t := reflect.TypeFor[T]()
	return &floatCodec[T]{name: t.Kind().String(), size: int(t.Size())}
}

type floatCodec[T ~float32 | ~float64] struct {
	name string
	size int // size of an encoding in bytes, 4 or 8
}

func (c *floatCodec[T]) ID() ID                { return ID{Name: c.name, Version: 1} }
func (c *floatCodec[T]) FixedSize() int        { return c.size }
func (c *floatCodec[T]) Size(T) (int64, error) { return int64(c.size), nil }
func (c *floatCodec[T]) traits() traits        { return traits{total: true, roundTrips: true} }

// Append and Decode do not convert between the widths: the conversion would change the payload of a
// NaN.

func (c *floatCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	if c.size == 4 {
		return binary.BigEndian.AppendUint32(dst, order32(float32(v))), nil
	}
	return binary.BigEndian.AppendUint64(dst, order64(float64(v))), nil
}

func (c *floatCodec[T]) Decode(src []byte) (T, error) {
	if len(src) != c.size {
		return 0, malformed(c.name, "%d bytes, want %d", len(src), c.size)
	}
	if c.size == 4 {
		u := binary.BigEndian.Uint32(src)
		return T(math.Float32frombits(u ^ (^uint32(int32(u)>>31) | 1<<31))), nil
	}
	u := binary.BigEndian.Uint64(src)
	return T(math.Float64frombits(u ^ (^uint64(int64(u)>>63) | 1<<63))), nil
}

func (c *floatCodec[T]) Compare(a, b T) int {
	if c.size == 4 {
		return cmp.Compare(order32(float32(a)), order32(float32(b)))
	}
	return cmp.Compare(order64(float64(a)), order64(float64(b)))
}

// order32 returns the bits of f in the order of the numbers.
func order32(f float32) uint32 {
	u := math.Float32bits(f)
	return u ^ (uint32(int32(u)>>31) | 1<<31)
}

// order64 returns the bits of f in the order of the numbers.
func order64(f float64) uint64 {
	u := math.Float64bits(f)
	return u ^ (uint64(int64(u)>>63) | 1<<63)
}
