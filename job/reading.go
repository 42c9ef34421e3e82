package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/weirstate/weir/checkpoint"
)

// idleWait is the time before partitions that had nothing are asked again.
const idleWait = time.Millisecond

// reading is a subtask of a source: it reads its partitions in turn, a batch at
// a time, and lets a barrier in between two batches.
//
// Thread safety: one goroutine.
type reading[T any] struct {
	attempt  *attempt
	name     string
	subtask  int
	source   PositionSource[T]
	own      bool // its positions are its own
	disorder int64
	out      outlets[T]
	wake     <-chan struct{} // there is a trigger

	partitions []partition[T]
	open       int           // partitions that are not at their end
	passed     checkpoint.ID // the last barrier let in
	watermark  int64
	buffer     []Event[T]
}

type partition[T any] struct {
	position
	reader PositionReader[T] // nil at the end
}

// begin implements task.
func (r *reading[T]) begin(ctx context.Context) error {
	count := r.source.Partitions()
	positions, err := r.attempt.restored.positions(r.name, count)
	if err != nil {
		return err
	}
	r.watermark, r.buffer = math.MinInt64, make([]Event[T], batchEvents)
	for p := r.subtask; p < count; p += r.attempt.parallelism {
		if err := ended(ctx); err != nil {
			return err
		}
		if err := r.openPartition(ctx, positions[p]); err != nil {
			return fmt.Errorf("partition %d after %d elements: %w", p, positions[p].records, err)
		}
	}
	return nil
}

// openPartition opens a partition, unless it has ended.
func (r *reading[T]) openPartition(ctx context.Context, at position) error {
	if at.at != nil && at.own != r.own {
		return fmt.Errorf("its position in the checkpoint counts elements: %t, and the source does: %t: %w", !at.own, !r.own, ErrKind)
	}
	at.own = r.own
	p := partition[T]{position: at}
	if !at.ended {
		var err error
		if p.reader, err = r.source.Open(ctx, at.number, bytes.Clone(at.at)); err != nil {
			return err
		}
		if p.reader == nil {
			return fmt.Errorf("no reader: %w", ErrReader)
		}
		r.open++
	}
	r.partitions = append(r.partitions, p)
	return nil
}

// run implements task.
func (r *reading[T]) run(ctx context.Context) error {
	if err := r.advance(); err != nil { // a restored position has a watermark
		return err
	}
	for next, empty := 0, 0; r.open > 0; next = (next + 1) % len(r.partitions) {
		if err := ended(ctx); err != nil {
			return err
		}
		if err := r.answer(); err != nil {
			return err
		}
		if r.partitions[next].reader == nil {
			continue
		}
		n, err := r.read(ctx, &r.partitions[next])
		if err != nil {
			return err
		}
		if empty++; n > 0 {
			empty = 0
		}
		if empty >= r.open && r.open > 0 {
			if err := r.rest(ctx); err != nil {
				return err
			}
			empty = 0
		}
	}
	return r.stay(ctx)
}

// read reads a batch of a partition and sends it off.
func (r *reading[T]) read(ctx context.Context, p *partition[T]) (n int, err error) {
	n, err = p.reader.Read(ctx, r.buffer)
	if n < 0 || n > len(r.buffer) {
		return 0, fmt.Errorf("partition %d: %d elements in place of at most %d: %w", p.number, n, len(r.buffer), ErrReader)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("partition %d after %d elements: %w", p.number, p.records, err)
	}
	for _, e := range r.buffer[:n] {
		if err := ended(ctx); err != nil {
			return n, err
		}
		p.newest = max(p.newest, e.Time)
		if err := r.out.send(e); err != nil {
			return n, err
		}
	}
	p.records += int64(n)
	r.attempt.records.Add(int64(n))
	if err != nil {
		r.open--
		if err := p.end(); err != nil {
			return n, err
		}
	}
	return n, r.advance()
}

// end notes that a partition is at its end, and closes its reader.
func (p *partition[T]) end() error {
	if err := p.locate(); err != nil {
		return err
	}
	reader := p.reader
	p.ended, p.reader = true, nil
	if err := reader.Close(); err != nil {
		return fmt.Errorf("partition %d: %w", p.number, err)
	}
	return nil
}

// locate takes down where the reader is.
func (p *partition[T]) locate() error {
	if p.reader == nil {
		return nil
	}
	at, err := p.reader.Position()
	if err == nil && len(at) > MaxPositionBytes {
		err = fmt.Errorf("%d bytes, limit %d: %w", len(at), MaxPositionBytes, ErrPosition)
	}
	if err != nil {
		return fmt.Errorf("position of partition %d after %d elements: %w", p.number, p.records, err)
	}
	p.at = append([]byte{}, at...)
	return nil
}

// advance sends the watermark, if it has risen, to which the open partitions
// have come.
func (r *reading[T]) advance() error {
	lowest := int64(math.MaxInt64)
	for _, p := range r.partitions {
		if p.reader != nil {
			lowest = min(lowest, p.newest)
		}
	}
	if r.open == 0 || lowest <= math.MinInt64+r.disorder {
		return nil
	}
	watermark := lowest - r.disorder - 1
	if watermark <= r.watermark {
		return nil
	}
	r.watermark = watermark
	return r.out.mark(mark{kind: watermarkMark, watermark: watermark})
}

// answer lets the barrier in of a checkpoint that was triggered: what was read so
// far belongs to it.
func (r *reading[T]) answer() error {
	id := r.attempt.triggered()
	if id <= r.passed {
		return nil
	}
	r.passed = id
	positions := make([]position, len(r.partitions))
	for i := range r.partitions {
		if err := r.partitions[i].locate(); err != nil {
			return err
		}
		positions[i] = r.partitions[i].position
	}
	acknowledge(r.attempt.checkpoints.Upload(id, r.name, r.subtask), nil, encodePositions(positions))
	return r.out.mark(mark{kind: barrierMark, checkpoint: id})
}

// rest waits a little for more elements.
func (r *reading[T]) rest(ctx context.Context) error {
	if err := r.out.flush(); err != nil {
		return err
	}
	select {
	case <-r.wake:
	case <-time.After(idleWait):
	case <-ctx.Done():
	}
	return nil
}

// stay lets barriers in after the end of all partitions, until the other
// sources of the job are at their end too: a checkpoint needs all subtasks.
func (r *reading[T]) stay(ctx context.Context) error {
	if err := r.out.mark(finalWatermark); err != nil {
		return err
	}
	r.attempt.sourceAtEnd()
	for {
		if err := r.answer(); err != nil {
			return err
		}
		select {
		case <-r.wake:
		case <-r.attempt.allRead:
			return r.out.mark(mark{kind: endMark})
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// close implements task.
func (r *reading[T]) close(bool) error {
	var errs []error
	for _, p := range r.partitions {
		if p.reader != nil {
			errs = append(errs, guard(p.reader.Close))
		}
	}
	return errors.Join(errs...)
}
