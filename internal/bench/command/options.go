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

// options are the parsed flags.
type options struct {
	large       bool
	all         bool
	wide        bool
	backends    []string
	storages    []string
	parallelism int
	records     int64         // maximum number of flights to read
	every       time.Duration // between checkpoints
	snapshots   snapshot.Options
	dir         string
	input       string
	json        string // empty: no file
}

const (
	// maxParallelism is more than enough to use all cores of any machine.
	maxParallelism = 256
	// maxCheckpointEvery limits the time for which a run waits for checkpoints without any
	// progress.
	maxCheckpointEvery = time.Minute
)

// defaults are the values of -records and -checkpoint-every if these flags are not set.
type defaults struct {
	records int64
	every   time.Duration
}

var (
	// ordinary takes about 90 s on two cores. Even the fastest backend completes three
	// checkpoints before a failure point without waiting for them.
	ordinary = defaults{1_500_000, 500 * time.Millisecond}
	// complete is for -all.
	complete = defaults{math.MaxInt64, time.Second}
	// quick is for -quick.
	quick = defaults{200_000, 50 * time.Millisecond}
	// large is for -job large.
	large = defaults{largejob.Keys * largejob.Rounds, 5 * time.Second}
)

// largeJob is the value of -job for the large job.
const largeJob = "large"

const usage = `Bench runs a stream job over real flights on each backend. It kills the process of the
job (SIGKILL) twice, each time after at least three checkpoints, and restores the job from
the newest checkpoint, the second time with one more subtask. The first row of the table is
a run without checkpoints and failures. If the results of two runs differ, bench exits with
an error.

  go run ./bench                     first 1,500,000 flights, 7 rows: about 90 s on two cores
  go run ./bench -all                3,000,000 flights, 14 rows: about 6 minutes
  go run ./bench -quick              first 200,000 flights: less than half a minute
  go run ./bench -backend lsm-full   one backend
  go run ./bench -all -wide -json figures.json
  go run ./bench -job large          state larger than memory: some minutes, 10 GB of disk

The table has one row for each backend and checkpoint storage. A row is written when its
run ends. With storage memory, the subtasks fail and the process is not killed, because the
checkpoints would be lost with it.

  records/s        records of the input per second, from the start of the first process to
                   the last result, including failures and restores
  against hash     records/s divided by the records/s of the hash backend for the same run
  max pause        longest time for which a checkpoint stopped a subtask
  checkpoint size  median size of a checkpoint
  restored in      time to open and load all state, in the slowest restore
  digest           hash of the result, the same in all rows

-all adds two runs for each backend: one without checkpoints, and one with checkpoints in
files and no failures. -wide adds columns: time and CPU time of all processes, number of
checkpoints, median time from trigger to commit, more percentiles of the pauses, records
that were read again, and the peak memory of the largest process (Linux).

Bench first writes the flights to four partitions, and shuffles them: each flight arrives
up to three hours of event time late. The job drops repeated flights. For each origin it
computes totals, the number of flights by destination, the delays of each day and the
number of flights in each hour; for each route it computes sessions.

-job large writes 20,000,000 keys with values of 100 bytes, each key twice, on
lsm-incremental with 256 MiB of memory. It compares every value that it reads with the one
written last. With -records n it has n/2 keys.

All files are in a temporary directory. Bench removes it at the end and on Ctrl-C.

Flags:
`

// parseOptions parses the arguments. It writes help and errors to out. It returns flag.ErrHelp
// for -h.
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
	err = o.applyChoices(c, flags)
	if err == nil {
		o.setDefaults(c.quick, flags)
		err = o.check()
	}
	if err != nil {
		fmt.Fprintf(out, "%v\nRun with -h for help.\n", err)
	}
	return o, err
}

// choices are the flags that parseOptions converts to other options.
type choices struct {
	job, backend, storage, compression string
	quick                              bool
}

// define defines the flags. Parse then sets o and the returned choices.
func (o *options) define(flags *flag.FlagSet) *choices {
	c := &choices{}
	flags.StringVar(&c.job, "job", "flights", "`job` to run: flights or large")
	flags.StringVar(&c.backend, "backend", "all", "`kind` of backend: hash, btree, lsm-full, lsm-incremental, lsm-tier or all")
	flags.StringVar(&c.storage, "storage", "all", "`where` checkpoints go: memory, file or all")
	flags.StringVar(&c.compression, "compression", "zstd", "`method` that compresses snapshots: zstd or none")
	flags.BoolVar(&c.quick, "quick", false, fmt.Sprintf("same as -records %d -checkpoint-every %v", quick.records, quick.every))
	flags.BoolVar(&o.all, "all", false, "run all rows, with and without checkpoints and failures, over all flights, with a checkpoint every 1s")
	flags.BoolVar(&o.wide, "wide", false, "write all columns, and a remark about each run")
	flags.IntVar(&o.parallelism, "parallelism", 2, "`number` of subtasks of each operator; the last restore adds one")
	flags.Int64Var(&o.records, "records", 0, fmt.Sprintf("read only the first `n` flights (default %d)", ordinary.records))
	flags.DurationVar(&o.every, "checkpoint-every", 0, fmt.Sprintf("`time` from one checkpoint to the next (default %v)", ordinary.every))
	flags.BoolVar(&o.snapshots.Synchronous, "sync", false, "write snapshots synchronously: the subtask waits")
	flags.StringVar(&o.dir, "dir", "", "create the temporary directory in this `directory` (default: the system's directory for temporary files)")
	flags.StringVar(&o.input, "input", "", "`file` of flights: CSV, compressed if its name ends in .zst (default bench/data/flights-2001-h1.csv.zst)")
	flags.StringVar(&o.json, "json", "", "also write the table as JSON to a `file`")
	return c
}

// isSet reports whether the command line sets a flag.
func isSet(flags *flag.FlagSet, name string) (set bool) {
	flags.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// setDefaults sets the number of records and the time between checkpoints if their flags are
// not set.
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

// applyChoices sets the job, backends, storages and compression. The default backend of the large
// job is lsm-incremental.
func (o *options) applyChoices(c *choices, flags *flag.FlagSet) (err error) {
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
		return fmt.Errorf("unknown -compression %q: want zstd or none", c.compression)
	}
	return nil
}

// check returns an error if a number is out of range or the JSON file cannot be created.
func (o *options) check() error {
	if o.json != "" {
		// Fail now, not after minutes of measuring.
		if _, err := os.Stat(filepath.Dir(o.json)); err != nil {
			return fmt.Errorf("-json: %w", err)
		}
	}
	switch {
	case o.records < harness.MinRecords:
		return fmt.Errorf("-records must be at least %d, to fail twice before the end", harness.MinRecords)
	case o.every <= 0 || o.every > maxCheckpointEvery:
		return fmt.Errorf("-checkpoint-every must be above 0s and at most %v", maxCheckpointEvery)
	case o.parallelism < 1 || o.parallelism > maxParallelism:
		return fmt.Errorf("-parallelism must be from 1 to %d", maxParallelism)
	}
	return nil
}

// choose returns the value of a flag as a list, or all names if the value is "all".
func choose(name, value string, names []string) ([]string, error) {
	if value == "all" {
		return names, nil
	}
	if !slices.Contains(names, value) {
		return nil, fmt.Errorf("unknown -%s %q: want %s or all", name, value, strings.Join(names, ", "))
	}
	return []string{value}, nil
}
