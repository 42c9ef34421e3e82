package command

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weirstate/weir/internal/bench/harness"
	"github.com/weirstate/weir/internal/bench/largejob"
	"github.com/weirstate/weir/snapshot"
)

// options are what the command line asks for.
type options struct {
	large       bool
	backends    []string
	storages    []string
	parallelism int
	records     int64 // at most
	every       time.Duration
	snapshots   snapshot.Options
	dir         string
	input       string
	json        string // empty for none
}

const (
	// maxParallelism is more than any machine needs to have its fill.
	maxParallelism = 256
	// maxCheckpointEvery keeps a run that waits for checkpoints from seeming to
	// have stopped.
	maxCheckpointEvery = time.Minute
)

// What -quick stands for.
const (
	quickRecords = 200_000
	quickEvery   = 50 * time.Millisecond
)

// largeJob is the name of the other job, and largeEvery its time between checkpoints.
const (
	largeJob   = "large"
	largeEvery = 5 * time.Second
)

const usage = `Bench runs a stream job over 3,000,000 flights on each backend: without
checkpoints, with checkpoints into files, and then killing the process
(SIGKILL) twice, each time after three checkpoints at least, and restoring it,
the second time with one more subtask. Checkpoints in memory would die with the
process: there the subtasks fail instead, and the process lives. It ends with
an error unless the job comes to the same result every time.

The flights are dealt into four partitions and shuffled: each comes up to three
hours of event time too late. That is done first, into files; the job's time is
from the start of its process to its last line, reading those files included.
The job drops repetitions, keeps totals, destinations and each day's delays of
every origin, counts by the hour, and follows sessions on every route.

-job large is about state that is larger than memory: 20,000,000 keys with values of
100 bytes, each written twice, under a budget of 256 MiB on lsm-incremental. It
compares every value that it reads with what was written last. -records n is for half
as many keys.

  go run ./bench                                       some minutes
  go run ./bench -job large                            some minutes, 10 GB of disk
  go run ./bench -quick                                less than half a minute
  go run ./bench -backend btree -storage memory -sync
  go run ./bench -checkpoint-every 200ms -compression none -json figures.json

Pauses are those of single subtasks; checkpoint sizes and times are medians, the
time from trigger to commit; the restore is the slowest. Peak RSS is that of the
largest process, where the system tells (Linux).

Flags:
`

// parseOptions reads the command line. It writes help and complaints to out;
// the error is flag.ErrHelp if help was asked for.
func parseOptions(args []string, out io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		fmt.Fprint(out, usage)
		flags.PrintDefaults()
	}
	name := flags.String("job", "flights", "`job` to run: flights or large")
	backend := flags.String("backend", "all", "`kind` of backend: hash, btree, lsm-full, lsm-incremental or all")
	storage := flags.String("storage", "all", "`where` checkpoints go: memory, file or all")
	compression := flags.String("compression", "zstd", "`how` snapshots are compressed: zstd or none")
	quick := flags.Bool("quick", false, fmt.Sprintf("stands for -records %d -checkpoint-every %v", quickRecords, quickEvery))
	flags.IntVar(&o.parallelism, "parallelism", 2, "`number` of subtasks, until the last restore adds one")
	flags.Int64Var(&o.records, "records", 0, "read the first `n` flights only (default all)")
	flags.DurationVar(&o.every, "checkpoint-every", time.Second, "`time` from one checkpoint to the next")
	flags.BoolVar(&o.snapshots.Synchronous, "sync", false, "write snapshots while the subtask waits")
	flags.StringVar(&o.dir, "dir", "", "keep all files in a temporary directory inside this `directory` (default the system's for temporary files)")
	flags.StringVar(&o.input, "input", "", "`file` of flights: CSV, compressed if its name ends in .zst (default bench/data/flights-2001-h1.csv.zst)")
	flags.StringVar(&o.json, "json", "", "write the table as JSON to a `file`, too")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		o.makeQuick(flags)
	}
	err = o.choose(*name, *backend, *storage, flags)
	if err == nil {
		err = o.check(*compression, flags)
	}
	if err != nil {
		fmt.Fprintf(out, "%v\nRun with -h for help.\n", err)
	}
	return o, err
}

// isSet says whether a flag was given.
func isSet(flags *flag.FlagSet, name string) (set bool) {
	flags.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// makeQuick sets what no flag has set.
func (o *options) makeQuick(flags *flag.FlagSet) {
	if !isSet(flags, "records") {
		o.records = quickRecords
	}
	if !isSet(flags, "checkpoint-every") {
		o.every = quickEvery
	}
}

// choose chooses the job and its rows. The large one is for the backend that is for
// it, unless another one is asked for.
func (o *options) choose(job, backend, storage string, flags *flag.FlagSet) (err error) {
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if _, err := choose("job", job, []string{"flights", largeJob}); err != nil {
		return err
	}
	if o.large = job == largeJob; o.large {
		o.makeLarge(flags)
		if !isSet(flags, "backend") {
			backend = harness.LSMIncremental
		}
	}
	if o.backends, err = choose("backend", backend, harness.AllBackends); err != nil {
		return err
	}
	o.storages, err = choose("storage", storage, harness.AllStorages)
	return err
}

// makeLarge sets what no flag has set.
func (o *options) makeLarge(flags *flag.FlagSet) {
	if !isSet(flags, "records") && !isSet(flags, "quick") {
		o.records = largejob.Keys * largejob.Rounds
	}
	if !isSet(flags, "checkpoint-every") && !isSet(flags, "quick") {
		o.every = largeEvery
	}
}

func (o *options) check(compression string, flags *flag.FlagSet) error {
	compressions := map[string]snapshot.Compression{"zstd": snapshot.Zstd, "none": snapshot.None}
	var known bool
	if o.snapshots.Compression, known = compressions[compression]; !known {
		return fmt.Errorf("-compression %q is not zstd or none", compression)
	}
	if o.records == 0 && !isSet(flags, "records") {
		o.records = math.MaxInt64
	}
	if o.json != "" {
		// Not after minutes of work.
		if _, err := os.Stat(filepath.Dir(o.json)); err != nil {
			return fmt.Errorf("-json: %w", err)
		}
	}
	switch {
	case o.records < harness.MinRecords:
		return fmt.Errorf("-records must be %d at least, to fail twice before the end", harness.MinRecords)
	case o.every <= 0 || o.every > maxCheckpointEvery:
		return fmt.Errorf("-checkpoint-every must be above zero and %v at most", maxCheckpointEvery)
	case o.parallelism < 1 || o.parallelism > maxParallelism:
		return fmt.Errorf("-parallelism must be 1 to %d", maxParallelism)
	}
	return nil
}

// choose returns one of the names, or all.
func choose(name, value string, names []string) ([]string, error) {
	if value == "all" {
		return names, nil
	}
	if !slices.Contains(names, value) {
		return nil, fmt.Errorf("-%s %q is not %s or all", name, value, strings.Join(names, ", "))
	}
	return []string{value}, nil
}
