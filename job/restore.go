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

// restored is the checkpoint that an attempt goes back to, as its subtasks see
// it. All of them take their part of this one, and nothing from elsewhere.
//
// Thread safety: safe for concurrent use.
type restored struct {
	checkpoint *checkpoint.Checkpoint // nil: the job begins
	source     snapshot.Source
}

// id is the checkpoint's, 0 if there is none.
func (r restored) id() checkpoint.ID {
	if r.checkpoint == nil {
		return 0
	}
	return r.checkpoint.ID
}

// parts are what the subtasks of an operator left.
func (r restored) parts(operator string) []checkpoint.Part {
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

// handles are those of a keyed operator.
func (r restored) handles(operator string) ([]snapshot.Handle, error) {
	var handles []snapshot.Handle
	for _, part := range r.parts(operator) {
		if part.Handle == nil {
			return nil, ErrKind
		}
		handles = append(handles, *part.Handle)
	}
	return handles, nil
}

// watermark returns the watermark of a keyed operator, math.MinInt64 if that is unknown.
// All subtasks had the same at the barrier: they have the same senders, which tell all of
// them. The lowest one would be right if they had not, since it makes fewer elements late
// than the subtask thought that had another.
func (r restored) watermark(operator string) (int64, error) {
	parts := r.parts(operator)
	if len(parts) == 0 {
		return math.MinInt64, nil
	}
	lowest := int64(math.MaxInt64)
	for _, part := range parts {
		watermark, err := decodeWatermark(part.Data)
		if err != nil {
			return 0, asDamage(err)
		}
		lowest = min(lowest, watermark)
	}
	return lowest, nil
}

// load loads the backend's key groups.
func (r restored) load(ctx context.Context, b snapshot.Backend, handles []snapshot.Handle, allowUnclaimed bool) error {
	_, err := snapshot.Restore(ctx, b, r.source, handles, snapshot.RestoreOptions{AllowUnclaimed: allowUnclaimed})
	if err != nil && !errors.As(err, new(*checkpoint.SourceError)) {
		err = fmt.Errorf("checkpoint %d: %w", r.id(), err)
	}
	return asDamage(err)
}

// positions are those of a source's partitions, by number; where the checkpoint
// has none, a partition is at its beginning.
func (r restored) positions(source string, partitions int) ([]position, error) {
	all := make([]position, partitions)
	for i := range all {
		all[i] = position{number: i, newest: math.MinInt64}
	}
	seen := make([]bool, partitions)
	err := r.eachPosition(source, func(p position) error {
		if p.number >= partitions {
			return fmt.Errorf("partition %d of %d: %w", p.number, partitions, ErrPartition)
		}
		if seen[p.number] {
			return asDamage(fmt.Errorf("partition %d twice: %w", p.number, checkpoint.ErrCorrupt))
		}
		all[p.number], seen[p.number] = p, true
		return nil
	})
	return all, err
}

// offset is the number of records that all sources had read. The positions were
// read before.
func (r restored) offset(g *Graph) (sum int64) {
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

func (r restored) eachPosition(source string, yield func(position) error) error {
	for _, part := range r.parts(source) {
		if part.Handle != nil {
			return ErrKind
		}
		if err := decodePositions(part.Data, yield); err != nil {
			return asDamage(err)
		}
	}
	return nil
}

// sink is what a sink left: nil if there is no checkpoint or the sink is not in
// it.
func (r restored) sink(name string) ([]byte, error) {
	parts := r.parts(name)
	switch {
	case len(parts) == 0:
		return nil, nil
	case len(parts) > 1 || parts[0].Handle != nil:
		return nil, ErrKind
	}
	data, err := dataOf(sinkData, parts[0].Data)
	return slices.Clip(data), asDamage(err)
}

// maxParallelism is the recorded one, 0 if none is.
func (r restored) maxParallelism() int {
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

// damage marks an error that came from a checkpoint's own files or data.
type damage struct{ error }

// Unwrap returns the error.
func (d damage) Unwrap() error { return d.error }

// asDamage marks an error of a restore that another checkpoint need not have. A file
// that is missing, or is no file, is one if the checkpoint should have it.
func asDamage(err error) error {
	var file *checkpoint.SourceError
	missing := errors.As(err, &file) && isOneOf(file, fs.ErrNotExist, snapshot.ErrNotRegular)
	if missing || isOneOf(err, snapshot.ErrCorrupt, snapshot.ErrMismatch, snapshot.ErrCoverage,
		state.ErrCorrupt, checkpoint.ErrCorrupt) {
		return damage{err}
	}
	return err
}

// isDamage says whether an attempt failed because of its checkpoint.
func isDamage(err error) bool { return errors.As(err, new(damage)) }

// isFinal says that a restart would meet the same error: the program and its
// checkpoint do not go together, or there is none left.
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
