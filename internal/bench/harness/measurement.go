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
	Replayed int64         // lower bound of the records that were read again after failures
	CPU      time.Duration // of all processes, on all cores
	PeakRSS  uint64        // bytes, of the process with the most memory; 0 if unknown

	Checkpoints []Completed
	Restores    []Restored // the first is the start of the job, from no checkpoint
}

// Recoveries returns the restores from checkpoints.
func (m Measurement) Recoveries() []Restored { return m.Restores[min(1, len(m.Restores)):] }

// SlowestRestore returns the time of the slowest restore, or 0 without restores.
func (m Measurement) SlowestRestore() (slowest time.Duration) {
	for _, from := range m.Recoveries() {
		slowest = max(slowest, from.Took)
	}
	return slowest
}

// CheckpointBytes returns the median size of the checkpoints, or 0 without checkpoints.
func (m Measurement) CheckpointBytes() int64 {
	return medianOf(m.Checkpoints, func(c Completed) int64 { return c.Bytes })
}

// CheckpointTime returns the median time of a checkpoint from trigger to commit, or 0
// without checkpoints.
func (m Measurement) CheckpointTime() time.Duration {
	return medianOf(m.Checkpoints, func(c Completed) time.Duration { return c.Took })
}

// Pauses returns the pauses of all subtasks in all checkpoints.
func (m Measurement) Pauses() (all []time.Duration) {
	for _, c := range m.Checkpoints {
		all = append(all, c.Pauses...)
	}
	return all
}

// Pause returns a percentile of the pauses. ok is false if there are fewer pauses than
// atLeast.
func (m Measurement) Pause(percent, atLeast int) (p time.Duration, ok bool) {
	return percentile(m.Pauses(), percent, atLeast)
}

// Rate returns the number of input records per second. The time includes failures, restores
// and records that were read again.
func (m Measurement) Rate() float64 {
	return float64(m.Plan.Dataset.Total()) / max(m.Took, 1).Seconds()
}
