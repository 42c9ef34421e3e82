package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// options are what the command line asks for.
type options struct {
	backends      []backendKind
	records       int64 // at most
	snapshotEvery time.Duration
	snapshots     snapshot.Options
	dir           string
	input         string
}

// backendKind is a kind of backend that the job can run on.
type backendKind struct {
	name string
	open opener
}

var allBackends = []backendKind{
	{"hash", func() (snapshot.Backend, error) { return heapstate.NewHash(state.Options{}) }},
	{"btree", func() (snapshot.Backend, error) { return heapstate.NewBTree(state.Options{}) }},
}

// What -quick stands for.
const (
	quickRecords       = 200_000
	quickSnapshotEvery = 50 * time.Millisecond
)

const usage = `Bench runs a stream job over 3,000,000 flights on each backend, twice: once
uninterrupted, and once taking asynchronous snapshots into files, losing all
state half way and going on from the last snapshot. It ends with an error
unless the job comes to the same result every time.

The job drops flights that it has seen before (its state holds them all) and
keeps, for each origin, counts, the worst and the mean delay, a map of
destinations and the delays of the day, which a timer reports at midnight.

  go run ./bench                                       about a minute
  go run ./bench -quick                                a few seconds
  go run ./bench -backend btree -sync                  the task waits for snapshots
  go run ./bench -snapshot-every 200ms -compression none

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
	backend := flags.String("backend", "all", "`kind` of backend: hash, btree or all")
	compression := flags.String("compression", "zstd", "`how` snapshots are compressed: zstd or none")
	quick := flags.Bool("quick", false, fmt.Sprintf("stands for -records %d -snapshot-every %v", quickRecords, quickSnapshotEvery))
	flags.Int64Var(&o.records, "records", 0, "read the first `n` flights only (default all)")
	flags.DurationVar(&o.snapshotEvery, "snapshot-every", time.Second, "`time` that the task goes on between two snapshots, at least")
	flags.BoolVar(&o.snapshots.Synchronous, "sync", false, "write snapshots while the task waits")
	flags.StringVar(&o.dir, "dir", "", "keep snapshots in a temporary directory inside this `directory` (default the system's for temporary files)")
	flags.StringVar(&o.input, "input", "", "`file` of flights: CSV, compressed if its name ends in .zst (default bench/data/flights-2001-h1.csv.zst)")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		o.makeQuick(flags)
	}
	err = o.check(*backend, *compression, flags.Args())
	if err != nil {
		fmt.Fprintf(out, "%v\nRun with -h for help.\n", err)
	}
	return o, err
}

// makeQuick sets what no flag has set.
func (o *options) makeQuick(flags *flag.FlagSet) {
	set := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { set[f.Name] = true })
	if !set["records"] {
		o.records = quickRecords
	}
	if !set["snapshot-every"] {
		o.snapshotEvery = quickSnapshotEvery
	}
}

func (o *options) check(backend, compression string, rest []string) error {
	for _, kind := range allBackends {
		if backend == kind.name || backend == "all" {
			o.backends = append(o.backends, kind)
		}
	}
	compressions := map[string]snapshot.Compression{"zstd": snapshot.Zstd, "none": snapshot.None}
	if o.records == 0 {
		o.records = math.MaxInt64
	}
	var known bool
	o.snapshots.Compression, known = compressions[compression]
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case len(o.backends) == 0:
		return fmt.Errorf("-backend %q is not hash, btree or all", backend)
	case !known:
		return fmt.Errorf("-compression %q is not zstd or none", compression)
	case o.records < 2:
		return errors.New("-records must be 2 at least, one to lose and one to go on with")
	case o.snapshotEvery <= 0:
		return errors.New("-snapshot-every must be above zero")
	}
	return nil
}
