package fuzz

import (
	"cmp"
	"testing"
	"time"

	"github.com/weirstate/weir/state/codec"
)

func FuzzCodecTime(f *testing.F) {
	seed(f, "epoch", make([]byte, 12), int64(0), int64(0), int64(-1), int64(999999999))
	seed(f, "nanoseconds", []byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0x3B, 0x9A, 0xCA, 0}, int64(1), int64(1), int64(1), int64(0))
	seed(f, "ends of time", make([]byte, 11), int64(1)<<62, int64(0), -int64(1)<<62, int64(0))
	f.Fuzz(func(t *testing.T, src []byte, a, aNanos, b, bNanos int64) {
		checkDecode(t, codec.Time(), true, src)
		zone := time.FixedZone("somewhere", int(aNanos%50_000))
		checkOrder(t, codec.Time(), func(a, b time.Time) bool {
			return a.Unix() == b.Unix() && a.Nanosecond() == b.Nanosecond() && b.Location() == time.UTC
		}, func(a, b time.Time) int {
			return cmp.Or(cmp.Compare(a.Unix(), b.Unix()), cmp.Compare(a.Nanosecond(), b.Nanosecond()))
		}, time.Unix(a, aNanos).In(zone), time.Unix(b, bNanos))
	})
}
