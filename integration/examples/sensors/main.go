// Command sensors is a stream job with its state in an LSM tree, its checkpoints in S3, and the
// list of complete checkpoints in ZooKeeper. It counts the elements of an endless source. Start
// it on several machines with the same URL: one of them leads, the others wait.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	_ "github.com/weirstate/weir/checkpoint/s3store" // scheme s3
	_ "github.com/weirstate/weir/checkpoint/zkstore" // scheme zk, for completed=
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("want one argument: the URL of the state")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1], os.Stdout)
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

// run runs the job until the context ends. The checkpoints stay, and the next run continues from the newest.
func run(ctx context.Context, url string, out io.Writer) (err error) {
	preset, err := weir.Open(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, preset.Close()) }()
	g := job.New(job.Options{
		Name:        "sensors",
		Open:        preset.Open,
		Parallelism: 2,
		Checkpoints: checkpoint.Options{Storage: preset.Storage, Interval: time.Second, TolerableFailures: 3},
		Snapshot:    snapshot.Options{Mode: preset.Mode, Synchronous: preset.Synchronous},
		MaxRestarts: 10,
		OnRestore: func(r job.RestoreReport) {
			fmt.Fprintf(out, "attempt %d, checkpoint %d, element %d\n", r.Attempt, r.Checkpoint, r.Offset)
		},
		OnCheckpoint: func(c job.CheckpointReport) {
			fmt.Fprintf(out, "checkpoint %d: %d bytes, error: %v\n", c.ID, c.Bytes, c.Err)
		},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	readings := job.From(g, "readings", readings{}, job.SourceOptions{})
	counts := job.Process(job.KeyBy(readings, codec.String[string](), sensorOf), "counts", count)
	job.AddSink(counts, "output", func(context.Context, []byte) (job.Sink[string], error) { return sink{out}, nil })

	running, err := g.Start(ctx) // with wait=true: waits here until this machine leads
	if err != nil {
		return err
	}
	_, err = running.Wait()
	return err
}

// sensorOf returns the key of an element.
func sensorOf(sensor string) string { return sensor }

// count counts the elements of each sensor and emits every thousandth.
func count(t *job.Task[string, string]) (func(job.Event[string]) error, error) {
	count, err := state.ValueOf(t.Keyed(), state.ValueDescriptor[int64]{Name: "count", Codec: codec.Int[int64]()})
	if err != nil {
		return nil, err
	}
	return func(e job.Event[string]) error {
		n, _, err := count.Get() // 0 if there is no count yet
		if err != nil {
			return err
		}
		if err := count.Set(n + 1); err != nil {
			return err
		}
		if (n+1)%1000 != 0 {
			return nil
		}
		return t.Emit(job.Event[string]{Time: e.Time, Value: fmt.Sprint(e.Value, " ", n+1)})
	}, nil
}

// readings is an endless source that can be read again from any element: element n is a reading
// of sensor n mod 10.
type readings struct{}

// Partitions implements job.Source.
func (readings) Partitions() int { return 1 }

// Open implements job.Source.
func (readings) Open(_ context.Context, _ int, offset int64) (job.Reader[string], error) {
	return &reader{next: offset}, nil
}

type reader struct{ next int64 }

// Read implements job.Reader: 10 elements every 10 ms.
func (r *reader) Read(ctx context.Context, dst []job.Event[string]) (int, error) {
	select {
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-time.After(10 * time.Millisecond):
	}
	n := min(len(dst), 10)
	for i := range n {
		dst[i] = job.Event[string]{Time: r.next, Value: fmt.Sprint("sensor-", r.next%10)}
		r.next++
	}
	return n, nil
}

// Close implements job.Reader.
func (*reader) Close() error { return nil }

// sink prints elements. It cannot take back a line, so it may print a line twice after a failure.
type sink struct{ out io.Writer }

// Write implements job.Sink.
func (s sink) Write(e job.Event[string]) error {
	_, err := fmt.Fprintln(s.out, e.Value)
	return err
}

// Snapshot implements job.Sink.
func (sink) Snapshot() ([]byte, func() error, error) { return nil, nil, nil }

// Close implements job.Sink.
func (sink) Close(bool) error { return nil }
