package harness

import (
	"time"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/snapshot"
)

// request is the task of a child: the first line of its standard input.
type request struct {
	Dataset dataset.Dataset
	// Preset is the URL of backend and storage.
	Preset string
	// ResultDir is the directory where the sinks write.
	ResultDir string
	// CheckpointEvery is 0 for no checkpoints.
	CheckpointEvery time.Duration
	Compression     snapshot.Compression
	Graphs          []graphRequest
}

// graphRequest is a graph to run, to its end or to the last of its failures. It
// continues from the checkpoints of the graph before.
type graphRequest struct {
	Parallelism int
	Failures    []failurePoint
	// Killed is set if the parent causes the failure, the only one, by killing the
	// child. Otherwise the child makes its subtasks fail.
	Killed bool
}

// failurePoint is the place in the input where a job fails, in eighths of the input. The
// job fails in the eighth that begins there, after minCheckpoints since its last start:
// its sources wait at the beginning of the eighth for the checkpoints and at its end for
// the failure.
type failurePoint int64

// begin and end return the first record of the eighth and of the next, in a
// partition with a number of records.
func (p failurePoint) begin(records int64) int64 { return records * int64(p) / eighths }
func (p failurePoint) end(records int64) int64   { return records * int64(p+1) / eighths }

// isReached reports whether a job is to fail, given the checkpoints since its last start
// and its position in the dataset.
func (p failurePoint) isReached(d dataset.Dataset, checkpoints int, position int64) bool {
	begin := int64(0)
	for _, records := range d.Records {
		begin += p.begin(records)
	}
	return checkpoints >= minCheckpoints && position > begin
}

const (
	eighths = 8
	// MinRecords is the size of a dataset with a record in each eighth of a partition.
	MinRecords = eighths * dataset.Partitions
	// minCheckpoints is the number of checkpoints before each failure.
	minCheckpoints = 3
)

// message is a line that a child writes. Each has the position: the number of records
// that were read of all partitions.
type message struct {
	Position   int64
	Restored   *Restored  `json:",omitempty"`
	Checkpoint *Completed `json:",omitempty"`
	// The last message has either Done or Error.
	Done  bool   `json:",omitempty"`
	Error string `json:",omitempty"`
}

// Restored reports that the job has started, and from which checkpoint.
type Restored struct {
	Checkpoint  uint64 // 0 if from the beginning of the input
	Offset      int64  // records read before
	Parallelism int
	Took        time.Duration // to open and load all state
	Skipped     []string      // the errors of newer checkpoints
	Cause       string        // the failure before, unless it was made to fail
}

// Completed reports a complete checkpoint.
type Completed struct {
	ID     uint64
	Bytes  int64
	Took   time.Duration   // from trigger to commit
	Pauses []time.Duration // of each subtask with state
}
