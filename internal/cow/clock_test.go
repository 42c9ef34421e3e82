package cow

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestClockSharesTheNewestOpenPin(t *testing.T) {
	c := NewClock()
	require.Zero(t, c.Shared())
	require.Equal(t, uint64(1), c.Now())
	one, two, three := c.Freeze(), c.Freeze(), c.Freeze()
	require.Equal(t, uint64(4), c.Now())
	require.Equal(t, uint64(3), c.Shared())
	two.Close()
	require.Equal(t, uint64(3), c.Shared())
	three.Close()
	three.Close()
	require.Equal(t, uint64(1), c.Shared())
	one.Close()
	require.Zero(t, c.Shared())
	require.Equal(t, uint64(4), c.Now(), "versions are never used twice")
	four := c.Freeze()
	one.Close()
	require.Equal(t, uint64(4), c.Shared(), "Close is idempotent")
	four.Close()
}

func TestRetainedBytesAreThoseOfPagesThatPinsSee(t *testing.T) {
	clock := NewClock()
	array := NewArray[uint64](clock.NewUnit(captureNothing))
	write := func(pages uint32) {
		for page := range pages {
			*array.Mutable(page * pageRows) = 1
			*array.Mutable(page*pageRows + 1) = 1
		}
	}
	const pageBytes = 8 * pageRows
	write(10)
	require.Zero(t, clock.RetainedBytes())
	first := clock.Freeze()
	require.Zero(t, clock.RetainedBytes())
	write(4)
	require.EqualValues(t, 4*pageBytes, clock.RetainedBytes())
	second := clock.Freeze()
	write(3)
	require.EqualValues(t, 7*pageBytes, clock.RetainedBytes())
	first.Close()
	require.EqualValues(t, 3*pageBytes, clock.RetainedBytes())
	second.Close()
	require.Zero(t, clock.RetainedBytes())
	write(10)
	require.Zero(t, clock.RetainedBytes())
}
