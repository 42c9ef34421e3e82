package lsm

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/version"
)

// Small runs wait until there is a reason to flush. A flush then takes the oldest runs that fit into one
// table.
func TestFlushPolicyPicksTheOldestRunsThatFitIntoOneTable(t *testing.T) {
	now := time.Now()
	small := func(number uint64) *version.SealedRun {
		return &version.SealedRun{Number: number, Bytes: 10, Sealed: now}
	}
	file := version.NewSealedFile(2, &version.File{})
	half := func(number uint64) *version.SealedRun {
		return &version.SealedRun{Number: number, Bytes: 60, Sealed: now}
	}
	for name, c := range map[string]struct {
		policy flushPolicy
		memory []*version.SealedRun // newest first, as in a version
		short  bool
		view   uint64 // the newest run of a view
		want   []uint64
	}{
		"no runs":                {},
		"small runs wait":        {memory: []*version.SealedRun{small(3), small(2), small(1)}},
		"a caller waits":         {policy: flushPolicy{dueUpTo: 1}, memory: []*version.SealedRun{small(3), small(2), small(1)}, want: []uint64{3, 2, 1}},
		"memory is short":        {memory: []*version.SealedRun{small(2), small(1)}, short: true, want: []uint64{2, 1}},
		"a view ends early":      {policy: flushPolicy{dueUpTo: 1}, memory: []*version.SealedRun{small(3), small(2), small(1)}, view: 1, want: []uint64{1}},
		"a view ends with two":   {policy: flushPolicy{dueUpTo: 1}, memory: []*version.SealedRun{small(3), small(2), small(1)}, view: 2, want: []uint64{2, 1}},
		"more than a memtable":   {memory: []*version.SealedRun{half(2), half(1)}, want: []uint64{1}},
		"a file is taken alone":  {memory: []*version.SealedRun{small(3), file}, want: []uint64{2}},
		"a file ends the others": {memory: []*version.SealedRun{file, small(1)}, want: []uint64{1}},
		"the oldest is too old": {
			memory: []*version.SealedRun{small(2), {Number: 1, Bytes: 10, Sealed: now.Add(-2 * time.Hour)}},
			want:   []uint64{2, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.policy.memtableBytes, c.policy.runAge = 100, time.Hour
			var got []uint64
			for _, r := range c.policy.due(c.memory, c.short, func(number uint64) bool { return number == c.view }) {
				got = append(got, r.Number)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestWriteThrottleAddsUpShortSleeps(t *testing.T) {
	var w writeThrottle
	require.False(t, w.isDue(throttleBytes-1))
	require.True(t, w.isDue(1))
	require.Zero(t, w.wait(0, maxThrottle), "without pressure")
	slept := time.Duration(0)
	for range 100 {
		require.True(t, w.isDue(throttleBytes))
		wait := w.wait(0.1, maxThrottle) // the wait grows with the square: a hundredth of the maximum
		require.True(t, wait == 0 || wait >= minThrottle)
		slept += wait
	}
	require.InDelta(t, float64(maxThrottle), float64(slept+w.debt), float64(time.Microsecond))
	require.True(t, w.isDue(1<<30))
	require.Equal(t, maxLargeThrottle, w.wait(1, maxLargeThrottle))
	require.Zero(t, w.debt, "the debt above the maximum is dropped")
}
