package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errRestore is returned when a job that failed did not go on as it must.
var errRestore = errors.New("the job did not go on from its checkpoints")

// run is a plan under way.
type run struct {
	plan     plan
	progress func(records int64, restores int) // may be nil
	begun    time.Time
	measured measurement

	// Of the life under way.
	reached     int64 // records
	checkpoints int   // complete
}

// measure carries the plan out. While it runs it calls progress, if it is not nil,
// with the number of records read since the beginning of the input and of restores.
func (p plan) measure(ctx context.Context, progress func(records int64, restores int)) (measurement, error) {
	r := &run{plan: p, progress: progress, begun: time.Now(), measured: measurement{plan: p}}
	err := r.execute(ctx)
	if err != nil {
		err = fmt.Errorf("%v: %w", p, err)
	}
	return r.measured, err
}

func (r *run) execute(ctx context.Context) (err error) {
	for _, graphs := range r.plan.processes() {
		if err := r.live(ctx, graphs); err != nil {
			return err
		}
	}
	if lives := len(r.measured.restores); lives != r.plan.lives() {
		return fmt.Errorf("%d lives, not %d: %w", lives, r.plan.lives(), errRestore)
	}
	r.measured.result, err = readResult(r.plan.lines()...)
	return err
}

// live runs a process until it has done what it is to do, or is killed.
func (r *run) live(ctx context.Context, graphs []graphOrder) (err error) {
	p, err := startProcess(ctx, r.plan.order(graphs))
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, p.close())
		r.measured.cpu += p.cpu()
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
			r.measured.took = time.Since(r.begun)
			r.measured.peakRSS = max(r.measured.peakRSS, p.peakRSS())
			return p.finish()
		case graphs[0].Killed && graphs[0].Failures[0].isReached(r.plan.deck, r.checkpoints, m.Position):
			r.measured.peakRSS = max(r.measured.peakRSS, p.peakRSS())
			return p.kill(r.note)
		}
	}
}

// note takes a message in. It returns errRestore for one that must not be.
func (r *run) note(m message) error {
	if m.Checkpoint != nil {
		r.checkpoints++
		r.measured.checkpoints = append(r.measured.checkpoints, *m.Checkpoint)
	}
	if m.Restored != nil {
		if err := r.begin(*m.Restored); err != nil {
			return err
		}
	}
	// A job that goes back says so some time after it has begun to.
	r.reached = max(r.reached, m.Position)
	if r.progress != nil {
		r.progress(r.reached, max(len(r.measured.restores)-1, 0))
	}
	return nil
}

// begin begins a life. A job that has failed must go on from the newest
// checkpoint, which is one of the life before.
func (r *run) begin(from restored) error {
	before := len(r.measured.restores)
	switch {
	case from.Cause != "":
		return fmt.Errorf("%w: it failed by itself: %s", errRestore, from.Cause)
	case len(from.Skipped) > 0:
		return fmt.Errorf("%w: passed over: %s", errRestore, from.Skipped[0])
	case before == 0 && from.Checkpoint != 0:
		return fmt.Errorf("%w: it did not begin at the beginning", errRestore)
	case before > 0 && (r.checkpoints < minCheckpoints || from.Offset <= 0 || !r.isOfThisLife(from.Checkpoint)):
		return fmt.Errorf("%w: %d checkpoints since the last failure, restored checkpoint %d at record %d",
			errRestore, r.checkpoints, from.Checkpoint, from.Offset)
	case before > 0:
		r.measured.replayed += r.reached - from.Offset
	}
	r.checkpoints, r.reached = 0, from.Offset
	r.measured.restores = append(r.measured.restores, from)
	return nil
}

// isOfThisLife says whether a checkpoint is the last one that was reported or a
// later one: it may have been complete before it could be reported.
func (r *run) isOfThisLife(id uint64) bool {
	all := r.measured.checkpoints
	return len(all) > 0 && id >= all[len(all)-1].ID
}
