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

// result has the figures of one workload on one engine, with one element for each measured run.
type result struct {
	engine, workload string
	nanos, cpuNanos  []float64 // per operation
	read, written    []float64 // bytes per operation
	diskBytes        []int64
	peakBytes        []int64                 // memory, less the memory before the engine was opened
	traced           *hdrhistogram.Histogram // time of each operation of the traced run
}

// runner runs the workloads on the engines and keeps the results.
type runner struct {
	options
	progress io.Writer
	results  []*result
}

// run makes one traced run and then the measured runs. In each run, and for each store, the
// engines take turns.
func (r *runner) run(ctx context.Context) error {
	for run := range r.runs + 1 {
		for _, s := range stores {
			if !r.wanted(s) {
				continue
			}
			for _, name := range r.engines {
				fmt.Fprintf(r.progress, "run %d of %d: %s, %s\n", run, r.runs, s.workloads[0].name, name)
				if err := r.runStore(ctx, name, s, run == 0); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return nil
}

// wanted reports whether a workload of s was chosen.
func (r *runner) wanted(s store) bool {
	return slices.ContainsFunc(s.workloads, func(w workload) bool { return slices.Contains(r.workloads, w.name) })
}

// runStore runs the workloads of a store on an engine, in a temporary directory that it removes.
func (r *runner) runStore(ctx context.Context, name string, s store, trace bool) (err error) {
	dir, err := os.MkdirTemp(r.dir, "weir-peers-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	debug.FreeOSMemory() // return the memory of the previous engine to the system
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

// peak returns the peak memory of the process, less its memory before the engine was opened. With
// several engines it returns 0, because an engine uses memory again that a previous one has
// freed.
func (r *runner) peak(before int64) int64 {
	if len(r.engines) > 1 {
		return 0
	}
	return peakMemory() - before
}

// result returns the result of a workload on an engine, and creates it at the first call.
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

// add adds the figures of one run.
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

// spread returns the difference of the slowest and the fastest run, divided by the median.
func (r *result) spread() float64 {
	return (slices.Max(r.nanos) - slices.Min(r.nanos)) / median(r.nanos)
}
