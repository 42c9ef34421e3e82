package job

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// Options configures a job. Name is required, and so is Open if the job has operators.
type Options struct {
	// Name is the name of the job, and of its folder in the storage. It must pass
	// snapshot.CheckName.
	Name string
	// Open opens an empty backend. Each attempt calls it once per operator subtask, from
	// several goroutines at once.
	Open func(state.Options) (snapshot.Backend, error)
	// Limits are passed to Open. Default: the limits of package state.
	Limits state.Limits
	// Parallelism is the number of subtasks of each source and operator. A sink has one
	// subtask. Default 1.
	Parallelism int
	// MaxParallelism is the number of key groups. It cannot change while checkpoints are
	// kept. Default: the number in the restored checkpoint, or
	// state.DefaultMaxParallelism without a checkpoint.
	MaxParallelism int

	// Checkpoints configures the coordinator. The job sets its Job and Logger fields to
	// Name and Logger. If its Storage is nil, the job takes no checkpoints, and a restart
	// begins from the first element.
	Checkpoints checkpoint.Options
	// DiscardCheckpoints removes all checkpoints when the job has finished or was
	// canceled, provided that an attempt began. The removal takes as long as the storage
	// needs, also after the end of the context. Default false: checkpoints are kept.
	DiscardCheckpoints bool
	// Snapshot configures the snapshots of subtasks. The job sets its Name.
	Snapshot snapshot.Options

	// MaxRestarts is the number of restarts after failures before the job gives up. A
	// failure that would repeat itself ends the job at once, such as a checkpoint with an
	// operator that the job does not have. Falling back from a damaged checkpoint to an
	// older one does not count. Default 0.
	MaxRestarts int
	// RestartDelay is the time to wait before a restart. Default 0.
	RestartDelay time.Duration

	// OnCheckpoint is called when a checkpoint is complete or was aborted. It must return
	// soon. The job does not call it while OnRestore runs. Default: no callback.
	OnCheckpoint func(CheckpointReport)
	// OnRestore is called when all subtasks of an attempt are open and restored. It must
	// return soon. The job does not call it while OnCheckpoint runs. Default: no callback.
	OnRestore func(RestoreReport)
	// Logger receives messages about restarts, restores and errors that do not end the job.
	// Default: messages are discarded.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Parallelism == 0 {
		o.Parallelism = 1
	}
	if o.OnCheckpoint == nil {
		o.OnCheckpoint = func(CheckpointReport) {}
	}
	if o.OnRestore == nil {
		o.OnRestore = func(RestoreReport) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Checkpoints.Job, o.Checkpoints.Logger = o.Name, o.Logger
	o.Logger = o.Logger.With("job", o.Name)
	return o
}

// check returns an error for invalid options. Defaults must be set.
func (o Options) check() error {
	if err := snapshot.CheckName(o.Name); err != nil {
		return fmt.Errorf("%w: Options.Name: %w: %w", ErrInvalid, ErrInvalidOption, err)
	}
	if o.Parallelism < 1 || o.Parallelism > state.MaxKeyGroups {
		return fmt.Errorf("%w: Options.Parallelism is %d: want 1 to %d: %w", ErrInvalid, o.Parallelism, state.MaxKeyGroups, ErrInvalidOption)
	}
	if o.MaxParallelism < 0 || o.MaxParallelism > state.MaxKeyGroups {
		return fmt.Errorf("%w: Options.MaxParallelism is %d: want 0 to %d: %w", ErrInvalid, o.MaxParallelism, state.MaxKeyGroups, ErrInvalidOption)
	}
	if o.MaxParallelism > 0 && o.Parallelism > o.MaxParallelism {
		return fmt.Errorf("%w: %w", ErrInvalidOption, errParallelism(o.Parallelism, o.MaxParallelism))
	}
	if o.MaxRestarts < 0 || o.RestartDelay < 0 {
		return fmt.Errorf("%w: Options.MaxRestarts is %d and RestartDelay %v: want 0 or more: %w",
			ErrInvalid, o.MaxRestarts, o.RestartDelay, ErrInvalidOption)
	}
	return nil
}
