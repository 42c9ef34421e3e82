package main

import (
	"context"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// newHistogram returns a histogram of durations in nanoseconds, up to an hour, with three
// significant digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, time.Hour.Nanoseconds(), 3)
}

// meter measures the operations of one workload in one run. If trace is set, it also
// measures the time of every single operation. That slows the run down, so the other figures
// of such a run are not used.
type meter struct {
	ctx   context.Context
	trace bool

	done       int // number of operations so far
	began      time.Time
	beganCPU   time.Duration
	last       time.Time
	elapsed    time.Duration
	elapsedCPU time.Duration
	read       int64                   // bytes read by the process during the workload
	written    int64                   // bytes written by the process during the workload
	delays     *hdrhistogram.Histogram // time of each operation; empty unless trace
}

func newMeter(ctx context.Context, trace bool) *meter {
	return &meter{ctx: ctx, trace: trace, delays: newHistogram()}
}

func (m *meter) start() {
	read, written := traffic()
	m.read, m.written = -read, -written
	m.beganCPU = cpuTime()
	m.began = time.Now()
	m.last = m.began
}

func (m *meter) stop() {
	m.elapsed = time.Since(m.began)
	m.elapsedCPU = cpuTime() - m.beganCPU
	read, written := traffic()
	m.read, m.written = m.read+read, m.written+written
}

// did counts an operation. It returns the error of the context, if that has ended.
func (m *meter) did() error {
	m.done++
	if m.trace {
		now := time.Now()
		// An operation longer than an hour counts as one of an hour.
		_ = m.delays.RecordValue(min(now.Sub(m.last), time.Hour).Nanoseconds())
		m.last = now
	}
	if m.done%1024 == 0 {
		return m.ctx.Err()
	}
	return nil
}

// repeat calls do n times and measures each call as an operation.
func (m *meter) repeat(n int, do func(i int) error) error {
	m.start()
	defer m.stop()
	for i := range n {
		if err := do(i); err != nil {
			return err
		}
		if err := m.did(); err != nil {
			return err
		}
	}
	return nil
}

// chunks measures n operations in calls of up to chunk operations. Each call of do makes n
// operations; done is the number made before it.
func (m *meter) chunks(n int, do func(n, done int) error) error {
	m.start()
	defer m.stop()
	for m.done < n {
		size := min(chunk, n-m.done)
		if err := do(size, m.done); err != nil {
			return err
		}
		m.done += size
		if err := m.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
