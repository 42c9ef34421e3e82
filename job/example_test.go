package job_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/window"
)

// A whole job: it counts words with two subtasks, and prints each new count.
func ExampleGraph() {
	g := countWords(job.Options{Name: "words", Open: openHash, Parallelism: 2}, words("to", "be", "or", "not", "to", "be"))
	must(g.Run(context.Background()))
	// Unordered output:
	// to 1
	// be 1
	// or 1
	// not 1
	// to 2
	// be 2
}

// countWords returns a job that counts words.
func countWords(o job.Options, text job.Source[string]) *job.Graph {
	g := job.New(o)
	in := job.From(g, "text", text, job.SourceOptions{})
	self := func(word string) string { return word }
	counts := job.Process(job.KeyBy(in, codec.String[string](), self), "count",
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
				if err := count.Set(n + 1); err != nil {
					return err
				}
				return t.Emit(job.Event[string]{Time: e.Time, Value: fmt.Sprint(e.Value, " ", n+1)})
			}, nil
		})
	job.AddSink(counts, "printer", openPrinter)
	return g
}

// Sessions: clicks of a user that are less than 30 apart belong together.
func ExampleProcess() {
	clicks := events[string]{{0, "ann"}, {10, "ann"}, {15, "bob"}, {100, "ann"}}
	g := job.New(job.Options{Name: "sessions", Open: openHash})
	in := job.From(g, "clicks", clicks, job.SourceOptions{})
	user := func(click string) string { return click }
	sessions := job.Process(job.KeyBy(in, codec.String[string](), user), "sessions",
		func(t *job.Task[string, string]) (func(job.Event[string]) error, error) {
			w, err := window.List(t, window.Options[string, string, []string]{
				Assigner: window.Session(30),
				Emit: func(r window.Result[string, []string]) error {
					line := fmt.Sprintf("%s from %d to %d: %d clicks", r.Key, r.Window.Start, r.Window.End, len(r.Value))
					return t.Emit(job.Event[string]{Time: r.Window.End, Value: line})
				},
			}, state.ListDescriptor[string]{Name: "clicks", Codec: codec.String[string]()})
			return func(e job.Event[string]) error { return w.Add(e.Time, e.Value) }, err
		})
	job.AddSink(sessions, "printer", openPrinter)
	must(g.Run(context.Background()))
	// Output:
	// ann from 0 to 40: 2 clicks
	// bob from 15 to 45: 1 clicks
	// ann from 100 to 130: 1 clicks
}

// A clean shutdown: the job takes a checkpoint before it is canceled. The next run restores
// the counts and reads only the four new words.
func ExampleRunning_CheckpointAndWait() {
	storage := checkpoint.NewMemory(checkpoint.MemoryOptions{})
	options := job.Options{Name: "words", Open: openHash, Checkpoints: checkpoint.Options{Storage: storage}}

	ctx, cancel := context.WithCancel(context.Background())
	running := must(countWords(options, growing{words("to", "be")}).Start(ctx))
	for running.Records() < 2 {
		time.Sleep(time.Millisecond)
	}
	must(running.CheckpointAndWait(ctx))
	cancel()
	_, err := running.Wait()
	fmt.Println(err)

	report := must(countWords(options, words("to", "be", "or", "not", "to", "be")).Run(context.Background()))
	fmt.Println("records:", report.Records)
	// Output:
	// to 1
	// be 1
	// context canceled
	// or 1
	// not 1
	// to 2
	// be 2
	// records: 4
}

func openHash(o state.Options) (snapshot.Backend, error) { return heapstate.NewHash(o) }

// events is a source with one partition.
type events[T any] []job.Event[T]

// words returns a source of words. The event time of a word is its number.
func words(all ...string) (s events[string]) {
	for i, word := range all {
		s = append(s, job.Event[string]{Time: int64(i), Value: word})
	}
	return s
}

func (events[T]) Partitions() int { return 1 }

func (s events[T]) Open(_ context.Context, _ int, offset int64) (job.Reader[T], error) {
	return &reader[T]{rest: s[offset:]}, nil
}

// growing is a source whose partition does not end.
type growing struct{ events[string] }

func (s growing) Open(_ context.Context, _ int, offset int64) (job.Reader[string], error) {
	return &reader[string]{rest: s.events[offset:], endless: true}, nil
}

type reader[T any] struct {
	rest    []job.Event[T]
	endless bool
}

func (r *reader[T]) Read(_ context.Context, dst []job.Event[T]) (n int, err error) {
	n = copy(dst, r.rest)
	r.rest = r.rest[n:]
	if len(r.rest) == 0 && !r.endless {
		err = io.EOF
	}
	return n, err
}

func (r *reader[T]) Close() error { return nil }

// printer is a sink that prints elements. It cannot remove printed lines, so after a failure
// it may print a line twice.
type printer struct{}

func openPrinter(context.Context, []byte) (job.Sink[string], error) { return printer{}, nil }

func (printer) Write(e job.Event[string]) error {
	_, err := fmt.Println(e.Value)
	return err
}

func (printer) Snapshot() ([]byte, func() error, error) { return nil, nil, nil }
func (printer) Close(bool) error                        { return nil }

// must returns v, and ends the program if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
