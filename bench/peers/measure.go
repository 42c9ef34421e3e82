package main

import (
	"context"
	"math/bits"
	"time"
)

// meter measures the operations of one workload in one run. A run that traces
// takes the time of every operation, which costs some of its own; its other
// figures are not used.
type meter struct {
	ctx   context.Context
	trace bool

	done       int // operations
	began      time.Time
	beganCPU   time.Duration
	last       time.Time
	elapsed    time.Duration
	elapsedCPU time.Duration
	read       int64 // bytes, by the process, less what it had read before
	written    int64
	delays     histogram
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

// did counts an operation; the error is that of the context.
func (m *meter) did() error {
	m.done++
	if m.trace {
		now := time.Now()
		m.delays.add(now.Sub(m.last))
		m.last = now
	}
	if m.done%1024 == 0 {
		return m.ctx.Err()
	}
	return nil
}

// repeat measures n calls.
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

// chunks measures n operations, so many in a call; done is how many there were.
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

// histogram counts durations in buckets of at most 1/16 of their value.
type histogram struct {
	counts [64 * 16]int
	total  int
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	n := uint64(max(d, 0))
	bucket := int(n)
	if n >= 16 {
		log := bits.Len64(n) - 5
		bucket = log*16 + int(n>>log)
	}
	h.counts[bucket]++
	h.total++
	h.max = max(h.max, d)
}

// percentile is an upper bound of a share of the durations, 0 to 1.
func (h *histogram) percentile(share float64) time.Duration {
	left := int(float64(h.total) * (1 - share))
	for bucket := len(h.counts) - 1; bucket >= 0; bucket-- {
		if left -= h.counts[bucket]; left < 0 {
			return min(h.max, bound(bucket))
		}
	}
	return 0
}

// bound is the largest duration of a bucket.
func bound(bucket int) time.Duration {
	if bucket < 32 {
		return time.Duration(bucket)
	}
	log := bucket/16 - 1
	return time.Duration(uint64(bucket-log*16+1)<<log - 1)
}
