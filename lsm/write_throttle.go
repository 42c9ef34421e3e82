package lsm

import (
	"time"

	"github.com/weirstate/weir/lsm/internal/compaction"
)

// writeThrottle slows writes down gradually while the flusher or the compactor lags.
//
// Problem: without it, writes run at full speed until memory or level 0 is full, and then block
// for seconds. A writer that sleeps a little, early, gives the workers time, and its longest
// wait stays near 10 ms.
//
// Idea: DB.pressure measures how far the workers lag, from 0 to 1. The writer checks it once
// per throttleBytes and sleeps for the square of the pressure times maxThrottle. The square
// keeps the sleep unnoticeable at low pressure and steep near 1.
//
//	sleep per 64 KiB
//	  10 ms ┤                          ╭  pressure 1: 64 KiB per 10 ms = 6.4 MB/s
//	        │                        ╭─╯
//	 2.5 ms ┤             ╭──────────╯
//	        │   ╭─────────╯
//	   0 ms ┼───┴─────────┬────────────┬
//	        0            0.5           1   pressure
//
//	pressure = max of
//	  level 0:   (runs − 12) / (36 − 12)
//	  memtables: 4 × (sealed + active) / (half of the budget) − 3, with 2 sealed runs or more
//
// If the pressure does not suffice, a write waits for a flush: see mustWait.
//
// Sleeps below 1 ms are added up in debt until they reach 1 ms, because timers are not more
// precise. The sleep of a write too large for a memtable is in proportion to its size, at most
// maxLargeThrottle.
//
// Invariant: pressure 0 never sleeps.
// Invariant: one sleep lasts at most maxThrottle (maxLargeThrottle for a large write).
// Invariant: the writer sleeps without the lock, so reads and workers continue.
//
// Cost: one addition and one comparison per write, and one look-up of the pressure per
// throttleBytes. The scheme resembles LevelDB's slowdown trigger and RocksDB's
// delayed_write_rate, without a fixed rate.
//
// Thread safety: the lock of the store.
type writeThrottle struct {
	unpaid int64         // bytes written since the last check of the pressure
	debt   time.Duration // sleep that is due but too short to be slept
}

const (
	// throttleBytes is the number of bytes written between two checks of the pressure.
	throttleBytes = 64 << 10
	// maxThrottle is the sleep per throttleBytes at full pressure; it limits writes to 6.4
	// MB/s.
	maxThrottle = 10 * time.Millisecond
	// maxLargeThrottle is the longest sleep for a write that is a run of its own.
	maxLargeThrottle = time.Second
	// minThrottle is the shortest sleep: timers are not more precise.
	minThrottle = time.Millisecond
	// Number of runs of level 0 at which the throttle starts, and at which the pressure is 1.
	slowRuns, slowestRuns = compaction.Level0SlowdownTrigger, 36
	// maxSealedRuns limits sealed runs even if they take no memory: each large write is an open
	// file, and each run costs every read a lookup.
	maxSealedRuns = slowestRuns
)

// isDue adds a write's bytes to the counter and reports whether the pressure must be checked.
func (t *writeThrottle) isDue(bytes int64) bool {
	t.unpaid += bytes
	return t.unpaid >= throttleBytes
}

// wait returns how long the writer must sleep under a pressure from 0 to 1: at most `most`, the
// rest of a longer debt is dropped. A sleep below minThrottle stays in debt, and wait returns
// 0.
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
