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

// options are the settings of the command line.
type options struct {
	large       bool
	all         bool
	wide        bool
	backends    []string
	storages    []string
	parallelism int
	records     int64 // at most
	every       time.Duration
	snapshots   snapshot.Options
	dir         string
	input       string
	json        string // empty for no file
}

const (
	// maxParallelism is more than any machine needs to be busy.
	maxParallelism = 256
	// maxCheckpointEvery keeps a run that waits for checkpoints from looking as if it
	// had stopped.
	maxCheckpointEvery = time.Minute
)

// defaults are the records and the time between checkpoints unless a flag sets them.
type defaults struct {
	records int64
	every   time.Duration
}

var (
	// ordinary takes about 90 s on two cores. The time between checkpoints is short
	// enough for the fastest backend not to wait for the three before a failure.
	ordinary = defaults{1_500_000, 500 * time.Millisecond}
	// complete is -all.
	complete = defaults{math.MaxInt64, time.Second}
	// quick is -quick.
	quick = defaults{200_000, 50 * time.Millisecond}
	// large is -job large.
	large = defaults{largejob.Keys * largejob.Rounds, 5 * time.Second}
)

// largeJob is the name of the other job.
const largeJob = "large"

const usage = `Bench runs a stream job over real flights on each backend, kills its process
(SIGKILL) twice, each time after at least three checkpoints, and restores it from the
newest one, the second time with one more subtask. The first row of its table is a run
without checkpoints and failures. Bench fails unless every run has the same result.

  go run ./bench                     first 1,500,000 flights, 7 rows: about 90 s on two cores
  go run ./bench -all                3,000,000 flights, 14 rows: about 6 minutes
  go run ./bench -quick              first 200,000 flights: less than half a minute
  go run ./bench -backend lsm-full   one backend
  go run ./bench -all -wide -json figures.json
  go run ./bench -job large          state larger than memory: some minutes, 10 GB of disk

The table has a row for each backend and storage of checkpoints; it is written when the
run ends. With storage memory, the subtasks fail instead of the process, since the
checkpoints would be lost with it.

  records/s        of the input, from the start of the first process to the last result,
                   failures and restores included
  against hash     records/s divided by those of the hash backend in the same run
  max pause        longest time for which a checkpoint stopped a subtask
  checkpoint size  median
  restored in      time to open and load all state, the slowest restore
  digest           of the result, the same in all rows

-all adds for each backend a run without checkpoints and one with checkpoints into files
and without failures. -wide adds columns: time and CPU time of all processes, number of
checkpoints, median time from trigger to commit, more percentiles of the pauses, records
that were read again, and the peak memory of the largest process (Linux).

The flights are first dealt into four partitions and shuffled: each comes up to three hours
of event time late. The job drops repetitions, keeps totals, destinations and each day's
delays of every origin, counts by the hour, and follows sessions on every route.

-job large writes 20,000,000 keys with values of 100 bytes, each twice, on lsm-incremental
with 256 MiB of memory, and compares every value that it reads with the one written last.
With -records n it has n/2 keys.

All files are in a temporary directory, which is removed at the end and on Ctrl-C.

Flags:
`

// parseOptions reads the command line. It writes help and errors to out;
// the error is flag.ErrHelp if help was asked for.
func parseOptions(args []string, out io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		fmt.Fprint(out, usage)
		flags.PrintDefaults()
	}
	c := o.define(flags)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	err = o.choose(c, flags)
	if err == nil {
		o.setDefaults(c.quick, flags)
		err = o.check()
	}
	if err != nil {
		fmt.Fprintf(out, "%v\nRun with -h for help.\n", err)
	}
	return o, err
}

// choices are the flags that name one of several values.
type choices struct {
	job, backend, storage, compression string
	quick                              bool
}

// define defines the flags.
func (o *options) define(flags *flag.FlagSet) *choices {
	c := &choices{}
	flags.StringVar(&c.job, "job", "flights", "`job` to run: flights or large")
	flags.StringVar(&c.backend, "backend", "all", "`kind` of backend: hash, btree, lsm-full, lsm-incremental or all")
	flags.StringVar(&c.storage, "storage", "all", "`where` checkpoints go: memory, file or all")
	flags.StringVar(&c.compression, "compression", "zstd", "`method` that compresses snapshots: zstd or none")
	flags.BoolVar(&c.quick, "quick", false, fmt.Sprintf("stands for -records %d -checkpoint-every %v", quick.records, quick.every))
	flags.BoolVar(&o.all, "all", false, "run all rows, with and without checkpoints and failures, over all records, with a checkpoint every 1s")
	flags.BoolVar(&o.wide, "wide", false, "write all columns, and a remark on each run")
	flags.IntVar(&o.parallelism, "parallelism", 2, "`number` of subtasks, until the last restore adds one")
	flags.Int64Var(&o.records, "records", 0, fmt.Sprintf("read the first `n` flights only (default %d)", ordinary.records))
	flags.DurationVar(&o.every, "checkpoint-every", 0, fmt.Sprintf("`time` from one checkpoint to the next (default %v)", ordinary.every))
	flags.BoolVar(&o.snapshots.Synchronous, "sync", false, "write snapshots while the subtask waits")
	flags.StringVar(&o.dir, "dir", "", "keep all files in a temporary directory inside this `directory` (default the system's for temporary files)")
	flags.StringVar(&o.input, "input", "", "`file` of flights: CSV, compressed if its name ends in .zst (default bench/data/flights-2001-h1.csv.zst)")
	flags.StringVar(&o.json, "json", "", "write the table as JSON to a `file`, too")
	return c
}

// isSet reports whether a flag was given.
func isSet(flags *flag.FlagSet, name string) (set bool) {
	flags.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// setDefaults sets the records and the time between checkpoints unless a flag has.
func (o *options) setDefaults(isQuick bool, flags *flag.FlagSet) {
	d := ordinary
	switch {
	case isQuick:
		d = quick
	case o.large:
		d = large
	case o.all:
		d = complete
	}
	if !isSet(flags, "records") {
		o.records = d.records
	}
	if !isSet(flags, "checkpoint-every") {
		o.every = d.every
	}
}

// choose chooses the job and its rows. The large job runs on lsm-incremental only, unless
// another backend is asked for.
func (o *options) choose(c *choices, flags *flag.FlagSet) (err error) {
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if _, err := choose("job", c.job, []string{"flights", largeJob}); err != nil {
		return err
	}
	backend := c.backend
	if o.large = c.job == largeJob; o.large && !isSet(flags, "backend") {
		backend = harness.LSMIncremental
	}
	if o.backends, err = choose("backend", backend, harness.AllBackends); err != nil {
		return err
	}
	if o.storages, err = choose("storage", c.storage, harness.AllStorages); err != nil {
		return err
	}
	compressions := map[string]snapshot.Compression{"zstd": snapshot.Zstd, "none": snapshot.None}
	var known bool
	if o.snapshots.Compression, known = compressions[c.compression]; !known {
		return fmt.Errorf("-compression %q is not zstd or none", c.compression)
	}
	return nil
}

// check checks the numbers and the path of the JSON file.
func (o *options) check() error {
	if o.json != "" {
		// Fail now and not after minutes of work.
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
