package cow

import (
	"fmt"
	"testing"
	"unsafe"
)

// BenchmarkUpdateWhileFrozen updates random elements of a million while a pin is always open:
// every 100,000 updates it closes the pin and freezes again. The allocated bytes per operation
// are the bytes copied. Elements of 16, 64 and 256 bytes make pages of 1, 4 and 16 KiB.
func BenchmarkUpdateWhileFrozen(b *testing.B) {
	benchmarkUpdate[[2]uint64](b)
	benchmarkUpdate[[8]uint64](b)
	benchmarkUpdate[[32]uint64](b)
}

func benchmarkUpdate[T [2]uint64 | [8]uint64 | [32]uint64](b *testing.B) {
	const elements, updates = 1 << 20, 100_000
	var zero T
	b.Run(fmt.Sprintf("element=%dB", unsafe.Sizeof(zero)), func(b *testing.B) {
		clock := NewClock()
		array := NewArray[T](clock.NewUnit(captureNothing))
		for i := range uint32(elements) {
			*array.Mutable(i) = zero
		}
		b.ReportAllocs()
		b.ResetTimer()
		pin := clock.Freeze()
		x := uint64(1)
		for n := range b.N {
			if n%updates == 0 {
				pin.Close()
				pin = clock.Freeze()
				array.Freeze()
			}
			x = x*6364136223846793005 + 1442695040888963407
			*array.Mutable(uint32(x>>33) % elements) = zero
		}
		pin.Close()
	})
}

// BenchmarkFreeze measures the pause that a freeze of a million elements causes.
func BenchmarkFreeze(b *testing.B) {
	clock := NewClock()
	array := NewArray[uint64](clock.NewUnit(captureNothing))
	for i := range uint32(1 << 20) {
		*array.Mutable(i) = 1
	}
	b.ReportAllocs()
	for b.Loop() {
		pin := clock.Freeze()
		array.Freeze()
		pin.Close()
	}
}
