package cow

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// element is larger than a word, and its size does not divide that of a memory page.
type element struct {
	a, b, c uint64
}

func elementOf(n uint64) element { return element{n, ^n, n * n} }

// captureNothing is the capture function of a unit whose arrays the test freezes itself.
func captureNothing() any { return nil }

// moment is a freeze and a copy of the elements that the array had then.
type moment struct {
	pin    *Pin
	frozen Frozen[element]
	model  []element
}

// check compares the frozen array with the model, also after the model's end.
func (m *moment) check(t *testing.T) {
	t.Helper()
	for i, want := range m.model {
		if got := m.frozen.Get(uint32(i)); got != want {
			require.Failf(t, "frozen content changed", "element %d: %v, was %v", i, got, want)
		}
	}
	for _, beyond := range []uint32{uint32(len(m.model)), 1 << 20, 1<<32 - 1} {
		require.Zero(t, m.frozen.Get(beyond), "element %d", beyond)
	}
}

// The test writes, freezes and closes pins at random. It compares the array with a plain slice,
// and each frozen array with a copy of the slice.
func TestArrayEqualsASliceAndAFreezeEqualsACopyOfIt(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			clock := NewClock()
			array := NewArray[element](clock.NewUnit(captureNothing))
			var model []element
			var open []*moment
			written := make(map[uint32]bool)
			for step := range 2000 {
				switch n := r.IntN(100); {
				case n < 2 && len(model) < 3*dirRows: // skip elements, pages or directories
					model = append(model, make([]element, r.IntN([]int{8, 8 * pageRows, dirRows}[r.IntN(3)]))...)
				case n < 6 && len(open) < 5:
					pin := clock.Freeze()
					open = append(open, &moment{pin, array.Freeze(), append([]element(nil), model...)})
				case n < 10 && len(open) > 0:
					i := r.IntN(len(open))
					open[i].check(t)
					open[i].pin.Close()
					open[i].pin.Close()
					open = append(open[:i], open[i+1:]...)
				case n == 10 && r.IntN(4) == 0:
					array.Reset()
					clear(written)
					model = model[:0:0]
				default:
					i := uint32(r.IntN(len(model) + 1))
					if r.IntN(2) == 0 {
						i = uint32(min(int(i), r.IntN(8))) // some elements are written often
					}
					if int(i) == len(model) {
						model = append(model, element{})
					}
					model[i] = elementOf(uint64(step))
					*array.Mutable(i) = model[i]
					written[i] = true
				}
			}
			for i, want := range model {
				require.True(t, array.Get(uint32(i)) == want, "element %d", i)
				if written[uint32(i)] {
					require.True(t, *array.At(uint32(i)) == want, "element %d", i)
				}
			}
			for _, m := range open {
				m.check(t)
				m.pin.Close()
			}
			require.Zero(t, clock.Shared())
		})
	}
}

func TestArrayHoldsElementsOfEverySize(t *testing.T) {
	testSize[[0]byte](t, func(int) [0]byte { return [0]byte{} })
	testSize[byte](t, func(n int) byte { return byte(n) })
	testSize[[3]byte](t, func(n int) [3]byte { return [3]byte{byte(n), byte(n >> 8), 1} })
	testSize[string](t, func(n int) string { return fmt.Sprint(n) })
	testSize[[4096]byte](t, func(n int) (e [4096]byte) { e[0], e[4095] = byte(n), byte(n>>8); return e })
	testSize[[5000]byte](t, func(n int) (e [5000]byte) { e[0], e[4999] = byte(n), byte(n>>8); return e })
}

func testSize[T comparable](t *testing.T, element func(int) T) {
	t.Run(fmt.Sprintf("%T", element(0)), func(t *testing.T) {
		clock := NewClock()
		array := NewArray[T](clock.NewUnit(captureNothing))
		const n = 1200 // several pages, the last one not full
		for i := range n {
			*array.Mutable(uint32(i)) = element(i)
		}
		pin := clock.Freeze()
		frozen := array.Freeze()
		for i := range n {
			*array.Mutable(uint32(i)) = element(i + 1)
		}
		for i := range n {
			require.True(t, *frozen.At(uint32(i)) == element(i), "frozen element %d", i)
			require.True(t, *array.At(uint32(i)) == element(i+1), "element %d", i)
		}
		pin.Close()
	})
}

func TestElementNeverWrittenIsZero(t *testing.T) {
	clock := NewClock()
	array := NewArray[element](clock.NewUnit(captureNothing))
	require.Zero(t, array.Get(0))
	require.Zero(t, array.Get(1<<32-1))
	for i := uint32(0); i < 1000; i += 7 {
		pin := clock.Freeze()
		array.Freeze()
		*array.Mutable(i) = elementOf(uint64(i))
		pin.Close()
		for j := range i {
			if j%7 != 0 {
				require.Zero(t, array.Get(j), "element %d", j)
			}
		}
	}
}

func TestWriteFarAheadMakesOnePage(t *testing.T) {
	array := NewArray[element](NewClock().NewUnit(captureNothing))
	const far = 1<<22 + 1
	*array.Mutable(far) = elementOf(1)
	require.Equal(t, elementOf(1), *array.At(far))
	for _, i := range []uint32{0, far - 1, far + 1, far / 2, far + dirRows, 1<<32 - 1} {
		require.Zero(t, array.Get(i), "element %d", i)
	}
	pages := 0
	for _, d := range array.root {
		for _, p := range d.pages {
			if p != nil {
				pages++
			}
		}
	}
	require.Equal(t, 1, pages)
}

// writes counts the allocations of one write to each of n elements.
func writes(array *Array[element], n uint32) float64 {
	// AllocsPerRun runs the function once before it counts.
	first := true
	return testing.AllocsPerRun(1, func() {
		if first {
			first = false
			return
		}
		for i := range n {
			array.Mutable(i).a++
		}
	})
}

func TestFirstWriteAfterAFreezeCopiesOnePageAndLaterOnesNothing(t *testing.T) {
	const n = dirRows // one directory
	const pages = dirPages
	clock := NewClock()
	array := NewArray[element](clock.NewUnit(captureNothing))
	for i := range uint32(n) {
		*array.Mutable(i) = elementOf(uint64(i))
	}
	require.Zero(t, writes(&array, n), "nothing is frozen")

	pin := clock.Freeze()
	array.unit.Touch() // captures the unit
	array.Freeze()
	require.Equal(t, pages+1.0, writes(&array, n), "each page once, and the directory")
	require.Zero(t, writes(&array, n), "the copies belong to the writer")
	pin.Close()
	require.Zero(t, writes(&array, n), "after the pin is closed")
}

func TestPagesOfClosedPinsAreWrittenInPlace(t *testing.T) {
	const n = 10_000
	clock := NewClock()
	array := NewArray[element](clock.NewUnit(captureNothing))
	for i := range uint32(n) {
		*array.Mutable(i) = elementOf(uint64(i))
	}
	freeze := func() *Pin {
		pin := clock.Freeze()
		array.Freeze()
		return pin
	}
	first, second := freeze(), freeze()
	before := array.At(0)
	second.Close()
	require.NotZero(t, writes(&array, n), "the first still sees the pages")
	third := freeze()
	first.Close()
	require.NotZero(t, writes(&array, n), "the third sees the copies")
	third.Close()
	fourth := freeze()
	fourth.Close()
	require.Zero(t, writes(&array, n), "no pin is open")
	require.NotSame(t, before, array.At(0))
	at := array.At(0)
	array.Mutable(0).a = 1
	require.Same(t, at, array.At(0))
}

// Run it with the race detector.
func TestReadersOfFreezesDoNotSeeTheWriter(t *testing.T) {
	const n, freezes = 3000, 60
	clock := NewClock()
	array := NewArray[element](clock.NewUnit(captureNothing))
	var readers sync.WaitGroup
	var wrong atomic.Int64
	r := rand.New(rand.NewPCG(1, 2))
	for version := range uint64(freezes) {
		size := uint32(n * (version + 1) / freezes)
		for i := range size {
			if v := array.Get(i); v == (element{}) || r.IntN(10) == 0 || i == 0 {
				*array.Mutable(i) = elementOf(version)
			}
		}
		*array.Mutable(0) = elementOf(version)
		pin, frozen := clock.Freeze(), array.Freeze()
		readers.Go(func() {
			defer pin.Close()
			for range 3 {
				if frozen.Get(0) != elementOf(version) {
					wrong.Add(1)
				}
				for i := range size {
					e := *frozen.At(i)
					if e != elementOf(e.a) || e.a > version {
						wrong.Add(1)
					}
				}
			}
		})
	}
	readers.Wait()
	require.Zero(t, wrong.Load())
	require.Zero(t, clock.Shared())
}

func TestASmallArrayTakesFewBytes(t *testing.T) {
	clock := NewClock()
	array := NewArray[uint64](clock.NewUnit(captureNothing))
	for i, want := range []int{1, 2, 4, 4, 8, 8, 8, 8, 16} {
		*array.Mutable(uint32(i)) = uint64(i + 1)
		require.Len(t, array.small.rows, want)
	}
	for i := range uint32(smallRows + 1) {
		require.Nil(t, array.root, "%d elements", i)
		*array.Mutable(i) = uint64(i + 1)
	}
	require.Nil(t, array.small)
	for i := range uint32(smallRows + 1) {
		require.Equal(t, uint64(i+1), *array.At(i))
	}
	array.Reset()
	require.Nil(t, array.root)
	require.Zero(t, array.Get(0))
}

func TestWriteFarAheadSharesOneEmptyDirectory(t *testing.T) {
	array := NewArray[uint64](NewClock().NewUnit(captureNothing))
	*array.Mutable(1<<32 - 1) = 7
	written := 0
	empty := array.root[0]
	for _, d := range array.root {
		if d != empty {
			written++
		}
	}
	require.Equal(t, 1, written)
	require.Zero(t, *empty)
	require.Equal(t, uint64(7), array.Get(1<<32-1))
	require.Zero(t, array.Get(1<<31))
}
