package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// result is a workload of an engine, all runs of it.
type result struct {
	engine, workload string
	nanos, cpuNanos  []float64 // per operation
	read, written    []float64 // bytes per operation
	diskBytes        []int64
	peakBytes        []int64                 // of memory, above what the process used before
	traced           *hdrhistogram.Histogram // time of each operation; empty without a run that traces
}

// runner runs every workload on every engine.
type runner struct {
	options
	progress io.Writer
	results  []*result
}

// run makes one run that traces, and then those that count. Engines take turns
// with each store.
func (r *runner) run(ctx context.Context) error {
	for run := range r.runs + 1 {
		for _, s := range stores {
			if !r.wanted(s) {
				continue
			}
			for _, name := range r.engines {
				fmt.Fprintf(r.progress, "run %d of %d: %s, %s\n", run, r.runs, s.workloads[0].name, name)
				if err := r.store(ctx, name, s, run == 0); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return nil
}

func (r *runner) wanted(s store) bool {
	return slices.ContainsFunc(s.workloads, func(w workload) bool { return slices.Contains(r.workloads, w.name) })
}

// store runs the workloads of a store in a directory that is gone afterwards.
func (r *runner) store(ctx context.Context, name string, s store, trace bool) (err error) {
	dir, err := os.MkdirTemp(r.dir, "weir-peers-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	debug.FreeOSMemory() // what the engine before has left
	before := memory()
	s.layout.timed = trace
	e, err := engines[name](dir, s.layout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	b := &bench{options: r.options, engine: e, values: someValues(r.valueBytes)}
	for _, w := range s.workloads {
		wanted := slices.Contains(r.workloads, w.name)
		if !wanted && !w.needed {
			continue
		}
		b.meter = newMeter(ctx, trace)
		resetPeak()
		err := w.run(b)
		if errors.Is(err, errUnsupported) {
			if w.needed {
				return nil
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if wanted {
			r.result(name, w.name).add(b.meter, e.DiskBytes(), r.peak(before))
		}
	}
	return nil
}

// peak is the memory that the process has used at most, above what it had used
// before. An engine leaves behind what the next one uses again, so it is known
// only where there is one.
func (r *runner) peak(before int64) int64 {
	if len(r.engines) > 1 {
		return 0
	}
	return peakMemory() - before
}

func (r *runner) result(engine, workload string) *result {
	for _, found := range r.results {
		if found.engine == engine && found.workload == workload {
			return found
		}
	}
	made := &result{engine: engine, workload: workload, traced: newHistogram()}
	r.results = append(r.results, made)
	return made
}

func (r *result) add(m *meter, diskBytes, peakBytes int64) {
	if m.trace {
		r.traced = m.delays
		return
	}
	ops := float64(max(1, m.done))
	r.nanos = append(r.nanos, float64(m.elapsed)/ops)
	r.cpuNanos = append(r.cpuNanos, float64(m.elapsedCPU)/ops)
	r.read = append(r.read, float64(m.read)/ops)
	r.written = append(r.written, float64(m.written)/ops)
	r.diskBytes = append(r.diskBytes, diskBytes)
	r.peakBytes = append(r.peakBytes, peakBytes)
}

func median[T int64 | float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// spread is the distance of the slowest run from the fastest, by the median.
func (r *result) spread() float64 {
	return (slices.Max(r.nanos) - slices.Min(r.nanos)) / median(r.nanos)
}
