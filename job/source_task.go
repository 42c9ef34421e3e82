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

// idleWait is the time to wait when no partition has elements.
const idleWait = time.Millisecond

// sourceTask is a subtask of a source. It reads one batch from each of its partitions in
// turn, and injects barriers between two batches.
//
// Thread safety: one goroutine.
type sourceTask[T any] struct {
	attempt   *attempt
	name      string
	subtask   int
	source    PositionSource[T]
	ownFormat bool // the source made the format of its positions
	disorder  int64
	out       outputs[T]
	wake      <-chan struct{} // receives after a checkpoint was triggered

	partitions  []partition[T]
	open        int           // partitions that have not ended
	lastBarrier checkpoint.ID // of the newest injected barrier
	watermark   int64
	buffer      []Event[T]
}

type partition[T any] struct {
	position
	reader PositionReader[T] // nil at the end of the partition
}

// begin implements task.
func (s *sourceTask[T]) begin(ctx context.Context) error {
	count := s.source.Partitions()
	positions, err := s.attempt.restored.positions(s.name, count)
	if err != nil {
		return err
	}
	s.watermark, s.buffer = math.MinInt64, make([]Event[T], batchEvents)
	for p := s.subtask; p < count; p += s.attempt.parallelism {
		if err := endCause(ctx); err != nil {
			return err
		}
		if err := s.openPartition(ctx, positions[p]); err != nil {
			return fmt.Errorf("partition %d after %d elements: %w", p, positions[p].records, err)
		}
	}
	return nil
}

// openPartition opens a reader at a position, unless the partition has ended.
func (s *sourceTask[T]) openPartition(ctx context.Context, at position) error {
	if at.encoded != nil && at.ownFormat != s.ownFormat {
		return fmt.Errorf("the checkpoint has %s, and the source has %s: %w", positionFormat(at.ownFormat), positionFormat(s.ownFormat), ErrKind)
	}
	at.ownFormat = s.ownFormat
	p := partition[T]{position: at}
	if !at.ended {
		var err error
		if p.reader, err = s.source.Open(ctx, at.number, bytes.Clone(at.encoded)); err != nil {
			return err
		}
		if p.reader == nil {
			return fmt.Errorf("the source returned no reader: %w", ErrReader)
		}
		s.open++
	}
	s.partitions = append(s.partitions, p)
	return nil
}

// positionFormat names the format of a position in errors.
func positionFormat(ownFormat bool) string {
	if ownFormat {
		return "a position in a format of its own"
	}
	return "an element count"
}

// run implements task.
func (s *sourceTask[T]) run(ctx context.Context) error {
	if err := s.sendWatermark(); err != nil { // restored positions have a watermark
		return err
	}
	for next, emptyReads := 0, 0; s.open > 0; next = (next + 1) % len(s.partitions) {
		if err := endCause(ctx); err != nil {
			return err
		}
		if err := s.injectBarrier(); err != nil {
			return err
		}
		if s.partitions[next].reader == nil {
			continue
		}
		n, err := s.read(ctx, &s.partitions[next])
		if err != nil {
			return err
		}
		if emptyReads++; n > 0 {
			emptyReads = 0
		}
		if emptyReads >= s.open && s.open > 0 {
			if err := s.waitForElements(ctx); err != nil {
				return err
			}
			emptyReads = 0
		}
	}
	return s.finish(ctx)
}

// read reads a batch of a partition and sends it.
func (s *sourceTask[T]) read(ctx context.Context, p *partition[T]) (n int, err error) {
	n, err = p.reader.Read(ctx, s.buffer)
	if n < 0 || n > len(s.buffer) {
		return 0, fmt.Errorf("partition %d: Read returned %d elements: want 0 to %d: %w", p.number, n, len(s.buffer), ErrReader)
	}
	if err != nil && err != io.EOF { // a wrapped io.EOF is a failure: input that broke off
		return 0, fmt.Errorf("partition %d after %d elements: %w", p.number, p.records, err)
	}
	for _, e := range s.buffer[:n] {
		if err := endCause(ctx); err != nil {
			return n, err
		}
		p.newest = max(p.newest, e.Time)
		if err := s.out.send(e); err != nil {
			return n, err
		}
	}
	p.records += int64(n)
	s.attempt.records.Add(int64(n))
	if err != nil {
		s.open--
		if err := p.end(); err != nil {
			return n, err
		}
	}
	return n, s.sendWatermark()
}

// end marks a partition as ended, and closes its reader.
func (p *partition[T]) end() error {
	if err := p.savePosition(); err != nil {
		return err
	}
	reader := p.reader
	p.ended, p.reader = true, nil
	if err := reader.Close(); err != nil {
		return fmt.Errorf("partition %d: %w", p.number, err)
	}
	return nil
}

// savePosition copies the position of the reader into p, unless the partition has ended.
func (p *partition[T]) savePosition() error {
	if p.reader == nil {
		return nil
	}
	encoded, err := p.reader.Position()
	if err == nil && len(encoded) > MaxPositionBytes {
		err = fmt.Errorf("%d bytes: want at most %d: %w", len(encoded), MaxPositionBytes, ErrPosition)
	}
	if err != nil {
		return fmt.Errorf("position of partition %d after %d elements: %w", p.number, p.records, err)
	}
	p.encoded = append([]byte{}, encoded...)
	return nil
}

// sendWatermark sends the watermark of the open partitions, if it has risen.
func (s *sourceTask[T]) sendWatermark() error {
	lowest := int64(math.MaxInt64)
	for _, p := range s.partitions {
		if p.reader != nil {
			lowest = min(lowest, p.newest)
		}
	}
	if s.open == 0 || lowest <= math.MinInt64+s.disorder {
		return nil
	}
	watermark := lowest - s.disorder - 1
	if watermark <= s.watermark {
		return nil
	}
	s.watermark = watermark
	return s.out.sendControl(controlEvent{kind: watermarkControl, watermark: watermark})
}

// injectBarrier sends a barrier if a new checkpoint was triggered, and acknowledges the
// positions of the partitions: all elements read so far belong to the checkpoint.
func (s *sourceTask[T]) injectBarrier() error {
	id := s.attempt.triggered()
	if id <= s.lastBarrier {
		return nil
	}
	s.lastBarrier = id
	positions := make([]position, len(s.partitions))
	for i := range s.partitions {
		if err := s.partitions[i].savePosition(); err != nil {
			return err
		}
		positions[i] = s.partitions[i].position
	}
	acknowledge(s.attempt.checkpoints.Upload(id, s.name, s.subtask), nil, encodePositions(positions))
	return s.out.sendControl(controlEvent{kind: barrierControl, checkpoint: id})
}

// waitForElements waits for idleWait, or until a checkpoint is triggered.
func (s *sourceTask[T]) waitForElements(ctx context.Context) error {
	if err := s.out.flush(); err != nil {
		return err
	}
	select {
	case <-s.wake:
	case <-time.After(idleWait):
	case <-ctx.Done():
	}
	return nil
}

// finish injects barriers after the end of all partitions, until the other source subtasks
// of the job have ended too: a checkpoint needs every subtask.
func (s *sourceTask[T]) finish(ctx context.Context) error {
	if err := s.out.sendControl(finalWatermark); err != nil {
		return err
	}
	s.attempt.sourceEnded()
	for {
		if err := s.injectBarrier(); err != nil {
			return err
		}
		select {
		case <-s.wake:
		case <-s.attempt.allSourcesEnded:
			return s.out.sendControl(controlEvent{kind: endControl})
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// close implements task.
func (s *sourceTask[T]) close(bool) error {
	var errs []error
	for _, p := range s.partitions {
		if p.reader != nil {
			errs = append(errs, recoverPanics(p.reader.Close))
		}
	}
	return errors.Join(errs...)
}
