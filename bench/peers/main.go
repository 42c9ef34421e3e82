// Command peers compares Weir's tree with other stores of bytes, on the same
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

// options are the flags.
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

// compare does what the arguments say.
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
	f.IntVar(&o.keys, "keys", 2_000_000, "keys in the store, at least 1,000")
	f.IntVar(&o.valueBytes, "value-bytes", 100, "size of a value")
	f.StringVar(&o.keyKind, "key-kind", "hashed", "keys: "+strings.Join(kinds, ", "))
	f.IntVar(&o.ops, "ops", 1_000_000, "operations of a workload, where the keys do not say how many")
	f.IntVar(&o.runs, "runs", 5, "runs that count; one more takes the times of single operations")
	f.StringVar(&o.json, "json", "", "file to write the rows to")
	f.StringVar(&o.dir, "dir", "", "directory for the data, which is removed at the end (default: the system's for temporary files)")
	picked := f.String("engines", strings.Join(known, ","), "engines to compare")
	rows := f.String("workloads", "", "workloads to show, separated by commas: "+strings.Join(workloadNames(), ", ")+" (default: all)")
	if err := f.Parse(arguments); err != nil {
		return o, err
	}
	if missing != nil && *picked == strings.Join(known, ",") { // nobody has chosen
		fmt.Fprintln(out, missing)
	}
	o.engines, o.workloads = strings.Split(*picked, ","), workloadNames()
	if *rows != "" {
		o.workloads = strings.Split(*rows, ",")
	}
	return o, o.check(f.Args(), kinds)
}

func (o options) check(rest, kinds []string) error {
	known, missing := available()
	for _, name := range o.engines {
		switch {
		case slices.Contains(known, name):
		case engines[name] != nil:
			return missing
		default:
			return fmt.Errorf("unknown engine %q", name)
		}
	}
	for _, name := range o.workloads {
		if !slices.Contains(workloadNames(), name) {
			return fmt.Errorf("unknown workload %q", name)
		}
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case !slices.Contains(kinds, o.keyKind):
		return fmt.Errorf("unknown kind of keys %q", o.keyKind)
	case o.keys < 1000 || o.valueBytes < 1 || o.ops < 1 || o.runs < 1:
		return errors.New("keys, value-bytes, ops and runs are too low")
	}
	return nil
}
