package lsm

import (
	"time"

	"github.com/weirstate/weir/lsm/internal/version"
)

// Limits on how long small runs wait to share a table.
const (
	// maxWaitingRuns limits the waiting runs, because every read searches each of them.
	maxWaitingRuns = 8
	// maxRunAge limits the time that a run waits.
	maxRunAge = time.Second
	// waitingShare: while the sealed runs of all stores that share a budget take more than
	// 1/waitingShare of the budget, no run waits.
	waitingShare = 8
)

// flushPolicy decides which sealed runs become one table, and when.
//
// Problem: a store that is sealed every 100 ms, for frequent snapshots, makes ten small runs
// per second. One table each would fill level 0 and make compactions rewrite level 1 for a few
// KiB.
//
// Idea: small runs stay in memory until several share a table. Reads find them in memory, which
// is faster than a table anyway.
//
//	newest             (MemtableBytes: 8M)        oldest
//	[active]  r9 64K  r8 64K  r7 2M │ r6 64K  r5 64K │ r4 8M │ r3 64K
//	                                │                │
//	               a view ends with r6               r4 alone fills a table
//
//	table 1: r3     table 2: r4     waiting: r5 and r6, for table 3; r7, r8, r9
//
// A table takes runs from the oldest on and ends
//   - before the sum exceeds MemtableBytes,
//   - before and after a run that is a file already (one write too large for a memtable) or a
//     Source, and
//   - after the newest run of a view or scan. The view then refers to exactly this table and pins
//     no memory: see pins.
//
// A group is written at once if it cannot grow (the first two cases), if memory is short, if a
// caller waits for one of its runs (Flush, Checkpoint, Tables), if its oldest run is maxRunAge
// old, or if maxWaitingRuns runs or MemtableBytes wait in total.
//
// Invariant: runs reach the tree in order, oldest first.
// Invariant: a sealed run waits at most maxRunAge, unless flushes fail or lag.
//
// Cost: at most maxWaitingRuns more lookups in memory per read. A view every 100 ms with one
// random change each costs 1.5 µs per change, against 1.9 µs with one table per seal.
//
// Thread safety: the lock of the store.
type flushPolicy struct {
	memtableBytes int64         // Options.MemtableBytes
	runAge        time.Duration // longest time that a sealed run waits for others
	dueUpTo       uint64        // newest run that somebody waits for
}

// makeDue makes a run and all older ones due.
func (p *flushPolicy) makeDue(number uint64) { p.dueUpTo = max(p.dueUpTo, number) }

// due returns the runs to write to one table now, newest first, or nil if they wait. memory
// holds the sealed runs, newest first. short is set if memory is short; endsView reports
// whether a run is the newest one of a view.
func (p *flushPolicy) due(memory []*version.SealedRun, short bool, endsView func(uint64) bool) []*version.SealedRun {
	if len(memory) == 0 {
		return nil
	}
	group, full := p.oldest(memory, endsView)
	if full || short || p.isOverdue(memory) {
		return group
	}
	return nil
}

// oldest returns the oldest runs that fit in one table. full is true if no newer run can ever join
// them. It is false if only a view ends the group: once the view closes, newer runs may join.
func (p *flushPolicy) oldest(memory []*version.SealedRun, endsView func(uint64) bool) (group []*version.SealedRun, full bool) {
	at := len(memory) - 1
	bytes := memory[at].Bytes
	if memory[at].IsAlone() {
		return memory[at:], true
	}
	for ; at > 0 && !endsView(memory[at].Number); at-- {
		next := memory[at-1]
		if bytes += next.Bytes; next.IsAlone() || bytes > p.memtableBytes {
			return memory[at:], true
		}
	}
	return memory[at:], false
}

// isOverdue reports whether the runs must not wait: a caller waits for the oldest run, the
// oldest run is too old, or the runs are too many or too large.
func (p *flushPolicy) isOverdue(memory []*version.SealedRun) bool {
	oldest, bytes := memory[len(memory)-1], int64(0)
	for _, r := range memory {
		bytes += r.Bytes
	}
	return oldest.Number <= p.dueUpTo || time.Since(oldest.Sealed) >= p.runAge ||
		len(memory) >= maxWaitingRuns || bytes >= p.memtableBytes
}

// dueRuns returns the sealed runs to write to one table now, newest first, or nil if they wait.
// The caller holds the lock.
func (db *DB) dueRuns() []*version.SealedRun {
	if db.status.failed != nil || db.status.closed {
		return nil
	}
	return db.flushes.due(db.versions.Current().Memory, db.isMemoryShort(), db.pins.endsView)
}

// isMemoryShort reports whether sealed runs must leave memory: a write would have to wait once
// another memtable is full, or the sealed runs of all stores exceed their share of the budget
// (waitingShare). If MemtableBytes is a quarter of the budget or more, it is true whenever a sealed
// memtable exists, and no run waits: memtables may use half of the budget (memtableBudget), and the
// active one and the next one already need all of that.
func (db *DB) isMemoryShort() bool {
	b := db.o.Budget
	return db.versions.Current().MemoryBytes()+2*db.o.MemtableBytes > db.memtableBudget() ||
		b.sealedBytes.Load() > b.Limit()/waitingShare
}

// wakeWhenOld wakes the flusher when the run that was just sealed has reached the age at which it
// must not wait any longer.
func (db *DB) wakeWhenOld() { time.AfterFunc(db.flushes.runAge, db.flusher.wake) }
