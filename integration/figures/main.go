// Figures measures how fast the stores for S3 and HDFS write and read files, compared with the clients
// that come with the servers, and how fast checkpoints and restores of a large state are. Start it with
// integration/run figures, which starts the servers. See -h.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/weirstate/weir/integration/servers"
	_ "github.com/weirstate/weir/integration/stores"
	"github.com/weirstate/weir/internal/bench/harness"
)

const usage = `Figures writes and reads files of 8 MiB and 64 MiB on S3 and HDFS, with the store of Weir and with the
client that comes with the server: the uploader and downloader of the AWS SDK, and hdfs dfs -put and
-get. The clients take turns; each rate is the median. Four files are on their way at the same time.
All commands of hdfs dfs run in one JVM. Then it takes checkpoints of a state on
LSM trees and restores it.

  integration/run figures
  integration/run figures -runs 3 -mib 128

The output is a table in Markdown. All files are in a temporary directory.

Flags:
`

// options are the parsed flags.
type options struct {
	runs     int
	mib      int
	stateMiB int
	only     string
}

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var o options
	flags := flag.NewFlagSet("figures", flag.ContinueOnError)
	flags.IntVar(&o.runs, "runs", 5, "`number` of runs; each figure is the median")
	flags.IntVar(&o.mib, "mib", 256, "write `n` MiB in each run")
	flags.IntVar(&o.stateMiB, "state-mib", 256, "size of the state in `MiB`")
	flags.StringVar(&o.only, "only", "", "`part` to measure: s3, hdfs or state (default all)")
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage); flags.PrintDefaults() }
	err := flags.Parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil && (flags.NArg() > 0 || o.runs < 1 || o.mib < 64 || o.stateMiB < 16 || !slices.Contains([]string{"", "s3", "hdfs", "state"}, o.only)) {
		err = errors.New("figures: want -runs from 1, -mib from 64, -state-mib from 16, -only s3, hdfs or state, and no arguments")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if err := o.run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

// run measures everything and writes the tables.
func (o options) run(ctx context.Context, out io.Writer) (err error) {
	at, err := servers.FromEnvironment()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "weir-figures-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintf(out, "On: %v. Each rate is the median of %d runs over %d MiB.\n\n", harness.ThisMachine(), o.runs, o.mib)
	var own map[string]rates
	if o.only != "state" {
		if own, err = o.transfers(ctx, out, at, dir); err != nil {
			return err
		}
	}
	if o.only == "" || o.only == "state" {
		return o.states(ctx, out, at, dir, own)
	}
	return nil
}

// median returns the median of durations; of an even number, the lower one in the middle.
func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)/2]
}

// rate returns MiB per second.
func rate(bytes int64, took time.Duration) float64 {
	return float64(bytes) / (1 << 20) / took.Seconds()
}
