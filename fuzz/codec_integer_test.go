package fuzz

import (
	"cmp"
	"testing"

	"github.com/weirstate/weir/state/codec"
)

func FuzzCodecInteger(f *testing.F) {
	seed(f, "byte", []byte{0x80}, uint64(0), uint64(1))
	seed(f, "two", []byte{0x80, 0}, uint64(1), ^uint64(0))
	seed(f, "four", []byte{0x80, 0, 0, 0}, uint64(1)<<31, uint64(1)<<31-1)
	seed(f, "eight", []byte{0x80, 0, 0, 0, 0, 0, 0, 0}, uint64(1)<<63, uint64(1)<<63-1)
	seed(f, "nine", []byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0}, uint64(128), uint64(127))
	f.Fuzz(func(t *testing.T, src []byte, a, b uint64) {
		integer[int](t, src, a, b)
		integer[int8](t, src, a, b)
		integer[int16](t, src, a, b)
		integer[int32](t, src, a, b)
		integer[int64](t, src, a, b)
		integer[uint](t, src, a, b)
		integer[uint8](t, src, a, b)
		integer[uint16](t, src, a, b)
		integer[uint32](t, src, a, b)
		integer[uint64](t, src, a, b)
	})
}

func integer[T codec.Integer](t *testing.T, src []byte, a, b uint64) {
	checkDecode(t, codec.Int[T](), true, src)
	checkOrder(t, codec.Int[T](), equal, cmp.Compare, T(a), T(b))
}
