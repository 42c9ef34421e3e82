package job

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/state"
)

var (
	// ErrInvalid is returned for invalid options and invalid graphs, when the open function of
	// an operator or a sink returns nil, and for timers with a nil function.
	ErrInvalid = errors.New("invalid job")

	// ErrInvalidOption is returned for an option that is out of range, together with
	// ErrInvalid, or with ErrParallelism if Options.Parallelism exceeds Options.MaxParallelism.
	// The value is state.ErrInvalidOption.
	ErrInvalidOption = state.ErrInvalidOption

	// ErrStarted is returned when a graph is started a second time.
	ErrStarted = errors.New("the job was started already")

	// ErrParallelism is returned when the parallelism exceeds the number of key groups, which
	// is Options.MaxParallelism or, if that is 0, the number in the restored checkpoint.
	ErrParallelism = errors.New("parallelism is above the maximum parallelism")

	// ErrPartition is returned when the checkpoint has the position of a partition that
	// the source does not have.
	ErrPartition = errors.New("the source lacks a partition of the checkpoint")

	// ErrKind is returned when the checkpoint has data of another kind of node under the
	// name of a source, operator or sink (for example a sink's data under the name of a
	// source), or positions of From for a source of FromPositions or the reverse.
	ErrKind = errors.New("the checkpoint is of an operator of another kind")

	// ErrPanic is returned when a function of the program panicked or ended its goroutine.
	// After a panic the error has the file and line, but not the value of the panic: that may
	// be data of the user, which must not reach a log.
	ErrPanic = errors.New("panic")

	// ErrOpening is returned by Task.Emit while the operator opens.
	ErrOpening = errors.New("the operator is being opened")

	// ErrReader is returned when a source returns no reader, or when Reader.Read returns
	// a number that is negative or exceeds the length of its buffer.
	ErrReader = errors.New("the source breaks its contract")

	// ErrPosition is returned when a PositionReader returns more than MaxPositionBytes.
	ErrPosition = errors.New("the position of a source is too large")

	// ErrNoCheckpoints is returned by Running.Checkpoint and Running.CheckpointAndWait for
	// a job without a storage.
	ErrNoCheckpoints = errors.New("the job has no storage for checkpoints")

	// ErrNotRunning is returned by Running.Checkpoint and Running.CheckpointAndWait
	// between two attempts and after the end of the job.
	ErrNotRunning = errors.New("the job is not running")
)

// errNoReason is the reason of the failure if the program calls Running.Fail(nil).
var errNoReason = errors.New("no reason given")

// errParallelism returns the ErrParallelism for a job with maxParallelism key groups.
func errParallelism(parallelism, maxParallelism int) error {
	return fmt.Errorf("parallelism is %d, but there are %d key groups: %w", parallelism, maxParallelism, ErrParallelism)
}
