// Flights runs the flight job of the benchmarks on a preset that a URL names, kills it twice, and
// compares its result with that of a run without failures. See -h.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	_ "github.com/weirstate/weir/integration/stores"
	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/internal/bench/harness"
	"github.com/weirstate/weir/internal/bench/report"
	"github.com/weirstate/weir/internal/query"
	"github.com/weirstate/weir/snapshot"
)

const usage = `Flights runs a stream job over real flights, with state and checkpoints where a URL says. It
kills the process of the job (SIGKILL) twice, each time after at least three checkpoints, and
restores the job from the newest checkpoint, the second time with one more subtask. Before, it
runs the job on the heap without checkpoints and failures. If the results differ, flights exits
with an error.

  integration/run serve       starts servers and prints URLs; in another shell:

  go run -C integration ./flights 'fs+s3://weir/flights?path-style=true&endpoint=http://127.0.0.1:7070'
  go run -C integration ./flights fs+hdfs://127.0.0.1:40010/flights
  go run -C integration ./flights fs+file:///tmp/flights

With lsm instead of fs, state is in trees on the local disk. The job has a new name in every run, and its
checkpoints are removed at the end and on Ctrl-C. Small things stay: the records of attempts of the job, the
object .weir-store of a prefix in S3, the folder of the job with its lock in a directory, and the znodes of
the job in ZooKeeper. Remove them with the tools of the storage.

Flags:
`

func main() {
	harness.ServeIfChild()
	// The signals stay caught until the end: a second signal must not interrupt the cleanup.
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "flights: interrupted")
		os.Exit(130)
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "%v\nRun with -h for help.\n", err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "flights:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("wrong arguments")

// options are the parsed arguments.
type options struct {
	url         string
	records     int64
	every       time.Duration
	parallelism int
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("flights", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.Int64Var(&o.records, "records", 300_000, "read only the first `n` flights")
	flags.DurationVar(&o.every, "checkpoint-every", 200*time.Millisecond, "`time` from one checkpoint to the next")
	flags.IntVar(&o.parallelism, "parallelism", 2, "`number` of subtasks of each operator; the last restore adds one")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() != 1:
		return o, fmt.Errorf("%w: %d URLs, want 1", errUsage, flags.NArg())
	case o.records < harness.MinRecords:
		return o, fmt.Errorf("%w: -records must be at least %d", errUsage, harness.MinRecords)
	case o.every <= 0 || o.every > time.Minute:
		return o, fmt.Errorf("%w: -checkpoint-every must be above 0s and at most 1m", errUsage)
	case o.parallelism < 1 || o.parallelism > 256:
		return o, fmt.Errorf("%w: -parallelism must be from 1 to 256", errUsage)
	}
	o.url = flags.Arg(0)
	return o, nil
}

// run runs the job without failures and then on the URL, and compares the results.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "weir-flights-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	plans, err := o.plans(ctx, dir)
	if err != nil {
		return err
	}
	table, err := report.NewTable(stdout, report.Brief)
	if err != nil {
		return err
	}
	var all []harness.Measurement
	for i, p := range plans {
		m, err := measure(ctx, p, fmt.Sprintf("run %d of %d: %v", i+1, len(plans), p), stderr)
		if err != nil {
			return err
		}
		if err := table.Add(m); err != nil {
			return err
		}
		all = append(all, m)
	}
	return report.Conclude(stdout, all)
}

// plans writes the dataset into dir. It returns the run without failures and the run on the
// URL.
func (o options) plans(ctx context.Context, dir string) ([]harness.Plan, error) {
	input, err := dataset.FindInput()
	if err != nil {
		return nil, err
	}
	d, err := dataset.Prepare(ctx, input, dir, o.records)
	if err != nil {
		return nil, err
	}
	p := harness.Plan{
		Backend: "hash", Storage: "none", Kind: harness.Uninterrupted,
		Dataset: d, Dir: filepath.Join(dir, "run"), Parallelism: o.parallelism,
		CheckpointEvery: o.every, Snapshots: snapshot.Options{Compression: snapshot.Zstd},
	}
	q := p
	q.Kind, q.Job = harness.KilledTwice, "flights-"+time.Now().UTC().Format("20060102-150405.000")
	q.Backend, q.Storage, q.URL = describe(o.url, q.Dir)
	return []harness.Plan{p, q}, nil
}

// describe returns the words before and after the plus sign of the scheme of a preset URL, and
// the URL, in which lsm gets a local directory below dir unless it has one.
func describe(preset, dir string) (backend, storage, withDir string) {
	u, err := url.Parse(preset)
	if err != nil {
		return "unknown", "unknown", preset // weir.Open says what is wrong
	}
	backend, storage, _ = strings.Cut(u.Scheme, "+")
	if backend == "lsm" && !u.Query().Has("dir") {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += query.Encode(url.Values{"dir": {filepath.Join(dir, "trees")}})
	}
	return backend, storage, u.String()
}

// measure executes a plan with an empty directory. If the run does not end, measure removes its
// checkpoints.
func measure(ctx context.Context, p harness.Plan, label string, stderr io.Writer) (m harness.Measurement, err error) {
	if err := os.Mkdir(p.Dir, 0o700); err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(p.Dir)) }()
	progress := report.StartProgress(stderr, label, p.Dataset.Total())
	m, err = p.Measure(ctx, progress.Set)
	progress.Close()
	if err != nil && p.URL != "" {
		err = errors.Join(err, p.Discard())
	}
	return m, err
}
