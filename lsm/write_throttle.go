package lsm

import (
	"time"

	"github.com/weirstate/weir/lsm/internal/compaction"
)

// writeThrottle slows writes down gradually when the workers cannot keep up, long before
// one would have to wait.
//
// Thread safety: the lock of the store.
type writeThrottle struct {
	unpaid int64         // bytes written since the last look at the pressure
	debt   time.Duration // not slept yet
}

const (
	// throttleBytes is how much is written between two looks at the pressure.
	throttleBytes = 64 << 10
	// maxThrottle is for so much at the highest pressure: 6.4 MB/s remain.
	maxThrottle = 10 * time.Millisecond
	// maxLargeThrottle is that of a write that is a run of its own, once for all of it.
	maxLargeThrottle = time.Second
	// minThrottle is the least that is slept: timers are no finer.
	minThrottle = time.Millisecond
	// Runs of level 0 from where on writes slow down, and to where they do
	// ever more.
	slowRuns, slowestRuns = compaction.Level0SlowdownTrigger, 36
	// maxSealedRuns bounds runs that take no memory: each is a file that is open, and
	// one more place for a read to look.
	maxSealedRuns = slowestRuns
)

// isDue counts bytes of a write, and reports whether it is time to look at the pressure.
func (t *writeThrottle) isDue(bytes int64) bool {
	t.unpaid += bytes
	return t.unpaid >= throttleBytes
}

// wait returns how long the writer is to sleep under a pressure from 0 to 1, but no longer
// than most; 0 while that is too little to sleep for.
func (t *writeThrottle) wait(pressure float64, most time.Duration) time.Duration {
	t.debt += time.Duration(pressure * pressure * float64(maxThrottle) * float64(t.unpaid) / throttleBytes)
	t.unpaid = 0
	if t.debt < minThrottle {
		return 0
	}
	wait := min(t.debt, most)
	t.debt = 0
	return wait
}
