package job

import (
	"context"
	"fmt"
)

// Source is an input that can be read again from any place.
//
// Thread safety: safe for concurrent use.
type Source[T any] interface {
	// Partitions is how many there are; each is read by one subtask, in order.
	Partitions() int
	// Open opens a partition before the element with the number offset, from 0;
	// that may be its end.
	Open(ctx context.Context, partition int, offset int64) (Reader[T], error)
}

// Reader reads one partition.
//
// Thread safety: one goroutine.
type Reader[T any] interface {
	// Read fills dst from its beginning, as far as it can without waiting long,
	// and returns how much. It must return when the context ends, which is that of
	// the attempt: the job waits for it. The end of the partition is io.EOF, which
	// may come with the last elements.
	Read(ctx context.Context, dst []Event[T]) (n int, err error)
	Close() error
}

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
	g.add(sourceNode, name, s != nil)
	if o.Disorder < 0 {
		g.check(fmt.Errorf("%w: source %q: disorder %d", ErrInvalid, name, o.Disorder))
	}
	out := &stream[T]{graph: g}
	g.sources = append(g.sources, func(a *attempt) {
		for i, outs := range out.connect(a, a.parallelism) {
			wake := make(chan struct{}, 1)
			a.sources = append(a.sources, wake)
			a.add(name, i, &reading[T]{attempt: a, name: name, subtask: i, source: s, disorder: o.Disorder, out: outs, wake: wake})
		}
	})
	return Stream[T]{out}
}
