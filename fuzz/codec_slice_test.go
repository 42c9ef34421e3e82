package fuzz

import (
	"slices"
	"testing"

	"github.com/weirstate/weir/state/codec"
)

func FuzzCodecSlice(f *testing.F) {
	seed(f, "empty", []byte{0})
	seed(f, "numbers", []byte{2, 0x80, 1, 0x80, 2})
	seed(f, "strings", []byte{3, 1, 'a', 0, 2, 'b', 0})
	seed(f, "count", []byte{0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 1, 2, 3})
	seed(f, "long uvarint", []byte{0x81, 0x00, 1, 'a'})
	seed(f, "nested", []byte{2, 2, 1, 1, 3, 2, 0, 1})
	seed(f, "of nothing", []byte{2, 0, 1, 0})
	numbers := codec.Slice(codec.Int[int16]())
	texts := codec.Slice(codec.String[string]())
	nested := codec.Slice(codec.Slice(codec.Bool[bool]()))
	pointers := codec.Slice(codec.Pointer(codec.Int[uint8]()))
	empties := codec.Slice(codec.Struct[struct{}]("nothing", 1))
	f.Fuzz(func(t *testing.T, src []byte) {
		checkDecode(t, numbers, true, src)
		checkDecode(t, texts, true, src)
		checkDecode(t, nested, true, src)
		checkDecode(t, pointers, true, src)
		checkDecode(t, empties, true, src)

		in := input{src}
		several(t, &in, numbers, func() int16 { return int16(in.uint64()) })
		several(t, &in, texts, in.string)
	})
}

// several checks a codec of slices of random elements.
func several[T comparable](t *testing.T, in *input, c codec.Codec[[]T], element func() T) {
	slice := func() (s []T) {
		for range in.choice(5) {
			s = append(s, element())
		}
		return s
	}
	checkOrder(t, c, func(a, b []T) bool { return slices.Equal(a, b) && len(b) == cap(b) }, nil, slice(), slice())
}
