package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// restoredCheckpoint is the checkpoint that an attempt restores. All subtasks of the attempt
// read their parts from this one value.
//
// The problem: a job may restart with another number of subtasks, but the checkpoint has one
// part per old subtask. Each kind of node solves it in its own way:
//
//	node       part of a subtask              redistribution
//	source     positions of its partitions    every new subtask reads the positions of all
//	                                          parts and takes partitions p ≡ subtask (mod parallelism)
//	operator   handle: rows of its key        every new subtask gets all handles and loads the
//	           groups; watermark              rows of its own key groups; lowest watermark of all
//	sink       data of Sink.Snapshot          a sink has one subtask: no redistribution
//
// Keys never move between key groups: the group of a key depends on the hash of the key and on
// the number of groups, which is fixed for the lifetime of the job. Only the ranges of groups
// per subtask change, for example from two subtasks to three with 12 groups:
//
//	old     |0 . . . . 5|6 . . . . 11|         part 0, part 1
//	new     |0 . . 3|4 . . . 7|8 . . 11|       subtask 1 loads 4, 5 from part 0 and 6, 7 from part 1
//
// Invariant: every position, row, watermark and sink position comes from the same checkpoint.
// Positions newer than the state would lose elements; older ones would count them twice.
//
// Invariant: the parts of an operator cover each key group exactly once; snapshot.Restore
// checks it and returns snapshot.ErrCoverage otherwise.
//
// An error that another checkpoint may not have, such as a missing file, is marked as damage
// (see damagedError); the job then falls back to an older checkpoint.
//
// Thread safety: safe for concurrent use.
type restoredCheckpoint struct {
	checkpoint *checkpoint.Checkpoint // nil if the job begins from the first element
	source     snapshot.Source
}

// id returns the ID of the checkpoint, or 0.
func (r restoredCheckpoint) id() checkpoint.ID {
	if r.checkpoint == nil {
		return 0
	}
	return r.checkpoint.ID
}

// parts returns the parts of the subtasks of a source, operator or sink.
func (r restoredCheckpoint) parts(operator string) []checkpoint.Part {
	if r.checkpoint == nil {
		return nil
	}
	for _, o := range r.checkpoint.Operators {
		if o.Name == operator {
			return o.Parts
		}
	}
	return nil
}

// handles returns the snapshot handles of all subtasks of a keyed operator.
func (r restoredCheckpoint) handles(operator string) ([]snapshot.Handle, error) {
	var handles []snapshot.Handle
	for _, part := range r.parts(operator) {
		if part.Handle == nil {
			return nil, ErrKind
		}
		handles = append(handles, *part.Handle)
	}
	return handles, nil
}

// watermark returns the watermark of a keyed operator, or math.MinInt64 if it is unknown.
// All subtasks had the same watermark at the barrier, since they have the same senders, and
// each sender sends its watermarks to all of them. If they ever differed, the lowest would be
// the safe choice: it makes no element late that was not late for its subtask.
func (r restoredCheckpoint) watermark(operator string) (int64, error) {
	parts := r.parts(operator)
	if len(parts) == 0 {
		return math.MinInt64, nil
	}
	lowest := int64(math.MaxInt64)
	for _, part := range parts {
		watermark, err := decodeWatermark(part.Data)
		if err != nil {
			return 0, markDamaged(err)
		}
		lowest = min(lowest, watermark)
	}
	return lowest, nil
}

// load restores the key groups of b from the handles of all old subtasks.
func (r restoredCheckpoint) load(ctx context.Context, b snapshot.Backend, handles []snapshot.Handle, allowUnclaimed bool) error {
	_, err := snapshot.Restore(ctx, b, r.source, handles, snapshot.RestoreOptions{AllowUnclaimed: allowUnclaimed})
	if err != nil && !errors.As(err, new(*checkpoint.SourceError)) {
		err = fmt.Errorf("checkpoint %d: %w", r.id(), err)
	}
	return markDamaged(err)
}

// positions returns the positions of a source's partitions by number. A partition without a
// position in the checkpoint is at its beginning.
func (r restoredCheckpoint) positions(source string, partitions int) ([]position, error) {
	all := make([]position, partitions)
	for i := range all {
		all[i] = position{number: i, newest: math.MinInt64}
	}
	seen := make([]bool, partitions)
	err := r.eachPosition(source, func(p position) error {
		if p.number >= partitions {
			return fmt.Errorf("the checkpoint has partition %d, and the source has %d partitions: %w", p.number, partitions, ErrPartition)
		}
		if seen[p.number] {
			return markDamaged(fmt.Errorf("two positions of partition %d: %w", p.number, checkpoint.ErrCorrupt))
		}
		all[p.number], seen[p.number] = p, true
		return nil
	})
	return all, err
}

// offset returns the number of records that all sources had read. It ignores errors: the
// source subtasks decoded the same positions without one.
func (r restoredCheckpoint) offset(g *Graph) (sum int64) {
	for _, n := range g.nodes {
		if n.kind == sourceNode {
			_ = r.eachPosition(n.name, func(p position) error {
				sum += p.records
				return nil
			})
		}
	}
	return sum
}

// eachPosition calls yield with every position in the parts of a source.
func (r restoredCheckpoint) eachPosition(source string, yield func(position) error) error {
	for _, part := range r.parts(source) {
		if part.Handle != nil {
			return ErrKind
		}
		if err := decodePositions(part.Data, yield); err != nil {
			return markDamaged(err)
		}
	}
	return nil
}

// sinkData returns the data of Sink.Snapshot, or nil if the checkpoint has no such sink.
func (r restoredCheckpoint) sinkData(name string) ([]byte, error) {
	parts := r.parts(name)
	switch {
	case len(parts) == 0:
		return nil, nil
	case len(parts) > 1 || parts[0].Handle != nil:
		return nil, ErrKind
	}
	data, err := cutKind(sinkKind, parts[0].Data)
	return slices.Clip(data), markDamaged(err)
}

// maxParallelism returns the number of key groups in the checkpoint, or 0 if it has no keyed
// operator.
func (r restoredCheckpoint) maxParallelism() int {
	if r.checkpoint == nil {
		return 0
	}
	for _, o := range r.checkpoint.Operators {
		for _, part := range o.Parts {
			if part.Handle != nil {
				return part.Handle.Keyspace.MaxParallelism
			}
		}
	}
	return 0
}

// damagedError marks an error of the files or the data of a checkpoint: another checkpoint
// may restore without it.
type damagedError struct{ error }

// Unwrap returns the error.
func (e damagedError) Unwrap() error { return e.error }

// markDamaged returns err as a damagedError if err tells that the checkpoint is damaged. A
// file of the checkpoint that is missing, or that is not a regular file, is damage.
func markDamaged(err error) error {
	var file *checkpoint.SourceError
	missing := errors.As(err, &file) && isOneOf(file, fs.ErrNotExist, snapshot.ErrNotRegular)
	if missing || isOneOf(err, snapshot.ErrCorrupt, snapshot.ErrMismatch, snapshot.ErrCoverage,
		state.ErrCorrupt, checkpoint.ErrCorrupt) {
		return damagedError{err}
	}
	return err
}

// isDamaged reports whether err is a damagedError.
func isDamaged(err error) bool { return errors.As(err, new(damagedError)) }

// isFinal reports whether a restart would fail with the same error: the program does not
// match its checkpoint, or no checkpoint can be restored.
func isFinal(err error) bool {
	return isOneOf(err, ErrInvalid, ErrKind, ErrPartition, ErrParallelism,
		checkpoint.ErrOperator, checkpoint.ErrNotRestorable, checkpoint.ErrInvalidOption, checkpoint.ErrLockLost,
		checkpoint.ErrTooLarge, checkpoint.ErrInvalid, checkpoint.ErrFrameTooLarge, checkpoint.ErrMemoryFull,
		checkpoint.ErrVersion, snapshot.ErrVersion, snapshot.ErrFormat,
		state.ErrUnknownState, state.ErrIncompatible, state.ErrStateCollision, state.ErrMaxParallelism)
}

func isOneOf(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
