package lsm

import (
	"time"

	"github.com/weirstate/weir/lsm/internal/version"
)

// Small runs, of which seals in quick succession make many, wait for each other:
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

// dueRuns are the sealed runs that become a table now, from the newest to the
// oldest; none if they wait. The lock is held.
func (db *DB) dueRuns() []*version.SealedRun {
	memory := db.versions.Current().Memory
	if len(memory) == 0 || db.failed != nil || db.closed {
		return nil
	}
	group, full := db.oldestRuns(memory)
	if full || db.waitNoLonger(memory) {
		return group
	}
	return nil
}

// oldestRuns are those of one table: as far as they come to one memtable, and no
// further than a view or an iterator that has some of them. Full says that no newer run
// could join them whatever becomes of the view.
func (db *DB) oldestRuns(memory []*version.SealedRun) (group []*version.SealedRun, full bool) {
	at := len(memory) - 1
	bytes := memory[at].Bytes
	if memory[at].File != nil {
		return memory[at:], true
	}
	for ; at > 0 && !db.endsView(memory[at].Number); at-- {
		next := memory[at-1]
		if bytes += next.Bytes; next.File != nil || bytes > db.o.MemtableBytes {
			return memory[at:], true
		}
	}
	return memory[at:], false
}

// waitNoLonger says whether the oldest run in memory is wanted by somebody, or old,
// or there are many, or a memtable's worth, or memory is short.
func (db *DB) waitNoLonger(memory []*version.SealedRun) bool {
	oldest, bytes := memory[len(memory)-1], int64(0)
	for _, r := range memory {
		bytes += r.Bytes
	}
	return oldest.Number <= db.wantedRun || time.Since(oldest.Sealed) >= db.runAge ||
		len(memory) >= maxWaitingRuns || bytes >= db.o.MemtableBytes || db.isShort()
}

// isShort says whether sealed runs should leave the memory: a write would wait for
// it when one more memtable is full, or other stores of the budget have use for it.
// With memtables of a quarter of the budget or more it always does, and so in one of
// less than 8 MiB.
func (db *DB) isShort() bool {
	b := db.o.Budget
	return db.sealedBytes()+2*db.o.MemtableBytes > db.memtableBudget() ||
		b.sealedBytes.Load() > b.Limit()/waitingShare
}

// wakeWhenOld sees to it that the run that was just sealed waits no longer than it
// may.
func (db *DB) wakeWhenOld() { time.AfterFunc(db.runAge, db.flusher.wake) }
