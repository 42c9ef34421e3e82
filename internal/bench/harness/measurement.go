package harness

import (
	"time"

	"github.com/weirstate/weir/internal/bench/results"
)

// Measurement is the outcome of a run.
type Measurement struct {
	Plan     Plan
	Result   results.Result
	Took     time.Duration // from the start of the first process to the last line
	Replayed int64         // records that were read again after failures, at least
	CPU      time.Duration // of all processes
	PeakRSS  uint64        // bytes, of the largest process; 0 if unknown

	Checkpoints []Completed
	Restores    []Restored // the first is the start without a checkpoint
}

// Recoveries returns the restores from checkpoints.
func (m Measurement) Recoveries() []Restored { return m.Restores[min(1, len(m.Restores)):] }

// SlowestRestore returns the longest time of a restore, 0 without restores.
func (m Measurement) SlowestRestore() (slowest time.Duration) {
	for _, from := range m.Recoveries() {
		slowest = max(slowest, from.Took)
	}
	return slowest
}

// CheckpointBytes returns the median size of the checkpoints, 0 without checkpoints.
func (m Measurement) CheckpointBytes() int64 {
	return median(m.Checkpoints, func(c Completed) int64 { return c.Bytes })
}

// CheckpointTime returns the median time of the checkpoints, 0 without checkpoints.
func (m Measurement) CheckpointTime() time.Duration {
	return median(m.Checkpoints, func(c Completed) time.Duration { return c.Took })
}

// Pauses returns the pauses of all subtasks in all checkpoints.
func (m Measurement) Pauses() (all []time.Duration) {
	for _, c := range m.Checkpoints {
		all = append(all, c.Pauses...)
	}
	return all
}

// Pause returns a percentile of the pauses; ok is false if there are fewer of them
// than enough.
func (m Measurement) Pause(percent, enough int) (p time.Duration, ok bool) {
	return percentile(m.Pauses(), percent, enough)
}

// Rate returns the records of the input per second. The time for failures, restores and
// records that were read again counts.
func (m Measurement) Rate() float64 {
	return float64(m.Plan.Dataset.Total()) / max(m.Took, 1).Seconds()
}
