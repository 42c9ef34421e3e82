package codec

import (
	"cmp"
	"encoding/binary"
	"math"
	"reflect"
)

// Float encodes a floating-point number by its IEEE 754 bits, big-endian: all
// of them flipped if the number is negative, else only the sign. Encodings are
// ordered as the numbers are, with -0 before +0, negative NaNs before and
// positive NaNs after everything else. Every bit comes back, those of a NaN
// too; so, unlike under ==, a NaN is the same key as itself and the two zeros
// are two keys.
func Float[T ~float32 | ~float64]() Codec[T] {
	t := reflect.TypeFor[T]()
	return &floatCodec[T]{name: t.Kind().String(), size: int(t.Size())}
}

type floatCodec[T ~float32 | ~float64] struct {
	name string
	size int // 4 or 8 bytes
}

func (c *floatCodec[T]) ID() ID                { return ID{Name: c.name, Version: 1} }
func (c *floatCodec[T]) FixedSize() int        { return c.size }
func (c *floatCodec[T]) Size(T) (int64, error) { return int64(c.size), nil }
func (c *floatCodec[T]) traits() traits        { return traits{total: true} }

// The widths are kept apart: a NaN that passed through the other one would
// lose its payload.

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

func order32(f float32) uint32 {
	u := math.Float32bits(f)
	return u ^ (uint32(int32(u)>>31) | 1<<31)
}

func order64(f float64) uint64 {
	u := math.Float64bits(f)
	return u ^ (uint64(int64(u)>>63) | 1<<63)
}
