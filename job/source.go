package job

import (
	"context"
	"fmt"
)

// Source is an input that can be read again from any element, by its number. One that
// finds a place by other means than a number from 0 without gaps is a PositionSource.
//
// Thread safety: safe for concurrent use.
type Source[T any] interface {
	// Partitions is how many there are; each is read by one subtask, in order.
	Partitions() int
	// Open opens a partition before the element with the number offset, from 0;
	// that may be its end. Context is that of the attempt: it ends when the job is
	// canceled or the attempt fails.
	Open(ctx context.Context, partition int, offset int64) (Reader[T], error)
}

// Reader reads one partition.
//
// Thread safety: one goroutine.
type Reader[T any] interface {
	// Read fills dst from its beginning, as far as it can without waiting long,
	// and returns how much. It must return when the context ends, which is that of
	// the attempt: the job waits for it. The end of the partition is io.EOF, which
	// may come with the last elements. It is the end for good: a partition that was
	// at its end in a checkpoint is not opened again, and what is added to it later is
	// not read. One that may grow has nothing for now, and no end.
	Read(ctx context.Context, dst []Event[T]) (n int, err error)
	Close() error
}

// PositionSource is an input that can be read again from positions in a form of its
// own, such as a log whose numbers have gaps, or a set of files.
//
// Thread safety: safe for concurrent use.
type PositionSource[T any] interface {
	// Partitions is that of Source.
	Partitions() int
	// Open opens a partition at a position that a reader of it has returned: before the
	// element that this reader would have read next. It is nil at the beginning of the
	// partition and never nil else. The source may keep it.
	Open(ctx context.Context, partition int, position []byte) (PositionReader[T], error)
}

// PositionReader reads one partition of a PositionSource.
//
// Thread safety: one goroutine.
type PositionReader[T any] interface {
	Reader[T]
	// Position returns where the reader is, in at most MaxPositionBytes. It is called
	// for each checkpoint, between two calls of Read, and once after the end, before
	// Close; it must return soon. The job copies the slice.
	Position() ([]byte, error)
}

// MaxPositionBytes limits a position of a partition.
const MaxPositionBytes = 64 << 10

// SourceOptions says how a source makes watermarks.
type SourceOptions struct {
	// Disorder bounds how far event times in a partition go back: an element is
	// at most this much earlier than any before it. The watermark is that far,
	// and one, behind the highest time seen in every partition that is not at
	// its end. A partition that waits for more elements holds it up.
	Disorder int64
}

// From adds a source. Partition p is read by subtask p modulo the parallelism.
func From[T any](g *Graph, name string, s Source[T], o SourceOptions) Stream[T] {
	return from(g, name, counted[T]{s}, false, s != nil, o)
}

// FromPositions is From for a source with positions of its own. A source cannot go on
// from a checkpoint that has positions of the other kind: that is ErrKind.
func FromPositions[T any](g *Graph, name string, s PositionSource[T], o SourceOptions) Stream[T] {
	return from(g, name, s, true, s != nil, o)
}

// from adds a source; own says that its positions are its own.
func from[T any](g *Graph, name string, s PositionSource[T], own, complete bool, o SourceOptions) Stream[T] {
	g.add(sourceNode, name, complete)
	if o.Disorder < 0 {
		g.check(fmt.Errorf("%w: source %q: disorder %d", ErrInvalid, name, o.Disorder))
	}
	out := &stream[T]{graph: g}
	g.sources = append(g.sources, func(a *attempt) {
		for i, outs := range out.connect(a, a.parallelism) {
			wake := make(chan struct{}, 1)
			a.sources = append(a.sources, wake)
			a.add(name, i, &reading[T]{attempt: a, name: name, subtask: i, source: s, own: own, disorder: o.Disorder, out: outs, wake: wake})
		}
	})
	return Stream[T]{out}
}
