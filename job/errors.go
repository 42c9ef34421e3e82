package job

import (
	"errors"
	"fmt"
)

var (
	// ErrInvalid is returned for options or a graph that make no sense.
	ErrInvalid = errors.New("invalid job")

	// ErrStarted is returned when a graph is started again.
	ErrStarted = errors.New("the job was started already")

	// ErrParallelism is returned when the parallelism is above the maximum
	// parallelism.
	ErrParallelism = errors.New("parallelism is above the maximum parallelism")

	// ErrPartition is returned when a checkpoint was taken with a partition that
	// the source no longer has.
	ErrPartition = errors.New("the source lacks a partition of the checkpoint")

	// ErrKind is returned when a checkpoint has under an operator's name what an
	// operator of another kind left there: a source, a keyed operator, a sink.
	ErrKind = errors.New("the checkpoint is of an operator of another kind")

	// ErrPanic is returned when a function of the program panicked, or ended its
	// goroutine. It says where, not with what: that may be data.
	ErrPanic = errors.New("panic")

	// ErrOpening is returned by Emit while the operator is being opened.
	ErrOpening = errors.New("the operator is being opened")

	// ErrReader is returned when a source opens nothing, and when Reader.Read
	// reports more than it was given room for.
	ErrReader = errors.New("the source breaks its contract")

	// ErrPosition is returned when a PositionReader returns more than
	// MaxPositionBytes.
	ErrPosition = errors.New("the position of a source is too large")

	// ErrNoCheckpoints is returned by Running.Checkpoint and CheckpointAndWait for a
	// job without a storage.
	ErrNoCheckpoints = errors.New("the job has no storage for checkpoints")

	// ErrNotRunning is returned by Running.Checkpoint and CheckpointAndWait between
	// two attempts and after the end.
	ErrNotRunning = errors.New("the job is not running")
)

// errNoReason stands for the reason of a failure that was given none.
var errNoReason = errors.New("no reason given")

func errParallelism(parallelism, maxParallelism int) error {
	return fmt.Errorf("parallelism %d, %d key groups: %w", parallelism, maxParallelism, ErrParallelism)
}
