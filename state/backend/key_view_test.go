package backend

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLastLeaveCallsRelease(t *testing.T) {
	var r Readers
	released := 0
	release := func() { released++ }
	require.NoError(t, r.Enter())
	require.NoError(t, r.Enter())
	r.Close(release)
	require.ErrorIs(t, r.Enter(), ErrClosed)
	r.Leave()
	require.Zero(t, released)
	r.Leave()
	require.Equal(t, 1, released)
	require.ErrorIs(t, r.Enter(), ErrClosed)
	r.Close(release)
	require.Equal(t, 1, released)
}

func TestCloseWithoutReadsCallsRelease(t *testing.T) {
	var r Readers
	released := 0
	r.Close(func() { released++ })
	require.Equal(t, 1, released)
}

func TestReleaseIsNotCalledDuringARead(t *testing.T) {
	for range 200 {
		var r Readers
		held := new(int) // the race detector reports a release that comes too early
		releases := 0
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for r.Enter() == nil {
					_ = *held
					r.Leave()
				}
			})
		}
		r.Close(func() { *held, releases = 1, releases+1 })
		readers.Wait()
		require.Equal(t, 1, releases)
	}
}
