package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstate/weir/snapshot"
)

// plan is one run of the job over the input: one row of the table.
type plan struct {
	backend backendKind
	input   string // path
	flights int64  // to be read of it

	// dropAt is the number of flights after which the backends are dropped, or
	// later, when there is a snapshot to go back to. 0 is never, and no
	// snapshots are taken.
	dropAt    int64
	dir       string // of the snapshots
	every     time.Duration
	snapshots snapshot.Options

	// pollFlights is how many flights are processed between two looks at the
	// clock and at the running snapshot.
	pollFlights int
}

// defaultPollFlights is less than a millisecond's work.
const defaultPollFlights = 256

func (p plan) String() string {
	if p.dropAt > 0 {
		return "dropped, restored"
	}
	return "uninterrupted"
}

// measurement is what a run has shown.
type measurement struct {
	plan     plan
	result   result
	digest   string        // of the result
	took     time.Duration // the whole run, to the last report
	replayed int64         // flights that were read a second time
	restored time.Duration // to open the backends again and load them
	peakHeap uint64        // bytes

	snapshots int // complete
	pauses    []time.Duration
	last      *jobSnapshot // nil if there is none
}

// run is a plan under way.
type run struct {
	plan      plan
	bar       *progress
	job       *job
	snapshots *snapshots // nil if none are taken
	days      dayReports
	at        int64 // flights read
	measured  measurement
}

// measure carries the plan out. It leaves no file in the directory.
func (p plan) measure(ctx context.Context, bar *progress) (m measurement, err error) {
	r := &run{plan: p, bar: bar, measured: measurement{plan: p}}
	peak := watchHeap()
	defer func() {
		err = errors.Join(err, r.close())
		m.peakHeap = peak()
	}()
	begun := time.Now()
	if err := r.execute(ctx); err != nil {
		return m, fmt.Errorf("%s, %v: %w", p.backend.name, p, err)
	}
	m = r.measured
	m.took = time.Since(begun)
	m.digest = m.result.digest()
	if s := r.snapshots; s != nil {
		m.snapshots, m.pauses, m.last = s.count, s.pauses, s.complete
	}
	return m, nil
}

func (r *run) execute(ctx context.Context) (err error) {
	if r.job, err = newJob(r.plan.backend.open, &r.days); err != nil {
		return err
	}
	if r.plan.dropAt > 0 {
		if err := r.failHalfWay(ctx); err != nil {
			return err
		}
	}
	if err := r.process(ctx, func() bool { return false }); err != nil {
		return err
	}
	origins, err := r.job.finish()
	r.measured.result = result{days: r.days.all, origins: origins}
	return err
}

// failHalfWay processes flights until the backends are to be dropped, drops
// them, and makes the job ready to go on from the last snapshot.
func (r *run) failHalfWay(ctx context.Context) (err error) {
	p := r.plan
	if r.snapshots, err = newSnapshots(p.dir, p.every, p.snapshots); err != nil {
		return err
	}
	if err := r.process(ctx, r.mayDrop); err != nil {
		return err
	}
	if err := r.snapshots.awaitFirst(); err != nil {
		return err
	}
	if !r.mayDrop() {
		return errNothingToRestore
	}
	if err := r.drop(); err != nil {
		return err
	}
	return r.restore(ctx)
}

// mayDrop says whether the place to drop is reached and there is a snapshot of
// an earlier one, or will be.
func (r *run) mayDrop() bool {
	oldest := cmp.Or(r.snapshots.complete, r.snapshots.running)
	return r.at >= r.plan.dropAt && oldest != nil && oldest.at.flights < r.at
}

// process reads flights, from where the run is, to the end or until stop.
func (r *run) process(ctx context.Context, stop func() bool) error {
	for flights, err := range flightsOf(ctx, r.plan.input, r.at, r.plan.flights) {
		if err != nil {
			return err
		}
		for len(flights) > 0 {
			some := flights[:min(r.plan.pollFlights, len(flights))]
			flights = flights[len(some):]
			if err := r.processSome(ctx, some); err != nil {
				return err
			}
			if stop() {
				return nil
			}
		}
	}
	return nil
}

func (r *run) processSome(ctx context.Context, flights []flight) error {
	for _, f := range flights {
		if err := r.job.process(f); err != nil {
			return err
		}
	}
	r.at += int64(len(flights))
	r.bar.set(r.at)
	if r.snapshots == nil {
		return nil
	}
	return r.snapshots.poll(ctx, r.job, position{r.at, len(r.days.all)})
}

// drop loses all state, and a snapshot that is not complete.
func (r *run) drop() error {
	err := errors.Join(r.snapshots.abandon(), r.job.close())
	r.job = nil
	return err
}

// restore puts the job, the reports and the place in the input back to where
// they were at the last snapshot.
func (r *run) restore(ctx context.Context) (err error) {
	begun := time.Now()
	if r.job, err = newJob(r.plan.backend.open, &r.days); err != nil {
		return err
	}
	at, err := r.snapshots.restore(ctx, r.job)
	if err != nil {
		return err
	}
	r.days.truncate(at.reports)
	r.measured.restored = time.Since(begun)
	r.measured.replayed = r.at - at.flights
	r.at = at.flights
	r.bar.say("restored")
	return nil
}

// close gives back what the run holds, however it ended.
func (r *run) close() (err error) {
	if r.snapshots != nil {
		err = errors.Join(r.snapshots.abandon(), r.snapshots.remove(r.snapshots.complete))
	}
	if r.job != nil {
		err = errors.Join(err, r.job.close())
	}
	return err
}
