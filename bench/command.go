package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports an interrupt
)

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
		fmt.Fprintln(stderr, "bench: interrupted")
		return exitInterrupted
	}
	fmt.Fprintln(stderr, "bench:", err)
	return exitFailed
}

// execute carries out what the command line asks for. Everything that it writes
// is in a directory that is gone when it returns.
func (o options) execute(ctx context.Context, stdout, stderr io.Writer) (err error) {
	var path string
	if !o.large {
		if path, err = findInput(o.input); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(o.dir, "weir-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "On:  %v\n", thisMachine())
	d, err := o.deal(ctx, path, dir, stdout)
	if err != nil {
		return err
	}
	measurements, err := o.measureAll(ctx, d, dir, stderr)
	if err != nil {
		return err
	}
	if err := writeTable(stdout, measurements); err != nil {
		return err
	}
	if o.json != "" {
		if err := writeDocument(o.json, measurements); err != nil {
			return err
		}
	}
	return conclude(stdout, measurements)
}

// deal makes the input of the job, and says what it is.
func (o options) deal(ctx context.Context, path, dir string, stdout io.Writer) (deck, error) {
	if o.large {
		d := largeDeck(o.records)
		_, err := fmt.Fprintf(stdout, "In:  %s keys with values of %d B, each written %d times, in %d partitions\n\n",
			grouped(d.Keys), largeValueBytes, largeRounds, partitions)
		return d, err
	}
	begun := time.Now()
	d, err := deal(ctx, path, dir, o.records)
	if err != nil {
		return d, err
	}
	if d.total() < minRecords {
		return d, fmt.Errorf("%s: %d flights, too few to fail twice before the end: it takes %d", path, d.total(), minRecords)
	}
	_, err = fmt.Fprintf(stdout, "In:  %s flights of %s, read and dealt into %d partitions in %.1f s, %v out of order at most\n\n",
		grouped(d.total()), filepath.Base(path), partitions, time.Since(begun).Seconds(), time.Duration(d.Disorder)*time.Second)
	return d, err
}

// plans are the rows of the table.
func (o options) plans() (all []plan) {
	for _, backend := range o.backends {
		all = append(all, plan{backend: backend, storage: "none", kind: uninterrupted})
		for _, storage := range o.storages {
			switch {
			case storage == "memory" && (plan{backend: backend}).onDisk():
				continue // where it works is what it is for
			case storage == "memory":
				all = append(all, plan{backend: backend, storage: storage, kind: failedTwice})
				continue
			}
			all = append(all,
				plan{backend: backend, storage: storage, kind: checkpointed},
				plan{backend: backend, storage: storage, kind: killedTwice})
		}
	}
	return all
}

// measureAll carries out one plan after the other.
func (o options) measureAll(ctx context.Context, d deck, dir string, stderr io.Writer) (all []measurement, err error) {
	for _, p := range o.plans() {
		p.deck, p.parallelism, p.every, p.snapshots = d, o.parallelism, o.every, o.snapshots
		p.dir = filepath.Join(dir, "run")
		if err := os.Mkdir(p.dir, 0o700); err != nil {
			return nil, err
		}
		bar := startProgress(stderr, fmt.Sprintf("%-5s %-6s %-13s", p.backend, p.storage, p.kind), d.total())
		m, err := p.measure(ctx, bar.set)
		bar.close()
		if err != nil {
			return nil, err
		}
		all = append(all, m)
		if err := os.RemoveAll(p.dir); err != nil {
			return nil, err
		}
	}
	return all, nil
}
