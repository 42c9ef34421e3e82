package lsm

import (
	"sync/atomic"
	"time"

	"github.com/weirstate/weir/lsm/internal/version"
)

// NumLevels is the number of levels of a tree, including level 0.
const NumLevels = version.NumLevels

// Metrics holds figures of a store. Counters start at 0 when the store is opened.
type Metrics struct {
	// Levels has the figures of each level.
	Levels [NumLevels]LevelMetrics
	// Sealed is the number of runs that are not in the tree yet.
	Sealed int
	// MemtableBytes is the memory of memtables, a part of BudgetUsed.
	MemtableBytes int64
	// BudgetUsed and BudgetLimit are the memory in use and the limit of the store's budget, in
	// bytes.
	BudgetUsed, BudgetLimit int64
	// Flushing reports whether the flusher is working, or sealed runs wait for it; small runs
	// wait up to a second. Compacting reports whether the compactor is merging tables, or will
	// check soon whether to merge. It checks after each change of the tree, and again after 200
	// ms without writes. If both are false and there are no writes, the tree no longer changes.
	// Calls of Compact are not included.
	Flushing, Compacting bool

	// Lookups counts the keys that Get, Peek, Has and Floor looked up, in the store and in
	// views. MemtableHits counts the lookups that memtables answered without reading a table.
	Lookups, MemtableHits int64
	// CacheHits and CacheMisses count the blocks that reads and iterators looked up in the
	// cache. Compactions do not use the cache.
	CacheHits, CacheMisses int64
	// FilterUseful counts tables that a filter has excluded from a lookup. FilterFalsePositives
	// counts tables that passed the filter but have no entry of the key.
	FilterUseful, FilterFalsePositives int64

	// Flushes counts flushes that have written a table. Compactions includes moves and drops.
	Flushes, Compactions int64
	// FlushedBytes and CompactedBytes count bytes written to tables. Their sum divided by
	// FlushedBytes is the write amplification.
	FlushedBytes, CompactedBytes int64
	// Slowed is the total time that the write throttle made writers sleep. Stalled is the total
	// time that writers waited for a flush. LongestStall is the longest single wait of both
	// kinds.
	Slowed, Stalled, LongestStall time.Duration
}

// LevelMetrics holds figures of one level.
type LevelMetrics struct {
	Files int   // number of tables
	Bytes int64 // size of the tables
}

// DiskBytes returns the total size of the tree's tables in bytes.
func (m Metrics) DiskBytes() (n int64) {
	for _, l := range m.Levels {
		n += l.Bytes
	}
	return n
}

// Budget returns the budget of the store. A budget that the store has made itself closes with it.
func (db *DB) Budget() *Budget { return db.o.Budget }

// Metrics returns the current figures. After Close all are zero.
func (db *DB) Metrics() (m Metrics) {
	db.lock.Lock()
	var panicked error // of a memtable: then all figures are zero
	defer db.unlock(&panicked)
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
	// Read Flushing first: a flush wakes the compactor when it ends.
	m.Flushing = db.flusher.isBusy() || m.Sealed > 0 && db.status.failed == nil
	m.Compacting = db.compactor.isBusy()
	c := &db.counters
	m.Flushes, m.Compactions = c.flushes.Load(), c.compactions.Load()
	m.FlushedBytes, m.CompactedBytes = c.flushedBytes.Load(), c.compactedBytes.Load()
	m.Slowed, m.Stalled = time.Duration(c.slowedNanos.Load()), time.Duration(c.stalledNanos.Load())
	m.LongestStall = time.Duration(c.longestNanos.Load())
	return m
}

// counters holds the figures that count up.
type counters struct {
	flushes, compactions         atomic.Int64
	flushedBytes, compactedBytes atomic.Int64
	slowedNanos, stalledNanos    atomic.Int64
	longestNanos                 atomic.Int64
}

// flushed counts a flush that has written a table of some bytes.
func (c *counters) flushed(bytes int64) {
	c.flushes.Add(1)
	c.flushedBytes.Add(bytes)
}

// compacted counts a compaction.
func (c *counters) compacted(i CompactionInfo) {
	c.compactions.Add(1)
	c.compactedBytes.Add(i.BytesWritten)
}

// slowed adds a sleep of the write throttle.
func (c *counters) slowed(d time.Duration) {
	c.slowedNanos.Add(int64(d))
	c.longest(d)
}

// stalled adds a wait for a flush.
func (c *counters) stalled(d time.Duration) {
	c.stalledNanos.Add(int64(d))
	c.longest(d)
}

// longest records a wait. The caller holds the lock of the store.
func (c *counters) longest(d time.Duration) {
	c.longestNanos.Store(max(c.longestNanos.Load(), int64(d)))
}
