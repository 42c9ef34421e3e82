package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/internal/bench/harness"
	"github.com/weirstate/weir/internal/bench/largejob"
	"github.com/weirstate/weir/internal/bench/report"
)

// Exit codes.
const (
	ExitFailed      = 1
	exitUsage       = 2
	ExitInterrupted = 130 // as a shell reports an interrupt
)

// Run parses the arguments and executes them; it returns the exit code of the program.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	}
	err = o.execute(ctx, stdout, stderr)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "bench: interrupted")
		return ExitInterrupted
	}
	fmt.Fprintln(stderr, "bench:", err)
	return ExitFailed
}

// execute does what the command line asks for. All its files are in a directory that
// it removes before it returns.
func (o options) execute(ctx context.Context, stdout, stderr io.Writer) (err error) {
	path, err := o.inputPath()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "weir-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "On:  %v\n", harness.ThisMachine())
	d, err := o.deal(ctx, path, dir, stdout)
	if err != nil {
		return err
	}
	measurements, err := o.measureAll(ctx, d, dir, stderr)
	if err != nil {
		return err
	}
	if err := report.WriteTable(stdout, measurements); err != nil {
		return err
	}
	if o.json != "" {
		if err := report.WriteDocument(o.json, measurements); err != nil {
			return err
		}
	}
	return report.Conclude(stdout, measurements)
}

// inputPath returns the path of the file of flights, empty if the job has none.
func (o options) inputPath() (string, error) {
	if o.large {
		return "", nil
	}
	if o.input == "" {
		return dataset.FindInput()
	}
	if _, err := os.Stat(o.input); err != nil {
		return "", fmt.Errorf("-input: %w", err)
	}
	return o.input, nil
}

// deal makes the input of the job, and says what it is.
func (o options) deal(ctx context.Context, path, dir string, stdout io.Writer) (dataset.Dataset, error) {
	if o.large {
		d := largejob.NewDataset(o.records)
		_, err := fmt.Fprintf(stdout, "In:  %s keys with values of %d B, each written %d times, in %d partitions\n\n",
			report.Grouped(d.Keys), largejob.ValueBytes, largejob.Rounds, dataset.Partitions)
		return d, err
	}
	begun := time.Now()
	d, err := dataset.Prepare(ctx, path, dir, o.records)
	if err != nil {
		return d, err
	}
	if d.Total() < harness.MinRecords {
		return d, fmt.Errorf("%s: %d flights, too few to fail twice before the end: it takes %d", path, d.Total(), harness.MinRecords)
	}
	_, err = fmt.Fprintf(stdout, "In:  %s flights of %s, read and dealt into %d partitions in %.1f s, %v out of order at most\n\n",
		report.Grouped(d.Total()), filepath.Base(path), dataset.Partitions, time.Since(begun).Seconds(), time.Duration(d.Disorder)*time.Second)
	return d, err
}

// plans are the rows of the table.
func (o options) plans() (all []harness.Plan) {
	for _, backend := range o.backends {
		all = append(all, harness.Plan{Backend: backend, Storage: "none", Kind: harness.Uninterrupted})
		for _, storage := range o.storages {
			switch {
			case storage == "memory" && (harness.Plan{Backend: backend}).OnDisk():
				continue // where it works is what it is for
			case storage == "memory":
				all = append(all, harness.Plan{Backend: backend, Storage: storage, Kind: harness.FailedTwice})
				continue
			}
			all = append(all,
				harness.Plan{Backend: backend, Storage: storage, Kind: harness.Checkpointed},
				harness.Plan{Backend: backend, Storage: storage, Kind: harness.KilledTwice})
		}
	}
	return all
}

// measureAll carries out one plan after the other.
func (o options) measureAll(ctx context.Context, d dataset.Dataset, dir string, stderr io.Writer) (all []harness.Measurement, err error) {
	for _, p := range o.plans() {
		p.Dataset, p.Parallelism, p.CheckpointEvery, p.Snapshots = d, o.parallelism, o.every, o.snapshots
		p.Dir = filepath.Join(dir, "run")
		if err := os.Mkdir(p.Dir, 0o700); err != nil {
			return nil, err
		}
		bar := report.StartProgress(stderr, fmt.Sprintf("%-5s %-6s %-13s", p.Backend, p.Storage, p.Kind), d.Total())
		m, err := p.Measure(ctx, bar.Set)
		bar.Close()
		if err != nil {
			return nil, err
		}
		all = append(all, m)
		if err := os.RemoveAll(p.Dir); err != nil {
			return nil, err
		}
	}
	return all, nil
}
