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

// planRun is a plan that is being executed.
type planRun struct {
	plan     Plan
	progress func(records int64, restores int) // may be nil
	begun    time.Time
	measured Measurement

	// Since the last start of the job.
	reached     int64 // records
	checkpoints int   // complete
}

// Measure executes the plan. It calls progress, unless it is nil, with the position in the
// input, in records, and the number of restores until then.
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
		return fmt.Errorf("the job started %d times, want %d: %w", starts, r.plan.Starts(), ErrRestore)
	}
	r.measured.Result, err = results.Read(r.plan.resultFiles()...)
	return err
}

// runProcess runs a process until it has executed its graphs, or is killed.
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
			err = r.note(m)
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
			return p.kill(r.note)
		}
	}
}

// note adds a message to the measurement. It returns ErrRestore for a restore from any
// other checkpoint than the newest.
func (r *planRun) note(m message) error {
	if m.Checkpoint != nil {
		r.checkpoints++
		r.measured.Checkpoints = append(r.measured.Checkpoints, *m.Checkpoint)
	}
	if m.Restored != nil {
		if err := r.begin(*m.Restored); err != nil {
			return err
		}
	}
	// A restarted job sends lower positions before it reports that it was restored.
	r.reached = max(r.reached, m.Position)
	if r.progress != nil {
		r.progress(r.reached, max(len(r.measured.Restores)-1, 0))
	}
	return nil
}

// begin notes a start of the job. A job that has failed must continue from the newest
// checkpoint, one that was taken since the start before.
func (r *planRun) begin(from Restored) error {
	before := len(r.measured.Restores)
	switch {
	case from.Cause != "":
		return fmt.Errorf("%w: it failed without being made to: %s", ErrRestore, from.Cause)
	case len(from.Skipped) > 0:
		return fmt.Errorf("%w: it skipped a checkpoint: %s", ErrRestore, from.Skipped[0])
	case before == 0 && from.Checkpoint != 0:
		return fmt.Errorf("%w: its first start was from checkpoint %d", ErrRestore, from.Checkpoint)
	case before > 0 && (r.checkpoints < minCheckpoints || from.Offset <= 0 || !r.isNewest(from.Checkpoint)):
		return fmt.Errorf("%w: %d checkpoints since the last failure, restored checkpoint %d at record %d",
			ErrRestore, r.checkpoints, from.Checkpoint, from.Offset)
	case before > 0:
		r.measured.Replayed += r.reached - from.Offset
	}
	r.checkpoints, r.reached = 0, from.Offset
	r.measured.Restores = append(r.measured.Restores, from)
	return nil
}

// isNewest reports whether a checkpoint is the last one that was reported or a later one,
// which was complete before it could be reported.
func (r *planRun) isNewest(id uint64) bool {
	all := r.measured.Checkpoints
	return len(all) > 0 && id >= all[len(all)-1].ID
}
