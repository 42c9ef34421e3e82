package fuzz

import (
	"maps"
	"testing"

	"github.com/weirstate/weir/state/codec"
)

func FuzzCodecMap(f *testing.F) {
	seed(f, "empty", []byte{0})
	seed(f, "one", []byte{1, 1, 'a', 0x80, 0, 0, 7})
	seed(f, "two", []byte{2, 0, 0x80, 0, 0, 1, 1, 'b', 0x80, 0, 0, 2})
	seed(f, "out of order", []byte{2, 1, 'b', 0x80, 0, 0, 1, 1, 'a', 0x80, 0, 0, 2})
	seed(f, "count", []byte{0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 1, 2, 3})
	seed(f, "two zeros", []byte{2, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0x80, 0, 0, 0, 0})
	seed(f, "nested", []byte{1, 0x80, 1, 5, 1, 3, 2, 'h', 'i'})
	byText := codec.Map(codec.String[string](), codec.Int[int32]())
	byFloat := codec.Map(codec.Float[float32](), codec.String[string]())
	nested := codec.Map(codec.Int[int16](), codec.Slice(codec.Bytes()))
	byTime := codec.Map(codec.Time(), codec.Bool[bool]())
	f.Fuzz(func(t *testing.T, src []byte) {
		checkDecode(t, byText, true, src)
		checkDecode(t, byFloat, true, src)
		checkDecode(t, nested, true, src)
		checkDecode(t, byTime, true, src)

		in := input{src}
		m := func() map[string]int32 {
			m := make(map[string]int32)
			for range in.choice(5) {
				m[in.string()] = int32(in.uint64())
			}
			return m
		}
		checkOrder(t, byText, func(a, b map[string]int32) bool { return maps.Equal(a, b) && (b == nil) == (len(b) == 0) }, nil, m(), m())
	})
}
