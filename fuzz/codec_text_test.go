package fuzz

import (
	"strings"
	"testing"

	"github.com/weirstate/weir/state/codec"
)

func FuzzCodecString(f *testing.F) {
	seed(f, "empty", []byte{}, "", "a")
	seed(f, "zeros", []byte{0}, "a\x00", "a")
	seed(f, "not utf8", []byte{0xFF}, "\xff", "\xfe\xff")
	type name string
	f.Fuzz(func(t *testing.T, src []byte, a, b string) {
		checkDecode(t, codec.String[name](), true, src)
		checkOrder(t, codec.String[name](), equal, func(a, b name) int { return strings.Compare(string(a), string(b)) }, name(a), name(b))
	})
}
