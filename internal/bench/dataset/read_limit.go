package dataset

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

// ReadLimit limits how far a job reads the partitions of a dataset, and records its position. A
// job that must fail reads under a limit, so that on any machine it fails after enough
// checkpoints and before the end of the input. The zero value allows no reads.
//
// Thread safety: safe for concurrent use.
type ReadLimit struct {
	partitions [Partitions]struct{ position, limit atomic.Int64 }
}

// Lift removes the limit of all partitions.
func (l *ReadLimit) Lift() {
	for i := range l.partitions {
		l.partitions[i].limit.Store(math.MaxInt64)
	}
}

// Set limits each partition to limit(n) records, where n is its number of records. A reader at
// the limit does not return io.EOF, even if the limit is n.
func (l *ReadLimit) Set(d Dataset, limit func(records int64) int64) {
	for i := range l.partitions {
		l.partitions[i].limit.Store(limit(d.Records[i]))
	}
}

// waitPeriod is the time for which Wait blocks at the limit. It is short because a source
// handles barriers between two reads.
const waitPeriod = time.Millisecond

// Wait returns how many of the n records that follow a position may be read. If the position is
// at the limit, Wait returns 0 after waitPeriod or when ctx ends.
func (l *ReadLimit) Wait(ctx context.Context, partition int, position, n int64) int64 {
	if allowed := min(n, l.partitions[partition].limit.Load()-position); allowed > 0 {
		return allowed
	}
	select {
	case <-ctx.Done():
	case <-time.After(waitPeriod):
	}
	return 0
}

// SetPosition sets the number of records that were read from a partition.
func (l *ReadLimit) SetPosition(partition int, position int64) {
	l.partitions[partition].position.Store(position)
}

// Position returns the number of records that were read from all partitions.
func (l *ReadLimit) Position() (n int64) {
	for i := range l.partitions {
		n += l.partitions[i].position.Load()
	}
	return n
}
