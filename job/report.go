package job

import (
	"time"

	"github.com/weirstate/weir/checkpoint"
)

// CheckpointReport describes a checkpoint that is complete or was aborted.
type CheckpointReport struct {
	// Stats describes the checkpoint. If Err is not nil, only the ID is set.
	checkpoint.Stats
	// Pauses has one duration per subtask with a backend: the time for which the
	// checkpoint stopped the subtask.
	Pauses []time.Duration
	// Err is the reason why the checkpoint was aborted, or nil.
	Err error
}

// RestoreReport describes the beginning of an attempt.
type RestoreReport struct {
	// Attempt is the number of the attempt. With a storage, numbers ascend over all runs of
	// the job; without one, each run counts its attempts from 1.
	Attempt checkpoint.AttemptID
	// Cause is the failure that ended the previous attempt, or nil.
	Cause error
	// Checkpoint is the restored checkpoint, or 0 if the job began from the first element.
	Checkpoint checkpoint.ID
	// Skipped has one error for each newer checkpoint that could not be restored.
	Skipped []error
	// Offset is the number of records that all sources had read at the checkpoint.
	Offset int64
	// Took is the time to open and restore all subtasks.
	Took time.Duration
}

// Report is the result of a job.
type Report struct {
	// Records is the number of records read by all attempts, replayed records included.
	Records int64
	// Restores has one report for each attempt whose subtasks were all opened.
	Restores []RestoreReport
}
