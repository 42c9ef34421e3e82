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

// jobName is the default name of the job and of the directory of its checkpoints.
const jobName = "bench"

// errOnPurpose is the error with which the child makes subtasks fail.
var errOnPurpose = errors.New("failed on purpose")

// positionPeriod is the time between two position messages.
const positionPeriod = 20 * time.Millisecond

// childRun runs the graphs of one request in a child process. It reports restores,
// checkpoints and the position to the parent, and makes attempts fail at their failure points.
//
// Thread safety: safe for concurrent use after the request was read.
type childRun struct {
	request request
	limit   dataset.ReadLimit

	mu          sync.Mutex
	out         *json.Encoder
	killed      bool           // the parent will kill this process at the failure point
	failures    []failurePoint // not reached yet
	checkpoints int            // complete checkpoints of the current attempt
}

func newChildRun(out io.Writer) *childRun { return &childRun{out: json.NewEncoder(out)} }

// options returns the job options for a graph.
func (c *childRun) options(preset *weir.Preset, g graphRequest) job.Options {
	o := job.Options{
		Name:               c.request.Job,
		Open:               preset.Open,
		Parallelism:        g.Parallelism,
		Snapshot:           snapshot.Options{Compression: c.request.Compression, Synchronous: preset.Synchronous, Mode: preset.Mode},
		MaxRestarts:        max(len(g.Failures)-1, 0),
		OnCheckpoint:       c.onCheckpoint,
		OnRestore:          func(r job.RestoreReport) { c.onRestore(r, g.Parallelism) },
		DiscardCheckpoints: g.Discard,
	}
	if c.request.CheckpointEvery > 0 {
		o.Checkpoints = checkpoint.Options{Storage: preset.Storage, Interval: c.request.CheckpointEvery}
	}
	return o
}

// prepare sets the failures and the read limit of a graph.
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

// onRestore sends the message that an attempt has started.
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

// onCheckpoint sends a message for a complete checkpoint. Once there are enough checkpoints it
// lets the sources read to the end of the eighth in which the job must fail.
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

// watch sends the position periodically, and makes the subtasks fail at the failure points.
// It returns when stop is closed.
func (c *childRun) watch(running *job.Running, stop <-chan struct{}) {
	ticker := time.NewTicker(positionPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
		if c.sendPosition() {
			running.Fail(errOnPurpose)
		}
	}
}

// sendPosition sends the position and reports whether the job must fail now.
func (c *childRun) sendPosition() (mustFail bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send(message{})
	if c.killed || len(c.failures) == 0 || !c.failures[0].isReached(c.request.Dataset, c.checkpoints, c.limit.Position()) {
		return false
	}
	// After the last failure point the limit stays set: otherwise the job could reach the
	// end of the input before it fails.
	if c.failures = c.failures[1:]; len(c.failures) > 0 {
		c.limit.Set(c.request.Dataset, c.failures[0].begin)
	}
	return true
}

// finish sends the last message.
func (c *childRun) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.send(message{Error: err.Error()})
	} else {
		c.send(message{Done: true})
	}
}

// send writes a message with the current position. The caller holds the mutex. Errors are
// ignored: they mean that the parent has ended, and then this process exits.
func (c *childRun) send(m message) {
	m.Position = c.limit.Position()
	_ = c.out.Encode(m)
}
