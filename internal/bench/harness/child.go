package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/internal/bench/flightjob"
	"github.com/weirstate/weir/internal/bench/largejob"
)

// childArgument, as the only argument, makes a program a child: a process that runs the
// job and may be killed.
const childArgument = "-child"

// ServeIfChild does nothing in a process that a user has started. In a child process it runs
// the job and does not return: it exits when standard input ends, so a child never outlives
// its parent. A program that measures plans must call ServeIfChild before anything else.
func ServeIfChild() {
	if len(os.Args) == 2 && os.Args[1] == childArgument {
		serveChild(os.Stdin, os.Stdout)
	}
}

func serveChild(in io.Reader, out io.Writer) {
	// A terminal sends its signals to child and parent. The parent handles them.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	c := newChildRun(out)
	err := json.NewDecoder(in).Decode(&c.request)
	go func() {
		_, _ = io.Copy(io.Discard, in)
		os.Exit(0)
	}()
	if err == nil {
		err = c.execute(context.Background())
	}
	c.finish(err)
	select {} // the goroutine above exits when the input ends
}

// execute runs the graphs of the request in order. It fails if a graph ends without its
// failures.
func (c *childRun) execute(ctx context.Context) error {
	preset, err := weir.Open(ctx, c.request.Preset)
	if err != nil {
		return err
	}
	for _, g := range c.request.Graphs {
		err := c.run(ctx, preset, g)
		switch mustFail := len(g.Failures) > 0; {
		case mustFail && err == nil:
			return fmt.Errorf("the job ended at record %d, want a failure before the end", c.limit.Position())
		case err != nil && !(mustFail && errors.Is(err, errOnPurpose)):
			return err
		}
	}
	return preset.Close()
}

// run runs a graph until its last failure or the end of the input.
func (c *childRun) run(ctx context.Context, preset *weir.Preset, g graphRequest) error {
	c.prepare(g)
	graph := flightjob.NewGraph
	if c.request.Dataset.Keys > 0 {
		graph = largejob.NewGraph
	}
	running, err := graph(c.options(preset, g), c.request.Dataset, &c.limit, c.request.ResultDir).Start(ctx)
	if err != nil {
		return err
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		c.watch(running, stop)
	}()
	_, err = running.Wait()
	close(stop)
	<-stopped
	return err
}
