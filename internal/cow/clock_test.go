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
