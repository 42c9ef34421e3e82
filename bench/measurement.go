package main

import (
	"time"
)

// measurement is what a run has shown.
type measurement struct {
	plan     plan
	result   result
	took     time.Duration // from the start of the first process to the last line
	replayed int64         // records that were read again after failures, at least
	cpu      time.Duration // of all processes
	peakRSS  uint64        // bytes, of the largest process; 0 if unknown

	checkpoints []completed
	restores    []restored // the first one is the beginning
}

// goneOn are the restores but for the beginning.
func (m measurement) goneOn() []restored { return m.restores[min(1, len(m.restores)):] }

// slowestRestore is the longest time that a restore took, 0 if there was none.
func (m measurement) slowestRestore() (slowest time.Duration) {
	for _, from := range m.goneOn() {
		slowest = max(slowest, from.Took)
	}
	return slowest
}

// checkpointBytes and checkpointTime are medians, 0 of none.
func (m measurement) checkpointBytes() int64 {
	return median(m.checkpoints, func(c completed) int64 { return c.Bytes })
}

func (m measurement) checkpointTime() time.Duration {
	return median(m.checkpoints, func(c completed) time.Duration { return c.Took })
}

// pauses are those of all subtasks in all checkpoints.
func (m measurement) pauses() (all []time.Duration) {
	for _, c := range m.checkpoints {
		all = append(all, c.Pauses...)
	}
	return all
}

// pause returns a percentile of the pauses; ok is false if there are fewer of them
// than enough.
func (m measurement) pause(percent, enough int) (p time.Duration, ok bool) {
	return percentile(m.pauses(), percent, enough)
}

// rate is in records of the input a second: those that were read again, and the
// time for failures and restores, count against it.
func (m measurement) rate() float64 {
	return float64(m.plan.deck.total()) / max(m.took, 1).Seconds()
}
