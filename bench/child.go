package main

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
)

// child is the whole program of a child. It ends with its input.
func child(in io.Reader, out io.Writer) {
	// A terminal sends its signals to child and parent; the parent sees to them.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	l := newLife(out)
	err := json.NewDecoder(in).Decode(&l.order)
	go func() {
		_, _ = io.Copy(io.Discard, in)
		os.Exit(0)
	}()
	if err == nil {
		err = l.carryOut(context.Background())
	}
	l.finish(err)
	select {} // until the input ends
}

// carryOut runs the graphs of the order, one after the other.
func (l *life) carryOut(ctx context.Context) error {
	preset, err := weir.Open(ctx, l.order.Preset)
	if err != nil {
		return err
	}
	for _, g := range l.order.Graphs {
		err := l.run(ctx, preset, g)
		switch fails := len(g.Failures) > 0; {
		case fails && err == nil:
			return fmt.Errorf("the job ended before it could fail at record %d", l.gate.position())
		case err != nil && !(fails && errors.Is(err, errOnPurpose)):
			return err
		}
	}
	return preset.Close()
}

// run runs a graph to its last failure or its end.
func (l *life) run(ctx context.Context, preset *weir.Preset, g graphOrder) error {
	l.prepare(g)
	graph := newFlightGraph
	if l.order.Deck.Keys > 0 {
		graph = newLargeGraph
	}
	running, err := graph(l.options(preset, g), l.order.Deck, &l.gate, l.order.Lines).Start(ctx)
	if err != nil {
		return err
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		l.watch(running, stop)
	}()
	_, err = running.Wait()
	close(stop)
	<-stopped
	return err
}
