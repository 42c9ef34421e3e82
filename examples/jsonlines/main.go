// Command jsonlines adds up lines of JSON by key and window of time. It reads files or standard
// input, shows its progress, takes checkpoints, and continues from the newest one when it was
// stopped or killed. README.md shows a session.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/snapshot"
)

// options are the settings of the command line.
type options struct {
	fields      fields
	window      time.Duration
	disorder    time.Duration
	skip        bool
	out         string
	state       string
	every       time.Duration
	progress    time.Duration
	parallelism int
	inputs      []string
}

const usage = `Jsonlines adds up lines of JSON by key and window of time.

  jsonlines -key origin -time departure -value delay -window 1h flights-*.jsonl
  zcat flights.gz | jsonlines -key origin -time departure -out delays.jsonl

Each input line is a JSON object. The field -time is an RFC 3339 time or a number of seconds
since 1970. Each output line is one key and window: the number of lines and, with -value, the
sum, the smallest and the largest value.

It takes a checkpoint every few seconds. After Ctrl-C or a crash, start the same command with
the same input again: it continues from the newest checkpoint. Input from standard input is
then read from its beginning, and the part that was read before is skipped. With -out the
result is the same as without the interruption; on standard output, lines since the newest
checkpoint may be written again. When all input is read, the checkpoints are removed.

Exit status: 0 when all input was read, 1 after an error, 2 for wrong flags, 130 after Ctrl-C.

Flags:
`

// exitInterrupted is the exit status after Ctrl-C: 128 and the number of SIGINT.
const exitInterrupted = 130

func main() {
	log.SetFlags(0)
	o, err := parseOptions(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		log.Print(err)
		os.Exit(2)
	}
	err = run(o)
	if errors.Is(err, errInterrupted) {
		os.Exit(exitInterrupted)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// parseOptions reads the command line. It writes help to w.
func parseOptions(args []string, w io.Writer) (o options, err error) {
	f := flag.NewFlagSet("jsonlines", flag.ContinueOnError)
	f.SetOutput(w)
	f.Usage = func() { fmt.Fprint(w, usage); f.PrintDefaults() }
	f.StringVar(&o.fields.Key, "key", "", "`field` with the key, a string (required)")
	f.StringVar(&o.fields.Time, "time", "", "`field` with the time (required)")
	f.StringVar(&o.fields.Value, "value", "", "`field` with a number to add up; without it lines are only counted")
	f.DurationVar(&o.window, "window", time.Hour, "length of a window")
	f.DurationVar(&o.disorder, "disorder", time.Minute, "how far times may go back within a file; a later line is dropped and counted")
	f.BoolVar(&o.skip, "skip", false, "skip and count wrong lines; without it the first one is an error")
	f.StringVar(&o.out, "out", "", "`file` for the result; without it standard output")
	f.StringVar(&o.state, "state", defaultState(), "`URL` of weir.Open: kind of backend and directory for checkpoints")
	f.DurationVar(&o.every, "every", 5*time.Second, "time between checkpoints")
	f.DurationVar(&o.progress, "progress", time.Second, "time between lines of progress on standard error; 0 shows no progress")
	f.IntVar(&o.parallelism, "parallel", runtime.GOMAXPROCS(0), "number of subtasks; may change from run to run")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.inputs = f.Args()
	for i, path := range o.inputs {
		if i > 0 && strings.HasPrefix(path, "-") && path != standardInput {
			return o, fmt.Errorf("argument %q follows a file: flags must stand before the files; write ./%s for a file of that name", path, path)
		}
	}
	if len(o.inputs) == 0 {
		o.inputs = []string{standardInput}
	}
	if o.fields.Key == "" || o.fields.Time == "" {
		return o, errors.New("-key and -time are required; jsonlines -help explains the flags")
	}
	if o.window < time.Millisecond || o.disorder < 0 || o.every <= 0 || o.progress < 0 {
		return o, errors.New("-window must be at least 1ms, -every above 0, -disorder and -progress not below 0")
	}
	return o, nil
}

// defaultState is the heap backend with checkpoints in a directory of the working directory.
func defaultState() string {
	dir, err := filepath.Abs("jsonlines-state")
	if err != nil {
		return ""
	}
	u := url.URL{Scheme: "fs+file", Path: path.Join("/", filepath.ToSlash(dir))}
	return u.String()
}

var errInterrupted = errors.New("interrupted")

// run runs the job until its end, an error or Ctrl-C.
func run(o options) error {
	preset, err := weir.Open(context.Background(), o.state)
	if err != nil {
		return err
	}
	p := &progress{}
	g := job.New(job.Options{
		Name:        "jsonlines",
		Open:        preset.Open,
		Parallelism: o.parallelism,
		Checkpoints: checkpoint.Options{Storage: preset.Storage, Interval: o.every, TolerableFailures: 3},
		Snapshot:    snapshot.Options{Mode: preset.Mode, Synchronous: preset.Synchronous},
		// A job that has finished needs no checkpoint. A job that fails, here by Ctrl-C,
		// keeps them.
		DiscardCheckpoints: true,
		OnCheckpoint:       p.checkpoint,
		OnRestore:          p.restore,
	})
	source := &inputs{paths: o.inputs, fields: o.fields, skip: o.skip, skipped: &p.skipped}
	addTotals(g, source, o, &p.late)
	running, err := g.Start(context.Background())
	if err != nil {
		return errors.Join(err, preset.Close())
	}
	done := make(chan struct{})
	go p.show(running, o.progress, done)
	go stopOnInterrupt(running, done)
	_, err = running.Wait()
	close(done)
	if err == nil {
		log.Printf("done: %s", p.totals(running.Records()))
	}
	return errors.Join(err, preset.Close())
}

// stopOnInterrupt takes a last checkpoint and ends the job when the user presses Ctrl-C. A
// second Ctrl-C ends the process at once.
func stopOnInterrupt(running *job.Running, done <-chan struct{}) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	stop()
	log.Print("taking a checkpoint; press Ctrl-C again to end at once")
	stats, err := running.CheckpointAndWait(context.Background())
	if err != nil {
		log.Printf("no new checkpoint: %v", err)
	} else {
		log.Printf("stopped at checkpoint %d: start the same command again to continue", stats.ID)
	}
	running.Fail(errInterrupted)
}
