package fuzz

import (
	"bytes"
	"testing"

	"github.com/weirstate/weir/state/codec"
)

func FuzzCodecBytes(f *testing.F) {
	seed(f, "empty", []byte{}, []byte{}, []byte{0})
	seed(f, "zeros", []byte{0}, []byte{0, 0}, []byte{0, 1})
	f.Fuzz(func(t *testing.T, src, a, b []byte) {
		checkDecode(t, codec.Bytes(), true, src)
		checkOrder(t, codec.Bytes(), func(a, b []byte) bool {
			return bytes.Equal(a, b) && len(b) == cap(b) && (b == nil) == (len(b) == 0)
		}, bytes.Compare, a, b)
	})
}
