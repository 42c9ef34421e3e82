package job

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// Options says how a job runs. Name is required, and Open if there are
// operators.
type Options struct {
	// Name of the job, and of its folder in the storage; snapshot.CheckName
	// accepts it.
	Name string
	// Open opens an empty backend; it is called once for each subtask of an
	// operator and attempt, by several goroutines at once.
	Open func(state.Options) (snapshot.Backend, error)
	// Limits are handed to Open. Default: those of package state.
	Limits state.Limits
	// Parallelism is the number of subtasks of sources and operators. Sinks
	// have one. Default 1.
	Parallelism int
	// MaxParallelism is the number of key groups. Default: that of the
	// checkpoint restored from, else state.DefaultMaxParallelism.
	MaxParallelism int

	// Checkpoints says where they go and when they are taken; its Job and
	// Logger are set by this Name and Logger. Without a Storage there are no
	// checkpoints, and a restart begins anew.
	Checkpoints checkpoint.Options
	// DiscardCheckpoints removes all checkpoints when the job has finished or
	// is canceled, but not before it has begun; that takes the storage's time, also
	// after the end of the context. Default false: they are retained.
	DiscardCheckpoints bool
	// Snapshot says how the subtasks' snapshots are written. Its Name is set by
	// the job.
	Snapshot snapshot.Options

	// MaxRestarts is how often the job restarts after a failure before it gives
	// up. A failure that a restart cannot mend, such as an operator that the
	// checkpoint has and the job has not, ends it at once. To pass over a
	// damaged checkpoint for an older one is no restart. Default 0.
	MaxRestarts int
	// RestartDelay is the time before a restart. Default 0.
	RestartDelay time.Duration

	// OnCheckpoint is called when a checkpoint has ended, OnRestore when all
	// subtasks of an attempt have begun or gone back to a checkpoint. They
	// must return soon; they are called one at a time. Default: nothing.
	OnCheckpoint func(CheckpointReport)
	OnRestore    func(RestoreReport)
	// Logger is told what a user of the job should know. Default: discards.
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

// check returns ErrInvalid for options, with their defaults, that make no
// sense.
func (o Options) check() error {
	if err := snapshot.CheckName(o.Name); err != nil {
		return fmt.Errorf("%w: its name: %w", ErrInvalid, err)
	}
	if o.Parallelism < 1 || o.Parallelism > state.MaxKeyGroups {
		return fmt.Errorf("%w: parallelism %d is not in 1 to %d", ErrInvalid, o.Parallelism, state.MaxKeyGroups)
	}
	if o.MaxParallelism < 0 || o.MaxParallelism > state.MaxKeyGroups {
		return fmt.Errorf("%w: max parallelism %d is not in 1 to %d", ErrInvalid, o.MaxParallelism, state.MaxKeyGroups)
	}
	if o.MaxParallelism > 0 && o.Parallelism > o.MaxParallelism {
		return errParallelism(o.Parallelism, o.MaxParallelism)
	}
	if o.MaxRestarts < 0 || o.RestartDelay < 0 {
		return fmt.Errorf("%w: restarts %d, after %v", ErrInvalid, o.MaxRestarts, o.RestartDelay)
	}
	return nil
}
