package fuzz

import (
	"testing"

	"github.com/weirstate/weir/state/codec"
)

func FuzzCodecBool(f *testing.F) {
	seed(f, "false", []byte{0}, false, true)
	seed(f, "true", []byte{1}, true, true)
	seed(f, "neither", []byte{2}, true, false)
	seed(f, "nothing", []byte{}, false, false)
	type flag bool
	order := func(a, b flag) int {
		switch {
		case a == b:
			return 0
		case bool(a):
			return 1
		}
		return -1
	}
	f.Fuzz(func(t *testing.T, src []byte, a, b bool) {
		checkDecode(t, codec.Bool[flag](), true, src)
		checkOrder(t, codec.Bool[flag](), equal, order, flag(a), flag(b))
	})
}
