package fuzz

import (
	"net/netip"
	"testing"

	"github.com/weirstate/weir/state/codec"
)

func FuzzCodecBinary(f *testing.F) {
	seed(f, "no address", []byte{})
	seed(f, "v4", []byte{127, 0, 0, 1})
	seed(f, "v6", append(make([]byte, 15), 1))
	seed(f, "zone", append(append([]byte{0xFE, 0x80}, make([]byte, 14)...), "eth0"...))
	seed(f, "v4 in v6", []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127, 0, 0, 1, 'z'})
	c := codec.Binary[netip.Addr]("addr", 1)
	f.Fuzz(func(t *testing.T, src []byte) {
		checkDecode(t, c, false, src)
	})
}
