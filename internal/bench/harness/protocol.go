package harness

import (
	"time"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/snapshot"
)

// request describes the work of a child process. The parent writes it as the first line of
// the child's standard input.
type request struct {
	Dataset dataset.Dataset
	// Job is the name of the job.
	Job string
	// Preset is the URL of the backend and the checkpoint storage.
	Preset string
	// ResultDir is the directory of the files that the sinks write.
	ResultDir string
	// CheckpointEvery is the time between checkpoints; 0 means no checkpoints.
	CheckpointEvery time.Duration
	Compression     snapshot.Compression
	Graphs          []graphRequest
}

// graphRequest is a graph to run until its last failure, or to the end of the input if it has
// no failures. The job starts from the newest checkpoint of the graph before it.
type graphRequest struct {
	Parallelism int
	Failures    []failurePoint
	// Killed means that there is one failure, and that the parent causes it by killing the
	// child. Otherwise the child makes its subtasks fail.
	Killed bool
	// Discard means that the job removes its checkpoints at the end of the input.
	Discard bool
}

// failurePoint is a number from 0 to 7: the job fails in this eighth of the input. Before, it
// must have completed minCheckpoints checkpoints since its last start. So the sources wait at
// the beginning of the eighth for these checkpoints, and at its end for the failure.
type failurePoint int64

// begin returns the index of the eighth's first record, in a partition with the given number
// of records.
func (p failurePoint) begin(records int64) int64 { return records * int64(p) / eighths }

// end returns the index of the first record after the eighth.
func (p failurePoint) end(records int64) int64 { return records * int64(p+1) / eighths }

// isReached reports whether a job must fail now, given the number of checkpoints since its
// last start and its position in the dataset.
func (p failurePoint) isReached(d dataset.Dataset, checkpoints int, position int64) bool {
	begin := int64(0)
	for _, records := range d.Records {
		begin += p.begin(records)
	}
	return checkpoints >= minCheckpoints && position > begin
}

const (
	eighths = 8
	// MinRecords is the smallest size of a dataset: one record in each eighth of each
	// partition.
	MinRecords = eighths * dataset.Partitions
	// minCheckpoints is the number of checkpoints that a job completes before each failure.
	minCheckpoints = 3
)

// message is one line of JSON that a child writes to its standard output.
type message struct {
	Position   int64      // records read from all partitions; every message has it
	Restored   *Restored  `json:",omitempty"`
	Checkpoint *Completed `json:",omitempty"`
	// The last message has either Done or Error.
	Done  bool   `json:",omitempty"`
	Error string `json:",omitempty"`
}

// Restored describes a start of the job: the first one, or a restore.
type Restored struct {
	Checkpoint  uint64        // the ID of the restored checkpoint; 0 at the first start
	Offset      int64         // records of all partitions before the checkpoint
	Parallelism int           // subtasks of each operator
	Took        time.Duration // to open and load all state
	Skipped     []string      // errors of newer checkpoints that could not be restored
	Cause       string        // the error that ended the attempt before; empty if intended
}

// Completed describes a complete checkpoint.
type Completed struct {
	ID     uint64          // checkpoint.ID
	Bytes  int64           // total size of its files
	Took   time.Duration   // from trigger to commit
	Pauses []time.Duration // of each subtask with state
}
