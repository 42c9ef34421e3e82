package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstate/weir/internal/bench/results"
)

// ErrRestore is returned when a job that failed did not continue from its newest
// checkpoint.
var ErrRestore = errors.New("the job did not continue from its newest checkpoint")

// planRun is one execution of a plan.
type planRun struct {
	plan     Plan
	progress func(records int64, restores int) // may be nil
	begun    time.Time
	measured Measurement

	// Since the last start of the job:
	reached     int64 // highest position, in records
	checkpoints int   // complete checkpoints
}

// Measure executes the plan. If progress is not nil, Measure calls it often, with the number
// of records read and the number of restores so far.
func (p Plan) Measure(ctx context.Context, progress func(records int64, restores int)) (Measurement, error) {
	r := &planRun{plan: p, progress: progress, begun: time.Now(), measured: Measurement{Plan: p}}
	err := r.execute(ctx)
	if err != nil {
		err = fmt.Errorf("%v: %w", p, err)
	}
	return r.measured, err
}

func (r *planRun) execute(ctx context.Context) (err error) {
	for _, graphs := range r.plan.processes() {
		if err := r.runProcess(ctx, graphs); err != nil {
			return err
		}
	}
	if starts := len(r.measured.Restores); starts != r.plan.Starts() {
		return fmt.Errorf("the job started %d times, want %d starts: %w", starts, r.plan.Starts(), ErrRestore)
	}
	r.measured.Result, err = results.Read(r.plan.resultFiles()...)
	return err
}

// runProcess starts a child process, and runs it until it has executed its graphs or has
// reached the point where it must be killed.
func (r *planRun) runProcess(ctx context.Context, graphs []graphRequest) (err error) {
	p, err := startProcess(ctx, r.plan.request(graphs))
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, p.close())
		r.measured.CPU += p.cpu()
	}()
	for {
		m, err := p.next()
		if err == nil {
			err = r.handle(m)
		}
		switch {
		case err != nil:
			return err
		case m.Done:
			r.measured.Took = time.Since(r.begun)
			r.measured.PeakRSS = max(r.measured.PeakRSS, p.peakRSS())
			return p.finish()
		case graphs[0].Killed && graphs[0].Failures[0].isReached(r.plan.Dataset, r.checkpoints, m.Position):
			r.measured.PeakRSS = max(r.measured.PeakRSS, p.peakRSS())
			return p.kill(r.handle)
		}
	}
}

// handle adds a message to the measurement. It returns ErrRestore if the job was restored from
// a checkpoint other than the newest.
func (r *planRun) handle(m message) error {
	if m.Checkpoint != nil {
		r.checkpoints++
		r.measured.Checkpoints = append(r.measured.Checkpoints, *m.Checkpoint)
	}
	if m.Restored != nil {
		if err := r.addStart(*m.Restored); err != nil {
			return err
		}
	}
	// While it is restored, a job sends lower positions: hence the maximum.
	r.reached = max(r.reached, m.Position)
	if r.progress != nil {
		r.progress(r.reached, max(len(r.measured.Restores)-1, 0))
	}
	return nil
}

// addStart adds a start of the job to the measurement. After a failure the job must start from
// the newest checkpoint, and at least minCheckpoints must have completed since its previous
// start.
func (r *planRun) addStart(from Restored) error {
	startsBefore := len(r.measured.Restores)
	switch {
	case from.Cause != "":
		return fmt.Errorf("%w: it failed with an error that was not intended: %s", ErrRestore, from.Cause)
	case len(from.Skipped) > 0:
		return fmt.Errorf("%w: it skipped a checkpoint: %s", ErrRestore, from.Skipped[0])
	case startsBefore == 0 && from.Checkpoint != 0:
		return fmt.Errorf("%w: its first start was from checkpoint %d, want the beginning of the input", ErrRestore, from.Checkpoint)
	case startsBefore > 0 && (r.checkpoints < minCheckpoints || from.Offset <= 0 || !r.isNewest(from.Checkpoint)):
		return fmt.Errorf("%w: %d checkpoints since the previous start, restored checkpoint %d at record %d",
			ErrRestore, r.checkpoints, from.Checkpoint, from.Offset)
	case startsBefore > 0:
		r.measured.Replayed += r.reached - from.Offset
	}
	r.checkpoints, r.reached = 0, from.Offset
	r.measured.Restores = append(r.measured.Restores, from)
	return nil
}

// isNewest reports whether id is the newest checkpoint: the last one that the child has
// reported, or a later one that completed shortly before the failure and was not reported.
func (r *planRun) isNewest(id uint64) bool {
	all := r.measured.Checkpoints
	return len(all) > 0 && id >= all[len(all)-1].ID
}
