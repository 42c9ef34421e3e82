package job

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/parse"
)

// countedSource adapts a Source to PositionSource: a position is the number of elements
// read, as a uvarint.
type countedSource[T any] struct{ source Source[T] }

// Partitions implements PositionSource.
func (c countedSource[T]) Partitions() int { return c.source.Partitions() }

// Open implements PositionSource.
func (c countedSource[T]) Open(ctx context.Context, partition int, position []byte) (PositionReader[T], error) {
	count, err := decodeCount(position)
	if err != nil {
		return nil, err
	}
	reader, err := c.source.Open(ctx, partition, count)
	if err != nil || reader == nil {
		return nil, err
	}
	return &countedReader[T]{reader, count}, nil
}

// countedReader counts the elements that it reads.
type countedReader[T any] struct {
	Reader[T]
	count int64
}

// Read implements Reader.
func (r *countedReader[T]) Read(ctx context.Context, dst []Event[T]) (int, error) {
	n, err := r.Reader.Read(ctx, dst)
	r.count += int64(n)
	return n, err
}

// Position implements PositionReader.
func (r *countedReader[T]) Position() ([]byte, error) { return encodeCount(r.count), nil }

func encodeCount(count int64) []byte { return binary.AppendUvarint(nil, uint64(count)) }

// decodeCount returns the count in position, and 0 for nil.
func decodeCount(position []byte) (int64, error) {
	if position == nil {
		return 0, nil
	}
	p := parse.Parser{Rest: position, Corrupt: checkpoint.ErrCorrupt}
	count := int64(p.Uvarint(math.MaxInt64))
	if err := p.End(); err != nil {
		return 0, markDamaged(fmt.Errorf("element count of a partition: %w", err))
	}
	return count, nil
}
