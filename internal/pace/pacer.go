// Package pace divides long work in the background into quanta, so that it does not stop the task.
package pace

import "runtime"

// QuantumNanos is the estimated time after which a Pacer offers the processor to other goroutines.
// Less costs more than it helps, because each offer may wake an idle processor.
const QuantumNanos = 100_000

// Pacer offers the processor to other goroutines (runtime.Gosched) after each quantum of work. The
// zero value is ready for use.
//
// Problem: Go's scheduler preempts a goroutine after 10 ms. If workers and the garbage collector
// keep all processors busy, a task that wakes up waits for that long, for each worker before it in
// the queue.
//
// Idea: the worker counts its work and offers the processor after 0.1 ms. Work is counted in
// estimated nanoseconds, because reading the clock for each entry costs as much as a cheap entry.
// An estimate that is wrong by a factor of two is good enough.
//
//	worker   |-- 0.1 ms --|          |-- 0.1 ms --|
//	task                  |-- runs until it waits or is preempted ...
//
// Invariant: no loop that may take longer than a quantum runs without a Pacer or a system call.
//
// Cost: an addition and a comparison for each call of Spend; less than 1 µs for each quantum.
//
// Thread safety: one goroutine.
type Pacer struct{ spent int }

// Spend counts work that took approximately this many nanoseconds and reports whether a quantum has
// ended. If so, it has offered the processor.
func (p *Pacer) Spend(nanos int) (ended bool) {
	if p.spent += nanos; p.spent < QuantumNanos {
		return false
	}
	p.end()
	return true
}

// end ends a quantum. It is not inlined, so that Spend can be.
//
//go:noinline
func (p *Pacer) end() {
	p.spent = 0
	offer()
}

// offer is runtime.Gosched; a test replaces it.
var offer = runtime.Gosched
