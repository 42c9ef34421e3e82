package dataset

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

// ReadLimit bounds how far the partitions of a dataset are read, and knows how far
// they were read. A job that is to fail reads under a limit, so that the failure comes
// after enough checkpoints and before the end of the input, however fast the machine
// is. The zero value allows no reads.
//
// Thread safety: safe for concurrent use.
type ReadLimit struct {
	partitions [Partitions]struct{ position, limit atomic.Int64 }
}

// Lift lets all partitions be read to their ends.
func (l *ReadLimit) Lift() {
	for i := range l.partitions {
		l.partitions[i].limit.Store(math.MaxInt64)
	}
}

// Set limits each partition to a number of records, a function of how many it has. A
// reader at the limit does not see the end of its partition, even if the limit is all
// of the records.
func (l *ReadLimit) Set(d Dataset, limit func(records int64) int64) {
	for i := range l.partitions {
		l.partitions[i].limit.Store(limit(d.Records[i]))
	}
}

// waitPeriod is the time after which Wait returns with nothing, so that the reader can
// let barriers pass.
const waitPeriod = time.Millisecond

// Wait returns how many of the next n records of a partition may be read. If the
// position is at the limit it waits for some time and returns 0.
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

// SetPosition records how far a partition was read.
func (l *ReadLimit) SetPosition(partition int, position int64) {
	l.partitions[partition].position.Store(position)
}

// Position returns how many records of all partitions were read.
func (l *ReadLimit) Position() (n int64) {
	for i := range l.partitions {
		n += l.partitions[i].position.Load()
	}
	return n
}
