package main

import (
	"time"

	"github.com/weirstate/weir/snapshot"
)

// childArgument, as the only one, makes the program a child: a process that
// runs the job and may be killed. Nobody else is to use it.
const childArgument = "-child"

// order is what a child is to do: the first line that it reads. It ends when
// its input does, so it never outlives its parent.
type order struct {
	Deck deck
	// Preset is the URL of backend and storage.
	Preset string
	// Lines is the directory where the sinks write.
	Lines string
	// CheckpointEvery is 0 for no checkpoints.
	CheckpointEvery time.Duration
	Compression     snapshot.Compression
	Graphs          []graphOrder
}

// graphOrder is a graph to run, to its end or to the last of its failures. It
// goes on from the checkpoints of the one before.
type graphOrder struct {
	Parallelism int
	Failures    []failurePoint
	// Killed says that the parent sees to the failure, the only one, by killing
	// the child. Else the child makes its subtasks fail.
	Killed bool
}

// failurePoint is where in the input a job fails: in eighths of it. The job
// fails in the eighth that begins there, but only after minCheckpoints since it
// last began; its sources wait at the beginning of the eighth for the
// checkpoints and at its end for the failure.
type failurePoint int64

// begin and end are the first record of the eighth and of the next, in a
// partition of so many records.
func (p failurePoint) begin(records int64) int64 { return records * int64(p) / eighths }
func (p failurePoint) end(records int64) int64   { return records * int64(p+1) / eighths }

// isReached reports whether a job that has completed so many checkpoints since it
// last began, and has read so many records of the deck, is to fail.
func (p failurePoint) isReached(d deck, checkpoints int, position int64) bool {
	begin := int64(0)
	for _, records := range d.Records {
		begin += p.begin(records)
	}
	return checkpoints >= minCheckpoints && position > begin
}

const (
	eighths = 8
	// minRecords are enough for each eighth of a partition to have a record.
	minRecords = eighths * partitions
	// minCheckpoints are complete in each life of a job that does not end by
	// itself.
	minCheckpoints = 3
)

// message is a line that a child writes: what has just happened. Its position,
// the number of records read of all partitions, comes with each.
type message struct {
	Position   int64
	Restored   *restored  `json:",omitempty"`
	Checkpoint *completed `json:",omitempty"`
	// Done and Error come last, one of them.
	Done  bool   `json:",omitempty"`
	Error string `json:",omitempty"`
}

// restored says that the job runs, and from where: the beginning of a life.
type restored struct {
	Checkpoint  uint64 // 0 if from the beginning
	Offset      int64  // records read by then
	Parallelism int
	Took        time.Duration // to open and load all state
	Skipped     []string      // why newer checkpoints were passed over
	Cause       string        // the failure before, if nobody asked for it
}

// completed says that a checkpoint is complete.
type completed struct {
	ID     uint64
	Bytes  int64
	Took   time.Duration   // from trigger to commit
	Pauses []time.Duration // of each subtask with state
}
