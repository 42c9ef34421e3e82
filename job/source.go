package job

import (
	"context"
	"fmt"
)

// Source is an input whose partitions can be read again from any element number. An input
// that does not number its elements from 0 without gaps implements PositionSource instead.
//
// Thread safety: safe for concurrent use.
type Source[T any] interface {
	// Partitions returns the number of partitions. Each partition is read by one subtask, in
	// the order of its elements.
	Partitions() int
	// Open opens a partition so that the first Read returns the element with number
	// offset. Numbers begin at 0; offset may be the end of the partition. The context is
	// that of the attempt: it ends when the job is canceled or the attempt fails.
	Open(ctx context.Context, partition int, offset int64) (Reader[T], error)
}

// Reader reads one partition.
//
// Thread safety: one goroutine.
type Reader[T any] interface {
	// Read fills dst from its beginning and returns the number of elements. It returns
	// fewer than len(dst), or 0, rather than wait long for more. It must return when ctx,
	// the context of the attempt, ends, because the job waits for it.
	//
	// Read returns io.EOF at the end of the partition, alone or with the last elements. An
	// error that wraps io.EOF is not the end: it fails the attempt, like any other error.
	// The end is final: after a checkpoint at the end, no attempt opens the partition
	// again, even if it has grown. A partition that may grow returns 0 elements and no
	// error while it has nothing.
	Read(ctx context.Context, dst []Event[T]) (n int, err error)
	// Close releases the reader. The job calls it once.
	Close() error
}

// PositionSource is an input whose partitions can be read again from positions in a format
// of its own, such as a log whose numbers have gaps, or a set of files.
//
// Thread safety: safe for concurrent use.
type PositionSource[T any] interface {
	// Partitions returns the number of partitions, as Source.Partitions does.
	Partitions() int
	// Open opens a partition at a position that PositionReader.Position returned: the
	// first Read returns the element that the earlier reader would have returned next. At
	// the beginning of the partition, and only there, position is nil. The source may keep
	// the slice.
	Open(ctx context.Context, partition int, position []byte) (PositionReader[T], error)
}

// PositionReader reads one partition of a PositionSource.
//
// Thread safety: one goroutine.
type PositionReader[T any] interface {
	Reader[T]
	// Position returns the position of the next element, in at most MaxPositionBytes. The
	// job calls it for each checkpoint, between two calls of Read, and once at the end of
	// the partition, before Close. It must return soon. The job copies the slice.
	Position() ([]byte, error)
}

// MaxPositionBytes is the maximum size in bytes of a position that PositionReader.Position
// returns.
const MaxPositionBytes = 64 << 10

// SourceOptions configures the watermarks of a source.
type SourceOptions struct {
	// Disorder is the largest difference between the event time of an element and the
	// highest time before it in the same partition. The watermark of a subtask is
	//
	//	min over its open partitions (highest time read) - Disorder - 1
	//
	// so a partition that waits for elements holds the watermark back, and a partition at
	// its end does not. Default 0: times never decrease.
	Disorder int64
}

// From adds a source. Subtask p modulo the parallelism reads partition p.
func From[T any](g *Graph, name string, s Source[T], o SourceOptions) Stream[T] {
	return addSource(g, name, countedSource[T]{s}, false, s != nil, o)
}

// FromPositions adds a source with positions in its own format. A restore returns ErrKind
// if the checkpoint has element counts for the source, and vice versa for From.
func FromPositions[T any](g *Graph, name string, s PositionSource[T], o SourceOptions) Stream[T] {
	return addSource(g, name, s, true, s != nil, o)
}

// addSource adds a source. OwnFormat reports whether s made the format of its positions.
func addSource[T any](g *Graph, name string, s PositionSource[T], ownFormat, complete bool, o SourceOptions) Stream[T] {
	g.addNode(sourceNode, name, complete)
	if o.Disorder < 0 {
		g.addError(fmt.Errorf("%w: source %q: Disorder is %d: want 0 or more: %w", ErrInvalid, name, o.Disorder, ErrInvalidOption))
	}
	out := &stream[T]{graph: g}
	g.sources = append(g.sources, func(a *attempt) {
		for i, outs := range out.connect(a, a.parallelism) {
			wake := make(chan struct{}, 1)
			a.sources = append(a.sources, wake)
			a.addSubtask(name, i, &sourceTask[T]{
				attempt: a, name: name, subtask: i, source: s, ownFormat: ownFormat, disorder: o.Disorder, out: outs, wake: wake,
			})
		}
	})
	return Stream[T]{out}
}
