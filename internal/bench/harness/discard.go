package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
)

// discardTimeout limits the time to remove the checkpoints of a run, also of a server that does
// not answer.
const discardTimeout = 20 * time.Second

// Discard removes the checkpoints of a run that has failed or was interrupted. A run that has
// reached its end has removed them itself, if the plan has a URL.
func (p Plan) Discard() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), discardTimeout)
	defer cancel()
	defer func() {
		if err != nil {
			err = fmt.Errorf("checkpoints of job %s may be left: %w", p.job(), err)
		}
	}()
	preset, err := weir.Open(ctx, p.preset())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, preset.Close()) }()
	c, err := checkpoint.NewCoordinator(ctx, checkpoint.Options{Job: p.job(), Storage: preset.Storage, AllowUnclaimed: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	// Discard needs an attempt, and an attempt an operator. AllowUnclaimed permits that the
	// operator is not one of the job.
	attempt, err := c.Begin(ctx, noTasks{}, []checkpoint.Subtasks{{Operator: "discard", Parallelism: 1}})
	if err != nil {
		return err
	}
	attempt.End()
	return c.Discard(ctx)
}

// noTasks are the tasks of an attempt that runs no job.
type noTasks struct{}

func (noTasks) Trigger(checkpoint.Trigger)   {}
func (noTasks) Complete(checkpoint.Stats)    {}
func (noTasks) Aborted(checkpoint.ID, error) {}
func (noTasks) Fail(error)                   {}
