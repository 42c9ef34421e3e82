package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errRestore is returned when a job that failed did not go on as it must.
var errRestore = errors.New("the job did not go on from its checkpoints")

// measurement is what a run has shown.
type measurement struct {
	plan     plan
	result   result
	took     time.Duration // from the start of the first process to the last line
	replayed int64         // records that were read again after failures, at least
	cpu      time.Duration // of all processes
	peakRSS  uint64        // bytes, of the largest process; 0 if unknown

	checkpoints []completed
	restores    []restored // the first one is the beginning
}

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

// goneOn are the restores but for the beginning.
func (m measurement) goneOn() []restored { return m.restores[min(1, len(m.restores)):] }

// slowestRestore is the longest time that a restore took, 0 if there was none.
func (m measurement) slowestRestore() (slowest time.Duration) {
	for _, from := range m.goneOn() {
		slowest = max(slowest, from.Took)
	}
	return slowest
}

// checkpointBytes and checkpointTime are medians, 0 of none.
func (m measurement) checkpointBytes() int64 {
	return median(m.checkpoints, func(c completed) int64 { return c.Bytes })
}

func (m measurement) checkpointTime() time.Duration {
	return median(m.checkpoints, func(c completed) time.Duration { return c.Took })
}

// pauses are those of all subtasks in all checkpoints.
func (m measurement) pauses() (all []time.Duration) {
	for _, c := range m.checkpoints {
		all = append(all, c.Pauses...)
	}
	return all
}

// pause returns a percentile of the pauses; ok is false if there are fewer of them
// than enough.
func (m measurement) pause(percent, enough int) (p time.Duration, ok bool) {
	return percentile(m.pauses(), percent, enough)
}

// rate is in records of the input a second: those that were read again, and the
// time for failures and restores, count against it.
func (m measurement) rate() float64 {
	return float64(m.plan.deck.total()) / max(m.took, 1).Seconds()
}
