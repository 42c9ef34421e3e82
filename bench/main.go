// Bench runs a stream job over three million flights on each backend, without
// and with a failure half way, and compares the results. See -h.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports an interrupt
)

func main() {
	// The signals stay caught to the end: an impatient second one must not
	// come in the way of cleaning up.
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	os.Exit(bench(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// bench is the whole program; it returns the exit code.
func bench(ctx context.Context, args []string, stdout, stderr io.Writer) int {
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
		fmt.Fprintln(stderr, "bench: interrupted:", err)
		return exitInterrupted
	}
	fmt.Fprintln(stderr, "bench:", err)
	return exitFailed
}

// execute carries out what the command line asks for.
func (o options) execute(ctx context.Context, stdout, stderr io.Writer) error {
	path, err := findInput(o.input)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Job: flights without repetitions, counted by origin, with a report for each day.\nOn:  %s\n", machine())
	flights, err := o.readThrough(ctx, path, stdout)
	if err != nil {
		return err
	}
	measurements, err := o.measureAll(ctx, path, flights, stderr)
	if err != nil {
		return err
	}
	if err := writeTable(stdout, measurements); err != nil {
		return err
	}
	return compare(stdout, measurements)
}

// readThrough counts the flights there are, and says how fast they are read.
func (o options) readThrough(ctx context.Context, path string, stdout io.Writer) (int64, error) {
	begun := time.Now()
	flights, err := countFlights(ctx, path, o.records)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fprintf(stdout, "In:  %s flights of %s, read alone at %s records/s\n\n",
		grouped(flights), filepath.Base(path), rate(flights, time.Since(begun)))
	return flights, err
}

// measureAll runs the job twice on each backend. The directory for the
// snapshots is gone when it returns.
func (o options) measureAll(ctx context.Context, path string, flights int64, stderr io.Writer) (all []measurement, err error) {
	dir, err := os.MkdirTemp(o.dir, "weir-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, kind := range o.backends {
		for _, dropAt := range []int64{0, max(1, flights/2)} {
			p := plan{
				backend: kind, input: path, flights: flights, dropAt: dropAt,
				dir: dir, every: o.snapshotEvery, snapshots: o.snapshots, pollFlights: defaultPollFlights,
			}
			bar := startProgress(stderr, fmt.Sprintf("%-5s %-17v", kind.name, p), flights)
			m, err := p.measure(ctx, bar)
			bar.close()
			if err != nil {
				return nil, err
			}
			all = append(all, m)
		}
	}
	return all, nil
}

// errDigests is returned when one run of the job came to another result than
// the others.
var errDigests = errors.New("the digests differ: a backend or a restore has changed the result")

// compare returns errDigests unless all runs came to one result, which it
// describes.
func compare(out io.Writer, measurements []measurement) error {
	for _, m := range measurements {
		if m.digest != measurements[0].digest {
			return errDigests
		}
	}
	first := measurements[0].result
	_, err := fmt.Fprintf(out, "\nThe same result %d times: %s distinct flights from %d airports, %s days reported.\n",
		len(measurements), grouped(first.distinct()), len(first.origins), grouped(int64(len(first.days))))
	return err
}
