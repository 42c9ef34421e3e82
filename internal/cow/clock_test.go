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
	two.Release()
	require.Equal(t, uint64(3), c.Shared())
	three.Release()
	three.Release()
	require.Equal(t, uint64(1), c.Shared())
	one.Release()
	require.Zero(t, c.Shared())
	require.Equal(t, uint64(4), c.Now(), "versions are never used twice")
	four := c.Freeze()
	one.Release()
	require.Equal(t, uint64(4), c.Shared(), "releasing twice does nothing")
	four.Release()
}
