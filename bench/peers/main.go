// Command peers compares Weir's tree (package lsm) with other key-value stores, with the same
// operations, the same data and the same memory. README.md explains the rows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// options are the parsed flags.
type options struct {
	keys, valueBytes, ops, runs int
	keyKind, dir, json          string
	engines, workloads          []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := compare(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// compare parses the arguments, runs the workloads and writes the results.
func compare(ctx context.Context, arguments []string, out, progress io.Writer) error {
	o, err := parse(arguments, progress)
	if err != nil {
		return err
	}
	r := &runner{options: o, progress: progress}
	if err := r.run(ctx); err != nil {
		return err
	}
	rows := r.rows()
	if o.json != "" {
		if err := writeJSON(o.json, rows); err != nil {
			return err
		}
	}
	return writeTable(out, rows)
}

func parse(arguments []string, out io.Writer) (o options, err error) {
	known, missing := available()
	kinds := slices.Sorted(maps.Keys(keyKinds))
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(out)
	f.IntVar(&o.keys, "keys", 2_000_000, "number of keys in the store, at least 1,000")
	f.IntVar(&o.valueBytes, "value-bytes", 100, "size of a value in bytes")
	f.StringVar(&o.keyKind, "key-kind", "hashed", "kind of keys: "+strings.Join(kinds, ", "))
	f.IntVar(&o.ops, "ops", 1_000_000, "operations of a workload, if its number of operations does not depend on -keys")
	f.IntVar(&o.runs, "runs", 5, "number of measured runs; an additional run times every operation")
	f.StringVar(&o.json, "json", "", "write the rows as JSON to this file")
	f.StringVar(&o.dir, "dir", "", "create the temporary directory of the data in this directory (default: the system's directory for temporary files)")
	picked := f.String("engines", strings.Join(known, ","), "engines to compare, separated by commas")
	rows := f.String("workloads", "", "workloads to show, separated by commas: "+strings.Join(workloadNames(), ", ")+" (default: all)")
	if err := f.Parse(arguments); err != nil {
		return o, err
	}
	if missing != nil && *picked == strings.Join(known, ",") { // -engines is not set
		fmt.Fprintln(out, missing)
	}
	o.engines, o.workloads = strings.Split(*picked, ","), workloadNames()
	if *rows != "" {
		o.workloads = strings.Split(*rows, ",")
	}
	return o, o.check(f.Args(), kinds)
}

// check returns an error if an option is invalid. rest are the arguments after the flags.
func (o options) check(rest, kinds []string) error {
	known, missing := available()
	for _, name := range o.engines {
		switch {
		case slices.Contains(known, name):
		case engines[name] != nil:
			return missing
		default:
			return fmt.Errorf("unknown engine %q: want %s", name, strings.Join(known, ", "))
		}
	}
	for _, name := range o.workloads {
		if !slices.Contains(workloadNames(), name) {
			return fmt.Errorf("unknown workload %q: want %s", name, strings.Join(workloadNames(), ", "))
		}
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case !slices.Contains(kinds, o.keyKind):
		return fmt.Errorf("unknown -key-kind %q: want %s", o.keyKind, strings.Join(kinds, ", "))
	case o.keys < 1000 || o.valueBytes < 1 || o.ops < 1 || o.runs < 1:
		return errors.New("-keys must be at least 1000; -value-bytes, -ops and -runs must be at least 1")
	}
	return nil
}
