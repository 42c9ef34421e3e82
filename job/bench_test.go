package job

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// counter is a source with n numbers per partition.
type counter struct{ n, partitions int }

func (c counter) Partitions() int { return c.partitions }

func (c counter) Open(_ context.Context, _ int, offset int64) (Reader[int64], error) {
	return &counterReader{int64(c.n), offset}, nil
}

type counterReader struct{ n, at int64 }

func (r *counterReader) Read(_ context.Context, dst []Event[int64]) (int, error) {
	n := min(int64(len(dst)), r.n-r.at)
	for i := range dst[:n] {
		dst[i] = Event[int64]{r.at, r.at}
		r.at++
	}
	if r.at == r.n {
		return int(n), io.EOF
	}
	return int(n), nil
}

func (r *counterReader) Close() error { return nil }

// drain is a sink that discards elements.
type drain[T any] struct{}

func (drain[T]) Write(Event[T]) error                    { return nil }
func (drain[T]) Snapshot() ([]byte, func() error, error) { return nil, nil, nil }
func (drain[T]) Close(bool) error                        { return nil }

// hop is an operator that emits each element unchanged.
func hop(task *Task[int64, int64]) (func(Event[int64]) error, error) {
	return task.Emit, nil
}

// countEach is an operator that emits how many elements each key had.
func countEach(task *Task[int64, int64]) (func(Event[int64]) error, error) {
	counts, err := state.ValueOf(task.Keyed(), state.ValueDescriptor[int64]{Name: "count", Codec: codec.Int[int64]()})
	return func(e Event[int64]) error {
		n, _, err := counts.Get()
		if err != nil {
			return err
		}
		if err := counts.Set(n + 1); err != nil {
			return err
		}
		return task.Emit(Event[int64]{e.Time, n + 1})
	}, err
}

// BenchmarkPipeline measures the time per record from a source through operators to a sink.
// "hops" is the number of operators without state, "count" of those that count 100,000 keys.
func BenchmarkPipeline(b *testing.B) {
	for _, c := range []struct {
		hops, counts, parallelism int
		interval                  time.Duration
	}{
		{0, 0, 1, 0}, {0, 0, 2, 0}, {1, 0, 1, 0}, {1, 0, 2, 0}, {5, 0, 1, 0}, {5, 0, 2, 0}, {0, 1, 1, 0}, {0, 1, 2, 0},
		{0, 1, 2, time.Second},
	} {
		b.Run(fmt.Sprintf("hops=%d/count=%d/p=%d/every=%v", c.hops, c.counts, c.parallelism, c.interval), func(b *testing.B) {
			o := Options{Name: "pipeline", Open: hash, Parallelism: c.parallelism}
			if c.interval > 0 {
				o.Checkpoints = checkpoint.Options{Storage: checkpoint.NewMemory(checkpoint.MemoryOptions{}), Interval: c.interval}
			}
			g := New(o)
			s := From[int64](g, "numbers", counter{b.N/4 + 1, 4}, SourceOptions{})
			key := func(v int64) int64 { return v % 100_000 }
			for i := range c.hops {
				s = Process(KeyBy(s, codec.Int[int64](), key), fmt.Sprint("hop-", i), hop)
			}
			for i := range c.counts {
				s = Process(KeyBy(s, codec.Int[int64](), key), fmt.Sprint("count-", i), countEach)
			}
			AddSink(s, "drain", func(context.Context, []byte) (Sink[int64], error) { return drain[int64]{}, nil })
			b.ReportAllocs()
			b.ResetTimer()
			_, err := g.Run(b.Context())
			require.NoError(b, err)
		})
	}
}
