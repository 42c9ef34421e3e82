// Package loadjob is a small job for measurements: its subtasks hold random values of 1 KiB by number, and its
// caller writes values and takes checkpoints when it likes. It knows the coordinator and presets, and no
// store.
package loadjob

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

const (
	// ValueBytes is the size of a value. The values are random and cannot be compressed.
	ValueBytes = 1 << 10
	// keyGroups is the number of key groups of the job.
	keyGroups = 128
	operator  = "values"
	jobName   = "load"
)

// Job is the job with its coordinator.
//
// Thread safety: one goroutine.
type Job struct {
	preset      *weir.Preset
	coordinator *checkpoint.Coordinator
	attempt     *checkpoint.Attempt
	subtasks    []*subtask
	failed      atomic.Pointer[error] // the reason of a failed checkpoint
}

// subtask has the values of some key groups.
type subtask struct {
	backend snapshot.Backend
	keyed   *state.Keyed[int64]
	values  state.ValueState[[]byte]
}

// Open starts the job with n subtasks on the preset that a URL names, and restores its newest
// checkpoint if there is one.
func Open(ctx context.Context, url string, n int) (j *Job, err error) {
	j = &Job{}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.Close())
		}
	}()
	if j.preset, err = weir.Open(ctx, url); err != nil {
		return j, err
	}
	j.coordinator, err = checkpoint.NewCoordinator(ctx, checkpoint.Options{Job: jobName, Storage: j.preset.Storage})
	if err != nil {
		return j, err
	}
	j.attempt, err = j.coordinator.Begin(ctx, tasks{j}, []checkpoint.Subtasks{{Operator: operator, Parallelism: n}})
	if err != nil {
		return j, err
	}
	for i := range n {
		s, err := j.newSubtask(i, n)
		if err != nil {
			return j, err
		}
		j.subtasks = append(j.subtasks, s)
	}
	return j, j.each(func(s *subtask) error { return j.attempt.Restore(ctx, s.backend, operator) })
}

func (j *Job) newSubtask(i, n int) (s *subtask, err error) {
	s = &subtask{}
	if s.backend, err = j.preset.Open(state.Options{Keyspace: state.SubtaskKeyspace(i, n, keyGroups)}); err != nil {
		return nil, err
	}
	if s.keyed, err = state.NewKeyed(s.backend, codec.Int[int64]()); err != nil {
		return nil, errors.Join(err, s.backend.Close())
	}
	s.values, err = state.ValueOf(s.keyed, state.ValueDescriptor[[]byte]{Name: "value", Codec: codec.Bytes()})
	if err != nil {
		return nil, errors.Join(err, s.backend.Close())
	}
	return s, nil
}

// each calls f for all subtasks at the same time.
func (j *Job) each(f func(*subtask) error) error {
	errs := make([]error, len(j.subtasks))
	var wait sync.WaitGroup
	for i, s := range j.subtasks {
		wait.Go(func() { errs[i] = f(s) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// Write writes the values from one number up to another. seed selects their content.
func (j *Job) Write(from, to int64, seed uint64) error {
	n := len(j.subtasks)
	work := make([][]int64, n)
	for key := from; key < to; key++ {
		group, err := state.KeyGroupOf(codec.Int[int64](), key, keyGroups)
		if err != nil {
			return err
		}
		at := state.SubtaskOf(group, n, keyGroups)
		work[at] = append(work[at], key)
	}
	return j.each(func(s *subtask) error {
		for _, key := range work[slices.Index(j.subtasks, s)] {
			if err := s.keyed.SetKey(key); err != nil {
				return err
			}
			if err := s.values.Set(valueOf(key, seed)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Check returns an error unless the values of Write are there.
func (j *Job) Check(from, to int64, seed uint64) error {
	for key := from; key < to; key++ {
		group, err := state.KeyGroupOf(codec.Int[int64](), key, keyGroups)
		if err != nil {
			return err
		}
		s := j.subtasks[state.SubtaskOf(group, len(j.subtasks), keyGroups)]
		if err := s.keyed.SetKey(key); err != nil {
			return err
		}
		got, ok, err := s.values.Get()
		if err != nil {
			return err
		}
		if !ok || string(got) != string(valueOf(key, seed)) {
			return fmt.Errorf("value %d is not the one that was written", key)
		}
	}
	return nil
}

// valueOf returns the value with a number.
func valueOf(key int64, seed uint64) []byte {
	var s [32]byte
	binary.LittleEndian.PutUint64(s[:], uint64(key))
	binary.LittleEndian.PutUint64(s[8:], seed)
	value := make([]byte, ValueBytes)
	_, _ = rand.NewChaCha8(s).Read(value) // never fails
	return value
}

// Checkpoint takes a checkpoint and waits until it is complete.
func (j *Job) Checkpoint(ctx context.Context) (checkpoint.Stats, error) {
	stats, err := j.attempt.TriggerAndWait(ctx)
	if reason := j.failed.Load(); err != nil && reason != nil {
		err = errors.Join(err, *reason)
	}
	return stats, err
}

// Close waits until older checkpoints are removed and ends the job. The newest checkpoint stays.
func (j *Job) Close() error {
	var err error
	if j.coordinator != nil {
		err = j.coordinator.Close()
	}
	err = errors.Join(err, j.each(func(s *subtask) error { return s.backend.Close() }))
	if j.preset != nil {
		err = errors.Join(err, j.preset.Close())
	}
	return err
}

// Discard ends the job and removes its checkpoints.
func (j *Job) Discard(ctx context.Context) error {
	j.attempt.End()
	return errors.Join(j.coordinator.Discard(ctx), j.Close())
}

// tasks is the coordinator's view of the job.
type tasks struct{ job *Job }

// Trigger implements checkpoint.Tasks. No subtask works while a checkpoint begins.
func (t tasks) Trigger(c checkpoint.Trigger) {
	for i, s := range t.job.subtasks {
		o := snapshot.Options{Mode: t.job.preset.Mode}
		if _, err := t.job.attempt.Upload(c.ID, operator, i).Snapshot(s.backend, o, nil); err != nil {
			t.job.failed.Store(&err)
		}
	}
}

// Complete implements checkpoint.Tasks.
func (t tasks) Complete(checkpoint.Stats) {}

// Aborted implements checkpoint.Tasks.
func (t tasks) Aborted(_ checkpoint.ID, reason error) { t.job.failed.Store(&reason) }

// Fail implements checkpoint.Tasks.
func (t tasks) Fail(reason error) { t.job.failed.Store(&reason) }
