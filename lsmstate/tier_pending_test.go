package lsmstate

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
)

// While no run can be written, each snapshot adds a pending epoch, which keeps pages. So their number is
// limited.
func TestSnapshotsFailInsteadOfAddingPendingEpochsWithoutLimit(t *testing.T) {
	var failing atomic.Bool
	mem := newFS()
	n := tieredOn(t, mem, "one", 1<<20, func() bool { return !failing.Load() })
	s := newShelf(t, mem)
	n.setFragile("key", "v")
	failing.Store(true)
	refused := 0
	for i := range 3 * maxPending {
		require.NoError(t, n.keyed.SetKey("key"))
		require.NoError(t, n.value.Set(fmt.Sprint(i)))
		v, err := n.View()
		if err == nil {
			v.Close()
			continue
		}
		require.ErrorIs(t, err, lsm.ErrStalled)
		refused++
		require.LessOrEqual(t, len(n.tier.pending), maxPending)
	}
	require.Equal(t, 2*maxPending, refused)
	requireLast := func(n *tieredTask) {
		n.requireFragile("key", "v")
		v, ok := n.get("key")
		require.True(t, ok)
		require.Equal(t, fmt.Sprint(3*maxPending-1), v)
	}
	requireLast(n)

	failing.Store(false)
	h, err := s.save(n, "later", snapshot.Incremental)
	require.NoError(t, err)
	q := tieredOn(t, mem, "two", 0, nil)
	require.NoError(t, q.restore(s, h))
	requireLast(q)
}
