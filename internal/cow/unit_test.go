package cow

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// counter is a unit of an array and a number.
type counter struct {
	unit  *Unit
	array Array[int]
	number,
	captures int
}

// capturedCounter is a counter as a pin has it.
type capturedCounter struct {
	array  Frozen[int]
	number int
}

func newCounter(c *Clock) *counter {
	u := &counter{}
	u.unit = c.NewUnit(func() any {
		u.captures++
		return capturedCounter{u.array.Freeze(), u.number}
	})
	u.array = NewArray[int](u.unit)
	return u
}

func (u *counter) set(n int) {
	u.unit.Touch()
	u.number = n
	*u.array.Mutable(uint32(n) % 200) = n
}

func TestAFreezeCostsTheSameForAnyNumberOfUnits(t *testing.T) {
	cost := func(units int) float64 {
		clock := NewClock()
		all := make([]*counter, units)
		for i := range all {
			all[i] = newCounter(clock)
		}
		return testing.AllocsPerRun(10, func() {
			for _, u := range all[:min(units, 1)] {
				u.set(1)
			}
			clock.Freeze().Close()
		})
	}
	require.Equal(t, cost(1), cost(1000))
}

func TestAUnitIsCapturedOnceForAPinAndOnlyIfNeeded(t *testing.T) {
	clock := NewClock()
	u, idle := newCounter(clock), newCounter(clock)
	u.set(1)
	pin := clock.Freeze()
	require.Zero(t, u.captures)
	u.set(2)
	u.set(3)
	require.Equal(t, 1, u.captures)
	require.Equal(t, 1, pin.Of(u.unit).(capturedCounter).number)
	require.Equal(t, 1, u.captures)
	require.Zero(t, pin.Of(idle.unit).(capturedCounter).number)
	require.Equal(t, 1, idle.captures)
	idle.set(5)
	require.Equal(t, 1, idle.captures, "the pin has it already")
	require.Zero(t, pin.Of(idle.unit).(capturedCounter).number)

	newer := newCounter(clock)
	newer.set(1)
	require.Nil(t, pin.Of(newer.unit), "the unit is newer than the pin")
	require.Zero(t, newer.captures)
	pin.Close()
	require.Nil(t, pin.Of(u.unit))
	u.set(4)
	require.Equal(t, 1, u.captures, "no pin is open")
}

// The test changes units, reads them and closes pins at random, and compares each unit that a
// pin returns with its content at the freeze.
func TestPinsHaveUnitsAsTheyWere(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			clock := NewClock()
			var units []*counter
			type open struct {
				pin  *Pin
				want []int
			}
			var pins []open
			check := func(o open, i int) {
				captured := o.pin.Of(units[i].unit)
				if i >= len(o.want) {
					require.Nil(t, captured)
					return
				}
				c := captured.(capturedCounter)
				require.Equal(t, o.want[i], c.number)
				require.Equal(t, o.want[i], c.array.Get(uint32(o.want[i])%200))
			}
			for step := range 3000 {
				switch n := r.IntN(100); {
				case n < 3 && len(units) < 20:
					units = append(units, newCounter(clock))
				case n < 10 && len(pins) < 4:
					o := open{pin: clock.Freeze()}
					for _, u := range units {
						o.want = append(o.want, u.number)
					}
					pins = append(pins, o)
				case n < 15 && len(pins) > 0:
					i := r.IntN(len(pins))
					pins[i].pin.Close()
					pins = append(pins[:i], pins[i+1:]...)
				case n < 40 && len(pins) > 0 && len(units) > 0:
					check(pins[r.IntN(len(pins))], r.IntN(len(units)))
				case len(units) > 0:
					units[r.IntN(len(units))].set(step)
				}
			}
			for _, o := range pins {
				for i := range units {
					check(o, i)
				}
			}
		})
	}
}

// Run it with the race detector.
func TestReadersCaptureUnitsWhileTheWriterContinues(t *testing.T) {
	const count, freezes = 50, 100
	clock := NewClock()
	units := make([]*counter, count)
	for i := range units {
		units[i] = newCounter(clock)
		units[i].set(i)
	}
	var readers sync.WaitGroup
	r := rand.New(rand.NewPCG(1, 2))
	wrong := make(chan string, freezes)
	for range freezes {
		want := make([]int, count)
		for i, u := range units {
			want[i] = u.number
		}
		pin := clock.Freeze()
		readers.Go(func() {
			defer pin.Close()
			for i, u := range units {
				c := pin.Of(u.unit).(capturedCounter)
				if c.number != want[i] || c.array.Get(uint32(want[i])%200) != want[i] {
					wrong <- fmt.Sprintf("unit %d: %d, was %d", i, c.number, want[i])
					return
				}
			}
		})
		for range 200 {
			units[r.IntN(count)].set(r.IntN(10_000))
		}
	}
	readers.Wait()
	require.Empty(t, wrong)
}
