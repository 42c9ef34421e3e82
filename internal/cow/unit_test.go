package cow

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// counter is a unit of one array and a number beside it.
type counter struct {
	unit  *Unit
	array Array[int]
	beside,
	takes int
}

// takenCounter is a counter as a pin has it.
type takenCounter struct {
	array  Frozen[int]
	beside int
}

func newCounter(c *Clock) *counter {
	u := &counter{}
	u.unit = c.NewUnit(func() any {
		u.takes++
		return takenCounter{u.array.Freeze(), u.beside}
	})
	u.array = NewArray[int](u.unit)
	return u
}

func (u *counter) set(n int) {
	u.unit.Touch()
	u.beside = n
	*u.array.Mutable(uint32(n) % 200) = n
}

// A freeze takes nothing: its cost does not grow with the number of units.
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

func TestAUnitIsTakenOnceForAPinAndOnlyIfNeeded(t *testing.T) {
	clock := NewClock()
	u, idle := newCounter(clock), newCounter(clock)
	u.set(1)
	pin := clock.Freeze()
	require.Zero(t, u.takes)
	u.set(2)
	u.set(3)
	require.Equal(t, 1, u.takes)
	require.Equal(t, 1, pin.Of(u.unit).(takenCounter).beside)
	require.Equal(t, 1, u.takes)
	require.Zero(t, pin.Of(idle.unit).(takenCounter).beside)
	require.Equal(t, 1, idle.takes)
	idle.set(5)
	require.Equal(t, 1, idle.takes, "the pin has it already")
	require.Zero(t, pin.Of(idle.unit).(takenCounter).beside)

	newer := newCounter(clock)
	newer.set(1)
	require.Nil(t, pin.Of(newer.unit), "it was not there")
	require.Zero(t, newer.takes)
	pin.Close()
	require.Nil(t, pin.Of(u.unit))
	u.set(4)
	require.Equal(t, 1, u.takes, "nobody is left")
}

// Every pin has every unit as it was at its freeze, whatever is written, read and released
// in between.
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
				taken := o.pin.Of(units[i].unit)
				if i >= len(o.want) {
					require.Nil(t, taken)
					return
				}
				c := taken.(takenCounter)
				require.Equal(t, o.want[i], c.beside)
				require.Equal(t, o.want[i], c.array.Get(uint32(o.want[i])%200))
			}
			for step := range 3000 {
				switch n := r.IntN(100); {
				case n < 3 && len(units) < 20:
					units = append(units, newCounter(clock))
				case n < 10 && len(pins) < 4:
					o := open{pin: clock.Freeze()}
					for _, u := range units {
						o.want = append(o.want, u.beside)
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

// Readers that ask for units while the writer changes them are for the race detector.
func TestReadersTakeUnitsWhileTheWriterGoesOn(t *testing.T) {
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
			want[i] = u.beside
		}
		pin := clock.Freeze()
		readers.Go(func() {
			defer pin.Close()
			for i, u := range units {
				c := pin.Of(u.unit).(takenCounter)
				if c.beside != want[i] || c.array.Get(uint32(want[i])%200) != want[i] {
					wrong <- fmt.Sprintf("unit %d: %d, was %d", i, c.beside, want[i])
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
