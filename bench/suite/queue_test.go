package suite

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// queueLength is the number of entries of a map that is used as a queue.
const queueLength = 10

// BenchmarkQueue reads a map with ten entries, after many entries with lower keys were removed. It
// reports the time of the first call separately: it may record the gap of removed keys for the
// later calls.
func BenchmarkQueue(b *testing.B) {
	for _, backend := range backends {
		for _, removed := range []int{1_000, 100_000, 400_000} {
			m := drainedMap(b, backend.open, removed)
			for _, op := range []struct {
				name string
				do   func()
			}{
				{"first", func() {
					for e, err := range m.All() {
						check(err)
						sinkInt += e.Key
						break
					}
				}},
				{"isEmpty", func() { must1(m.IsEmpty()) }},
				{"floorOfRemoved", func() { // finds no entry
					_, _, err := m.Floor(int64(removed / 2))
					check(err)
				}},
			} {
				b.Run(fmt.Sprintf("%s/%s/removed=%d", op.name, backend.name, removed), func(b *testing.B) {
					begun := time.Now()
					op.do()
					first := time.Since(begun)
					for b.Loop() {
						op.do()
					}
					b.ReportMetric(float64(first.Nanoseconds())/1000, "first-µs")
				})
			}
		}
	}
}

// drainedMap returns a map of ten entries after removing the given number of entries.
func drainedMap(b *testing.B, open opener, removed int) state.MapState[int64, float64] {
	backend, err := open(b, state.Options{})
	check(err)
	b.Cleanup(func() { check(backend.Close()) })
	k := must1(state.NewKeyed(backend, codec.Int[int64]()))
	m := must1(state.MapOf(k, state.MapDescriptor[int64, float64]{Name: "queue", Key: codec.Int[int64](), Value: codec.Float[float64]()}))
	check(k.SetKey(1))
	for i := range removed + queueLength {
		check(m.Put(int64(i), 1))
	}
	for i := range removed {
		check(m.Remove(int64(i)))
	}
	return m
}
