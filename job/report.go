package job

import (
	"time"

	"github.com/weirstate/weir/checkpoint"
)

// CheckpointReport says how a checkpoint went.
type CheckpointReport struct {
	// Stats has only the ID if there is an Err.
	checkpoint.Stats
	// Pauses are how long the subtasks with a backend were stopped for it.
	Pauses []time.Duration
	// Err says why it is not complete; nil if it is.
	Err error
}

// RestoreReport says from where an attempt goes on.
type RestoreReport struct {
	// Attempt counts from 1; Cause is the failure of the one before.
	Attempt checkpoint.Number
	Cause   error
	// Checkpoint is 0 if the job begins. Skipped says which newer ones were
	// passed over, and why.
	Checkpoint checkpoint.ID
	Skipped    []error
	// Offset is the number of records that the checkpoint had read.
	Offset int64
	// Took is the time it took to open and load all state.
	Took time.Duration
}

// Report says what a job came to.
type Report struct {
	// Records that were read in all attempts, replayed ones included.
	Records int64
	// Restores has one for each attempt whose subtasks could all be opened.
	Restores []RestoreReport
}
