package cow

import (
	"fmt"
	"testing"
	"unsafe"
)

// BenchmarkUpdateWhileFrozen is a task that updates single elements at random
// while one snapshot after another is open, each for 100,000 updates of a
// million elements. Bytes per operation are what it copies. Elements of 16, 64
// and 256 bytes make pages of 1, 4 and 16 KiB.
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
		array := NewArray[T](clock.NewUnit(nothing))
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

// BenchmarkFreeze is how long a snapshot of a million elements stops the task.
func BenchmarkFreeze(b *testing.B) {
	clock := NewClock()
	array := NewArray[uint64](clock.NewUnit(nothing))
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
