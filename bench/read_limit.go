package main

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

// gate keeps the partitions of a job that is to fail from being read too far: so
// that the failure comes before the end of the input and after enough
// checkpoints, however fast the machine is. It also knows how far they were
// read.
//
// Thread safety: safe for concurrent use.
type gate struct {
	partitions [partitions]struct{ at, limit atomic.Int64 }
}

// open lets all partitions be read to their ends.
func (g *gate) open() {
	for i := range g.partitions {
		g.partitions[i].limit.Store(math.MaxInt64)
	}
}

// narrow lets each partition be read as far as a function of its number of
// records says; if that is all of them, still not its end.
func (g *gate) narrow(d deck, limit func(records int64) int64) {
	for i := range g.partitions {
		g.partitions[i].limit.Store(limit(d.Records[i]))
	}
}

// gatePeriod is how long a reader stands before the gate until it comes back
// with nothing, so that barriers get by.
const gatePeriod = time.Millisecond

// pass returns how many of the next n records may be read from a place of a
// partition; 0 if that is none, after some time.
func (g *gate) pass(ctx context.Context, partition int, at, n int64) int64 {
	if allowed := min(n, g.partitions[partition].limit.Load()-at); allowed > 0 {
		return allowed
	}
	select {
	case <-ctx.Done():
	case <-time.After(gatePeriod):
	}
	return 0
}

// set says how far a partition was read.
func (g *gate) set(partition int, at int64) { g.partitions[partition].at.Store(at) }

// position is how far all partitions were read.
func (g *gate) position() (n int64) {
	for i := range g.partitions {
		n += g.partitions[i].at.Load()
	}
	return n
}
