package fuzz

import (
	"cmp"
	"math"
	"testing"

	"github.com/weirstate/weir/state/codec"
)

func FuzzCodecFloat(f *testing.F) {
	seed(f, "zeros", make([]byte, 8), math.Float64bits(0), uint64(1)<<63)
	seed(f, "infinities", []byte{0xFF, 0x80, 0, 0}, math.Float64bits(math.Inf(1)), math.Float64bits(math.Inf(-1)))
	seed(f, "nans", []byte{0xFF, 0xC0, 0, 1}, uint64(0x7FF8000000000001), uint64(0xFFF8000000000001))
	seed(f, "one nan", []byte{0xFF}, uint64(0xFFF8000000000001), uint64(0xFFF8000000000001))
	seed(f, "narrow nans", make([]byte, 4), uint64(0x7FA00001), uint64(0xFFA00001))
	bits32 := func(v float32) uint64 { return uint64(math.Float32bits(v)) }
	f.Fuzz(func(t *testing.T, src []byte, a, b uint64) {
		checkDecode(t, codec.Float[float32](), true, src)
		checkDecode(t, codec.Float[float64](), true, src)
		checkOrder(t, codec.Float[float32](),
			func(a, b float32) bool { return bits32(a) == bits32(b) },
			func(a, b float32) int { return totalOrder(float64(a), float64(b), bits32(a), bits32(b)) },
			math.Float32frombits(uint32(a)), math.Float32frombits(uint32(b)))
		checkOrder(t, codec.Float[float64](),
			func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) },
			func(a, b float64) int { return totalOrder(a, b, math.Float64bits(a), math.Float64bits(b)) },
			math.Float64frombits(a), math.Float64frombits(b))
	})
}

// totalOrder compares a and b in the total order of IEEE 754: negative NaNs, numbers with -0
// before +0, positive NaNs. NaNs of one sign are ordered by their bits.
func totalOrder(a, b float64, aBits, bBits uint64) int {
	switch aNaN, bNaN := math.IsNaN(a), math.IsNaN(b); {
	case !aNaN && !bNaN:
		return cmp.Or(cmp.Compare(a, b), -cmp.Compare(sign(a), sign(b)))
	case aNaN && bNaN && sign(a) == sign(b):
		return cmp.Compare(aBits, bBits) * (1 - 2*sign(a))
	case aNaN:
		return 1 - 2*sign(a)
	default:
		return 2*sign(b) - 1
	}
}

// sign returns 1 if the sign bit of v is set, otherwise 0.
func sign(v float64) int {
	if math.Signbit(v) {
		return 1
	}
	return 0
}
