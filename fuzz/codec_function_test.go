package fuzz

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/weirstate/weir/state/codec"
)

func FuzzCodecFunc(f *testing.F) {
	seed(f, "zero", []byte{0}, uint64(0), uint64(1))
	seed(f, "two bytes", []byte{0x80, 1}, uint64(255), uint64(300))
	seed(f, "longer than needed", []byte{0x80, 0}, uint64(127), uint64(128))
	seed(f, "overflow", []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}, ^uint64(0), uint64(0))
	c := codec.Func("uvarint", 1, func(dst []byte, v uint64) ([]byte, error) {
		return binary.AppendUvarint(dst, v), nil
	}, func(src []byte) (uint64, error) {
		v, n := binary.Uvarint(src)
		if n <= 0 || n < len(src) {
			return 0, errors.New("no uvarint")
		}
		return v, nil
	})
	f.Fuzz(func(t *testing.T, src []byte, a, b uint64) {
		checkDecode(t, c, false, src)
		checkOrder(t, c, equal, nil, a, b)
	})
}
