package lsm

import (
	"time"

	"github.com/weirstate/weir/lsm/internal/version"
)

// Small runs, as seals in quick succession make them, wait for each other:
// reads find what is new in memory, and the tree has fewer tables.
const (
	// maxWaitingRuns is how many there may be: a read looks into each.
	maxWaitingRuns = 8
	// maxRunAge is how long one may wait.
	maxRunAge = time.Second
	// waitingShare says that none waits when those of all stores take more than this
	// part of their budget, one to eight.
	waitingShare = 8
)

// flushPolicy decides which sealed runs become a table together, and when.
//
// Thread safety: the lock of the store.
type flushPolicy struct {
	memtableBytes int64         // Options.MemtableBytes
	runAge        time.Duration // that a sealed run waits for others at the most
	wanted        uint64        // newest run that somebody waits for to be in the tree
}

// want makes a run due, and all before it.
func (p *flushPolicy) want(number uint64) { p.wanted = max(p.wanted, number) }

// due returns the runs that become a table now, from the newest to the oldest; nil if they
// wait. The runs in memory come as a version has them. Memory may be short, and a run may
// be the newest of a view.
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

// oldest returns those of one table: as far as they come to one memtable, and no
// further than a view that has some of them. Full says that no newer run could join them
// whatever becomes of the view.
func (p *flushPolicy) oldest(memory []*version.SealedRun, endsView func(uint64) bool) (group []*version.SealedRun, full bool) {
	at := len(memory) - 1
	bytes := memory[at].Bytes
	if memory[at].File != nil {
		return memory[at:], true
	}
	for ; at > 0 && !endsView(memory[at].Number); at-- {
		next := memory[at-1]
		if bytes += next.Bytes; next.File != nil || bytes > p.memtableBytes {
			return memory[at:], true
		}
	}
	return memory[at:], false
}

// isOverdue reports whether the oldest run in memory is wanted by somebody, or old, or
// there are many, or a memtable's worth.
func (p *flushPolicy) isOverdue(memory []*version.SealedRun) bool {
	oldest, bytes := memory[len(memory)-1], int64(0)
	for _, r := range memory {
		bytes += r.Bytes
	}
	return oldest.Number <= p.wanted || time.Since(oldest.Sealed) >= p.runAge ||
		len(memory) >= maxWaitingRuns || bytes >= p.memtableBytes
}

// dueRuns are the sealed runs that become a table now, from the newest to the
// oldest; nil if they wait. The lock is held.
func (db *DB) dueRuns() []*version.SealedRun {
	if db.status.failed != nil || db.status.closed {
		return nil
	}
	return db.flushes.due(db.versions.Current().Memory, db.isShort(), db.pins.endsView)
}

// isShort reports whether sealed runs should leave the memory: a write would wait for
// it when one more memtable is full, or other stores of the budget have use for it.
// With memtables of a quarter of the budget or more it always does, and so in one of
// less than 8 MiB.
func (db *DB) isShort() bool {
	b := db.o.Budget
	return db.versions.Current().MemoryBytes()+2*db.o.MemtableBytes > db.memtableBudget() ||
		b.sealedBytes.Load() > b.Limit()/waitingShare
}

// wakeWhenOld sees to it that the run that was just sealed waits no longer than it
// may.
func (db *DB) wakeWhenOld() { time.AfterFunc(db.flushes.runAge, db.flusher.wake) }
