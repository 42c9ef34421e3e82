package harness

import (
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/snapshot"
)

// jobName is the name of the job and of the directory of its checkpoints.
const jobName = "bench"

// errOnPurpose is the error of subtasks that the child makes fail.
var errOnPurpose = errors.New("failed on purpose")

// positionPeriod is the time between two reports of the position.
const positionPeriod = 20 * time.Millisecond

// childRun is the state of a child; it is lost when the child is killed. It follows the
// attempts of the graph that runs, and makes them fail.
//
// Thread safety: safe for concurrent use, once the request is read.
type childRun struct {
	request request
	limit   dataset.ReadLimit

	mu          sync.Mutex
	out         *json.Encoder
	killed      bool           // the parent causes the failure
	failures    []failurePoint // still to come
	checkpoints int            // complete in the attempt under way
}

func newChildRun(out io.Writer) *childRun { return &childRun{out: json.NewEncoder(out)} }

// options returns the options of the job.
func (c *childRun) options(preset *weir.Preset, g graphRequest) job.Options {
	o := job.Options{
		Name:         jobName,
		Open:         preset.Open,
		Parallelism:  g.Parallelism,
		Snapshot:     snapshot.Options{Compression: c.request.Compression, Synchronous: preset.Synchronous, Mode: preset.Mode},
		MaxRestarts:  max(len(g.Failures)-1, 0),
		OnCheckpoint: c.onCheckpoint,
		OnRestore:    func(r job.RestoreReport) { c.onRestore(r, g.Parallelism) },
	}
	if c.request.CheckpointEvery > 0 {
		o.Checkpoints = checkpoint.Options{Storage: preset.Storage, Interval: c.request.CheckpointEvery}
	}
	return o
}

// prepare sets the read limit for a graph.
func (c *childRun) prepare(g graphRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed, c.failures = g.Killed, g.Failures
	if len(c.failures) > 0 {
		c.limit.Set(c.request.Dataset, c.failures[0].begin)
	} else {
		c.limit.Lift()
	}
}

// onRestore reports the beginning of an attempt.
func (c *childRun) onRestore(r job.RestoreReport, parallelism int) {
	m := Restored{Checkpoint: uint64(r.Checkpoint), Offset: r.Offset, Parallelism: parallelism, Took: r.Took}
	for _, reason := range r.Skipped {
		m.Skipped = append(m.Skipped, reason.Error())
	}
	if r.Cause != nil && !errors.Is(r.Cause, errOnPurpose) {
		m.Cause = r.Cause.Error()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checkpoints = 0
	c.send(message{Restored: &m})
}

// onCheckpoint reports a complete checkpoint.
func (c *childRun) onCheckpoint(r job.CheckpointReport) {
	if r.Err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checkpoints++
	if len(c.failures) > 0 && c.checkpoints == minCheckpoints {
		c.limit.Set(c.request.Dataset, c.failures[0].end)
	}
	c.send(message{Checkpoint: &Completed{uint64(r.ID), r.Bytes, r.Took, r.Pauses}})
}

// watch reports the position, and makes subtasks fail at the failure points.
func (c *childRun) watch(running *job.Running, stop <-chan struct{}) {
	ticker := time.NewTicker(positionPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
		if c.tick() {
			running.Fail(errOnPurpose)
		}
	}
}

// tick reports the position. It returns true if the job is to fail now.
func (c *childRun) tick() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send(message{})
	if c.killed || len(c.failures) == 0 || !c.failures[0].isReached(c.request.Dataset, c.checkpoints, c.limit.Position()) {
		return false
	}
	// The limit stays after the last failure: the job must not end before it fails.
	if c.failures = c.failures[1:]; len(c.failures) > 0 {
		c.limit.Set(c.request.Dataset, c.failures[0].begin)
	}
	return true
}

// finish writes the last message.
func (c *childRun) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.send(message{Error: err.Error()})
	} else {
		c.send(message{Done: true})
	}
}

// send writes a message with the position. The lock is held. An error is ignored: a
// parent that does not read is about to end the child.
func (c *childRun) send(m message) {
	m.Position = c.limit.Position()
	_ = c.out.Encode(m)
}
