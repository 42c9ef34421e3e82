package main

import (
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/snapshot"
)

// jobName is also the name of the folder of its checkpoints.
const jobName = "bench"

// errOnPurpose is why subtasks fail that were told to.
var errOnPurpose = errors.New("failed on purpose")

// positionPeriod is how often a child says how far it is.
const positionPeriod = 20 * time.Millisecond

// life is all that a child knows, and what is lost when it is killed. It follows
// the attempts of the graph that runs, and sees to their failures.
//
// Thread safety: safe for concurrent use, once there is an order.
type life struct {
	order order
	gate  gate

	mu          sync.Mutex
	out         *json.Encoder
	killed      bool           // failures are the parent's work
	failures    []failurePoint // left to the graph
	checkpoints int            // complete in the attempt under way
}

func newLife(out io.Writer) *life { return &life{out: json.NewEncoder(out)} }

// options returns those of the job.
func (l *life) options(preset *weir.Preset, g graphOrder) job.Options {
	o := job.Options{
		Name:         jobName,
		Open:         preset.Open,
		Parallelism:  g.Parallelism,
		Snapshot:     snapshot.Options{Compression: l.order.Compression, Synchronous: preset.Synchronous, Mode: preset.Mode},
		MaxRestarts:  max(len(g.Failures)-1, 0),
		OnCheckpoint: l.onCheckpoint,
		OnRestore:    func(r job.RestoreReport) { l.onRestore(r, g.Parallelism) },
	}
	if l.order.CheckpointEvery > 0 {
		o.Checkpoints = checkpoint.Options{Storage: preset.Storage, Interval: l.order.CheckpointEvery}
	}
	return o
}

// prepare makes the gate ready for a graph.
func (l *life) prepare(g graphOrder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killed, l.failures = g.Killed, g.Failures
	if len(l.failures) > 0 {
		l.gate.narrow(l.order.Deck, l.failures[0].begin)
	} else {
		l.gate.open()
	}
}

// onRestore takes note of the beginning of an attempt.
func (l *life) onRestore(r job.RestoreReport, parallelism int) {
	m := restored{Checkpoint: uint64(r.Checkpoint), Offset: r.Offset, Parallelism: parallelism, Took: r.Took}
	for _, reason := range r.Skipped {
		m.Skipped = append(m.Skipped, reason.Error())
	}
	if r.Cause != nil && !errors.Is(r.Cause, errOnPurpose) {
		m.Cause = r.Cause.Error()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checkpoints = 0
	l.send(message{Restored: &m})
}

// onCheckpoint takes note of a complete checkpoint.
func (l *life) onCheckpoint(r job.CheckpointReport) {
	if r.Err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checkpoints++
	if len(l.failures) > 0 && l.checkpoints == minCheckpoints {
		l.gate.narrow(l.order.Deck, l.failures[0].end)
	}
	l.send(message{Checkpoint: &completed{uint64(r.ID), r.Bytes, r.Took, r.Pauses}})
}

// watch tells how far the job is, and makes subtasks fail when it is time.
func (l *life) watch(running *job.Running, stop <-chan struct{}) {
	ticker := time.NewTicker(positionPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
		if l.tick() {
			running.Fail(errOnPurpose)
		}
	}
}

// tick says whether it is time to fail.
func (l *life) tick() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.send(message{})
	if l.killed || len(l.failures) == 0 || !l.failures[0].isReached(l.order.Deck, l.checkpoints, l.gate.position()) {
		return false
	}
	// The gate stays shut after the last failure: the job must not end before
	// it has heard of it.
	if l.failures = l.failures[1:]; len(l.failures) > 0 {
		l.gate.narrow(l.order.Deck, l.failures[0].begin)
	}
	return true
}

// finish writes the last message.
func (l *life) finish(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.send(message{Error: err.Error()})
	} else {
		l.send(message{Done: true})
	}
}

// send writes a message with the position. A parent that does not listen is
// about to end the child. The lock is held.
func (l *life) send(m message) {
	m.Position = l.gate.position()
	_ = l.out.Encode(m)
}
