package main

import (
	"errors"
	"math"

	"github.com/weirstate/weir/snapshot"
)

// opener opens an empty backend.
type opener func() (snapshot.Backend, error)

// job is a stream job of two operators: flights that were not seen before are
// counted by origin. Its state is in their backends and nowhere else, so that
// two snapshots and a position in the input are all it takes to go on.
//
// Thread safety: one goroutine, the task's.
type job struct {
	dedup   *dedup
	origins *origins
}

// newJob opens the backends and declares the states on them.
func newJob(open opener, days *dayReports) (*job, error) {
	dedup, err := newDedup(open)
	if err != nil {
		return nil, err
	}
	origins, err := newOrigins(open, days)
	if err != nil {
		return nil, errors.Join(err, dedup.backend.Close())
	}
	return &job{dedup, origins}, nil
}

// operator is a part of the job that has a backend.
type operator struct {
	name    string
	backend snapshot.Backend
}

// operators are always the same, in the same order.
func (j *job) operators() []operator {
	return []operator{{"dedup", j.dedup.backend}, {"origins", j.origins.backend}}
}

// process takes one flight in. What it does follows from the states and the
// flight alone.
func (j *job) process(f flight) error {
	if err := j.origins.advance(f.minute); err != nil {
		return err
	}
	isNew, err := j.dedup.isNew(f)
	if err != nil || !isNew {
		return err
	}
	return j.origins.count(f)
}

// finish ends the last day and returns the totals.
func (j *job) finish() ([]originReport, error) {
	if err := j.origins.advance(math.MaxInt32); err != nil {
		return nil, err
	}
	return j.origins.totals()
}

// close closes the backends; their state is gone.
func (j *job) close() error {
	return errors.Join(j.dedup.backend.Close(), j.origins.backend.Close())
}
