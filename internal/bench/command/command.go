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

	"github.com/dustin/go-humanize"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/internal/bench/harness"
	"github.com/weirstate/weir/internal/bench/largejob"
	"github.com/weirstate/weir/internal/bench/report"
)

// Exit codes.
const (
	ExitFailed      = 1
	exitUsage       = 2
	ExitInterrupted = 130 // 128 + SIGINT, as in shells
)

// Run runs the command with the given arguments and returns the exit code of the program.
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

// execute prepares the input, measures all plans and writes the reports. All its files are in a
// temporary directory, which it removes before it returns.
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
	d, err := o.prepare(ctx, path, dir, stdout)
	if err != nil {
		return err
	}
	measurements, err := o.measureAll(ctx, d, dir, stdout, stderr)
	if err != nil {
		return err
	}
	return o.conclude(stdout, measurements)
}

// conclude writes the JSON file, the remarks and the comparison of the results.
func (o options) conclude(stdout io.Writer, measurements []harness.Measurement) error {
	if o.json != "" {
		if err := report.WriteDocument(o.json, measurements); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(stdout); err != nil {
		return err
	}
	if o.wide {
		if err := report.WriteRemarks(stdout, measurements); err != nil {
			return err
		}
	}
	return report.Conclude(stdout, measurements)
}

// inputPath returns the path of the file of flights, or "" for the large job, which generates
// its records.
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

// prepare returns the dataset of the job and writes a line that describes it.
func (o options) prepare(ctx context.Context, path, dir string, stdout io.Writer) (dataset.Dataset, error) {
	if o.large {
		d := largejob.NewDataset(o.records)
		_, err := fmt.Fprintf(stdout, "In:  %s keys with values of %d B, each written %d times, in %d partitions\n\n",
			humanize.Comma(d.Keys), largejob.ValueBytes, largejob.Rounds, dataset.Partitions)
		return d, err
	}
	begun := time.Now()
	d, err := dataset.Prepare(ctx, path, dir, o.records)
	if err != nil {
		return d, err
	}
	if d.Total() < harness.MinRecords {
		return d, fmt.Errorf("%s has %d flights, want at least %d to fail twice before the end", path, d.Total(), harness.MinRecords)
	}
	_, err = fmt.Fprintf(stdout, "In:  %s flights of %s, written to %d partitions in %.1f s, at most %v out of order\n\n",
		humanize.Comma(d.Total()), filepath.Base(path), dataset.Partitions, time.Since(begun).Seconds(), time.Duration(d.Disorder)*time.Second)
	return d, err
}

// plans returns the plans of all rows of the table. The first plan has no checkpoints and no
// failures. Without -all, the other plans are those with failures.
func (o options) plans() (all []harness.Plan) {
	for i, backend := range o.backends {
		if o.all || i == 0 {
			all = append(all, harness.Plan{Backend: backend, Storage: "none", Kind: harness.Uninterrupted})
		}
		for _, storage := range o.storages {
			p := harness.Plan{Backend: backend, Storage: storage}
			if storage == "memory" {
				if !p.OnDisk() {
					p.Kind = harness.FailedTwice
					all = append(all, p)
				}
				continue
			}
			if o.all {
				p.Kind = harness.Checkpointed
				all = append(all, p)
			}
			p.Kind = harness.KilledTwice
			all = append(all, p)
		}
	}
	return all
}

// detail returns the columns of the table.
func (o options) detail() report.Detail {
	switch {
	case o.wide:
		return report.Wide
	case o.all:
		return report.Runs
	}
	return report.Brief
}

// measureAll executes the plans in order, and writes the row of each plan as soon as it has
// ended.
func (o options) measureAll(ctx context.Context, d dataset.Dataset, dir string, stdout, stderr io.Writer) (all []harness.Measurement, err error) {
	table, err := report.NewTable(stdout, o.detail())
	if err != nil {
		return nil, err
	}
	plans := o.plans()
	for i, p := range plans {
		p.Dataset, p.Parallelism, p.CheckpointEvery, p.Snapshots = d, o.parallelism, o.every, o.snapshots
		p.Dir = filepath.Join(dir, "run")
		m, err := measure(ctx, p, fmt.Sprintf("run %d of %d: %v", i+1, len(plans), p), stderr)
		if err != nil {
			return nil, err
		}
		if err := table.Add(m); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// measure creates the directory of a plan, executes the plan, and removes the directory.
func measure(ctx context.Context, p harness.Plan, label string, stderr io.Writer) (m harness.Measurement, err error) {
	if err := os.Mkdir(p.Dir, 0o700); err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(p.Dir)) }()
	progress := report.StartProgress(stderr, label, p.Dataset.Total())
	defer progress.Close()
	return p.Measure(ctx, progress.Set)
}
