package lsm

import (
	"sync/atomic"
	"time"

	"github.com/weirstate/weir/lsm/internal/version"
)

// NumLevels is the number of levels of a tree, level 0 included.
const NumLevels = version.NumLevels

// Metrics are figures of a store. All that counts begins when it is opened.
type Metrics struct {
	Levels [NumLevels]LevelMetrics
	// Sealed is the number of runs that are not in the tree yet.
	Sealed int
	// MemtableBytes is what memtables take, of all memory that BudgetUsed has.
	MemtableBytes           int64
	BudgetUsed, BudgetLimit int64
	// Flushing says whether sealed runs are about to come to the tree, which small
	// ones may take a second to do; Compacting whether tables are joined, or nobody
	// has looked yet whether they must be, which is once more when nothing was written
	// for a fifth of a second. A store to which nobody writes, and for
	// which both are false, stays as it is. Compact is not counted.
	Flushing, Compacting bool

	// Lookups counts keys that Get, Peek, Has or Floor looked up, in the store or in
	// views; MemtableHits those of them that memtables decided, so that no file was asked.
	Lookups, MemtableHits int64
	// CacheHits and CacheMisses count blocks that reads and iterators looked for in the
	// cache. Compactions pass it by.
	CacheHits, CacheMisses int64
	// FilterUseful counts files that a filter kept a lookup from reading,
	// FilterFalsePositives files that a filter let it read although they have no entry for
	// the key.
	FilterUseful, FilterFalsePositives int64

	Flushes     int64
	Compactions int64 // moves and drops included
	// FlushedBytes and CompactedBytes were written to tables; their sum by
	// FlushedBytes is the write amplification.
	FlushedBytes, CompactedBytes int64
	// Slowed is how long writes were made to wait so that the workers can keep
	// up, Stalled how long they had to wait for them. LongestStall is the
	// longest single wait of either.
	Slowed, Stalled, LongestStall time.Duration
}

// LevelMetrics are those of a level.
type LevelMetrics struct {
	Files int
	Bytes int64
}

// DiskBytes returns the size of all tables of the tree in bytes.
func (m Metrics) DiskBytes() (n int64) {
	for _, l := range m.Levels {
		n += l.Bytes
	}
	return n
}

// Metrics returns the figures of the moment, zeros after Close.
func (db *DB) Metrics() (m Metrics) {
	db.lock.Lock()
	var panicked error // of a memtable: the figures are zero then
	defer db.leave(&panicked)
	if db.status.closed {
		return m
	}
	for level, files := range db.versions.Current().Tree.Levels {
		m.Levels[level] = LevelMetrics{len(files), db.versions.Current().Tree.Bytes(level)}
	}
	m.Sealed = len(db.versions.Current().Memory)
	m.MemtableBytes = db.active.Bytes() + db.versions.Current().MemoryBytes()
	m.BudgetUsed, m.BudgetLimit = db.o.Budget.Used(), db.o.Budget.Limit()
	m.Lookups, m.MemtableHits = db.scratch.lookups, db.scratch.inMemory
	reads := db.lock.Counts()
	m.CacheHits, m.CacheMisses = reads.CacheHits, reads.CacheMisses
	m.FilterUseful, m.FilterFalsePositives = reads.Useful, reads.FalsePositives
	// Flushing first: a flush wakes the compactor at its end.
	m.Flushing = db.flusher.isBusy() || m.Sealed > 0 && db.status.failed == nil
	m.Compacting = db.compactor.isBusy()
	c := &db.counters
	m.Flushes, m.Compactions = c.flushes.Load(), c.compactions.Load()
	m.FlushedBytes, m.CompactedBytes = c.flushedBytes.Load(), c.compactedBytes.Load()
	m.Slowed, m.Stalled = time.Duration(c.slowedNanos.Load()), time.Duration(c.stalledNanos.Load())
	m.LongestStall = time.Duration(c.longestNanos.Load())
	return m
}

// counters are behind the metrics that count.
type counters struct {
	flushes, compactions         atomic.Int64
	flushedBytes, compactedBytes atomic.Int64
	slowedNanos, stalledNanos    atomic.Int64
	longestNanos                 atomic.Int64
}

func (c *counters) flushed(i FlushInfo) {
	c.flushes.Add(1)
	c.flushedBytes.Add(i.Bytes)
}

func (c *counters) compacted(i CompactionInfo) {
	c.compactions.Add(1)
	c.compactedBytes.Add(i.BytesWritten)
}

func (c *counters) slowed(d time.Duration) {
	c.slowedNanos.Add(int64(d))
	c.longest(d)
}

func (c *counters) stalled(d time.Duration) {
	c.stalledNanos.Add(int64(d))
	c.longest(d)
}

// longest is called under the lock of the store.
func (c *counters) longest(d time.Duration) {
	c.longestNanos.Store(max(c.longestNanos.Load(), int64(d)))
}
