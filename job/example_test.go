package job_test

import (
	"context"
	"fmt"
	"io"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// Words are counted as they come.
func ExampleGraph() {
	g := job.New(job.Options{
		Name:        "words",
		Open:        func(o state.Options) (snapshot.Backend, error) { return heapstate.NewHash(o) },
		Parallelism: 2,
	})
	words := job.From(g, "text", text{"to", "be", "or", "not", "to", "be"}, job.SourceOptions{})
	self := func(word string) string { return word }
	counts := job.Process(job.KeyBy(words, codec.String[string](), self), "count",
		func(t *job.Task[string, string]) (func(job.Event[string]) error, error) {
			count, err := state.ValueOf(t.Keyed(), state.ValueDescriptor[int]{Name: "count", Codec: codec.Int[int]()})
			if err != nil {
				return nil, err
			}
			return func(e job.Event[string]) error {
				n, _, err := count.Get()
				if err != nil {
					return err
				}
				if err := t.Emit(job.Event[string]{Time: e.Time, Value: fmt.Sprint(e.Value, " ", n+1)}); err != nil {
					return err
				}
				return count.Set(n + 1)
			}, nil
		})
	job.AddSink(counts, "page", func(context.Context, []byte) (job.Sink[string], error) { return page{}, nil })
	if _, err := g.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// to 1
	// be 1
	// or 1
	// not 1
	// to 2
	// be 2
}

// text is a source of one partition.
type text []string

func (text) Partitions() int { return 1 }

func (t text) Open(_ context.Context, _ int, offset int64) (job.Reader[string], error) {
	return &reader{t, offset}, nil
}

type reader struct {
	text text
	at   int64
}

func (r *reader) Read(_ context.Context, dst []job.Event[string]) (n int, err error) {
	for ; n < len(dst) && r.at < int64(len(r.text)); n++ {
		dst[n] = job.Event[string]{Time: r.at, Value: r.text[r.at]}
		r.at++
	}
	if n < len(dst) {
		err = io.EOF
	}
	return n, err
}

func (r *reader) Close() error { return nil }

// page is a sink that has nothing to go back to.
type page struct{}

func (page) Write(e job.Event[string]) error {
	_, err := fmt.Println(e.Value)
	return err
}

func (page) Snapshot() ([]byte, func() error, error) { return nil, nil, nil }
func (page) Close(bool) error                        { return nil }
