package lsm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstate/weir/lsm/internal/compaction"
	"github.com/weirstate/weir/lsm/internal/version"
)

// minQuietTime must pass without a write before a store counts as settled. A memtable emptied
// by a checkpoint usually receives writes within this time.
const minQuietTime = 200 * time.Millisecond

// compactor is the background worker that merges tables.
//
// One round (compactOnce):
//
//  1. Tables that a newer DeleteRange hides completely are dropped unread.
//  2. The Picker chooses the tables to merge. No pick ends the round.
//  3. A single table that overlaps nothing moves down; its file stays. Otherwise the compaction
//     merges the tables into new ones, without the lock.
//  4. commit installs the result. Errors are retried after 10 ms, doubling to 5 s; corruption and
//     a faulty Picker or Filter stop compactions for good (damaged).
//
// Rounds start when the store opens, after each flush and after each compaction, when the extra
// cost of reads has grown by unseenReadCost, and once the store is settled: everything is in
// tables and nothing was written for minQuietTime.
//
// Halves. A compaction of level 0 rewrites every table of level 1 that it overlaps, usually all
// of them. The default Picker therefore moves level 0 down in two halves (Pick.Share = 0.5) if
// the inputs have 2 × FileBytes or more and level 0 has fewer than 8 runs:
//
//	             keys  a ──────────────── z
//	level 0      r4    [────────────────]         before
//	             r3    [────────────────]
//	level 1            [───][───][───][──]
//
//	level 0      r4            [────────]         after the first half: it ends at the first
//	             r3            [────────]         partition border after half of the entries
//	level 1            [──][──] [──][──]
//
// The upper parts of r3 and r4 remain in level 0 as virtual tables: the same files with a lower
// bound (Clip). The second half waits until level 0 has enough new runs: a half counts as half
// a run, and 4 runs in total start the next compaction. So one incremental checkpoint rarely
// uploads both halves of level 1. A file is removed after its last virtual table is gone: see
// obsoleteFiles.
//
// Invariant: one compaction per store at a time (running). The stores of a budget share the slots
// of jobs.
// Invariant: during a compaction, other changes only add newer tables to level 0.
// Invariant: a pick is refused if an entry of its output could be above a newer entry, or below
// an older one, of the same key (compaction.CheckPick).
//
// Cost: with levels ten times larger each, an entry is rewritten up to ten times per level. A
// merge works in quanta and lets flushes pass in between (jobs). It does not begin without room on
// the disk (checkDiskRoom).
//
// Source: LevelDB's doc/impl.md; the choice of the table of a level follows RocksDB's
// kMinOverlappingRatio.
//
// Thread safety: the lock of the store, except running and the worker.
type compactor struct {
	worker
	// running is held during a compaction, by the worker or by Compact. It is taken before the
	// lock of the store.
	running contextMutex

	extraReadCost int64         // see Shape.ExtraReadCost
	lastSeal      time.Time     // time of the last seal, at first of the opening
	quietTime     time.Duration // minQuietTime; tests change it
	damaged       bool          // no more compactions are tried
}

// contextMutex is a mutex whose waiting a context can end.
type contextMutex chan struct{}

// newContextMutex returns an unlocked mutex.
func newContextMutex() contextMutex { return make(contextMutex, 1) }

// Lock implements sync.Locker.
func (m contextMutex) Lock() { m <- struct{}{} }

// Unlock implements sync.Locker.
func (m contextMutex) Unlock() { <-m }

// lockUntil is Lock that returns the context's cause if the context ends first.
func (m contextMutex) lockUntil(ctx context.Context) error {
	select {
	case m <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// untilQuiet returns the time until a store without unflushed writes counts as settled.
func (c *compactor) untilQuiet() time.Duration { return c.quietTime - time.Since(c.lastSeal) }

// addReadCost adds n units to the extra cost of reads: see Shape.ExtraReadCost. It wakes the
// compactor once per unseenReadCost, to check whether merging tables is worth its cost.
func (c *compactor) addReadCost(n int) {
	if n <= 0 {
		return
	}
	before := c.extraReadCost
	c.extraReadCost += int64(n)
	if c.extraReadCost/unseenReadCost != before/unseenReadCost {
		c.wake()
	}
}

// unseenReadCost is the growth of extraReadCost between two checks. It is far below the cost
// that justifies merging a small table, and far above the cost of a check.
const unseenReadCost = 4096

// isFlushed reports whether all writes are in tables. The caller holds the lock.
func (db *DB) isFlushed() bool { return db.active.Len() == 0 && len(db.versions.Current().Memory) == 0 }

// compactDue is the work of the compactor: it does one compaction. If none is due, but one may
// be once the store is settled, it waits until then.
func (db *DB) compactDue() (more bool, err error) {
	still, quiet := db.quietness()
	if more, err = db.compactOnce(); more || err != nil || !still || quiet <= 0 {
		return more, err
	}
	select {
	case <-time.After(quiet):
	case <-db.compactor.woken:
	case <-db.ctx.Done():
	}
	return true, nil
}

// quietness reports whether all writes are in tables, and how long until the store is settled.
func (db *DB) quietness() (still bool, quiet time.Duration) {
	db.lock.Lock()
	defer db.lock.Unlock() // deferred, because a memtable may panic
	return db.isFlushed() && db.status.failed == nil, db.compactor.untilQuiet()
}

// compactOnce does one compaction if one is due, and reports whether it did.
func (db *DB) compactOnce() (more bool, err error) {
	db.compactor.running.Lock()
	defer db.compactor.running.Unlock()
	t, shape := db.treeToCompact()
	if t == nil {
		return false, nil
	}
	if covered := t.Covered(); len(covered) > 0 {
		return true, db.dropFiles(covered)
	}
	pick, err := db.askPicker(shape)
	if err != nil || pick == nil || len(pick.Files) == 0 {
		return false, err
	}
	return true, db.compact(t, *pick)
}

// treeToCompact returns the current tree and its shape, or nil if compactions have stopped.
func (db *DB) treeToCompact() (*version.Tree, Shape) {
	db.lock.Lock()
	defer db.lock.Unlock() // deferred, because a memtable may panic
	if db.status.failed != nil || db.compactor.damaged {
		return nil, Shape{}
	}
	return db.versions.Current().Tree, db.shape()
}

// reportCompaction handles the error of a compaction.
func (db *DB) reportCompaction(err error) {
	if err == nil {
		return
	}
	db.lock.Lock()
	// Do not retry: corruption is permanent, and a faulty Picker or Filter would fail again.
	db.compactor.damaged = db.compactor.damaged || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrInvalidOption) || errors.Is(err, ErrTooLarge)
	db.lock.Unlock()
	db.o.Events.CompactionFailed(err)
}

// Compact flushes the store and merges everything into one run, which drops deleted entries. If
// the context ends first, Compact returns its cause, and the tables do not change.
func (db *DB) Compact(ctx context.Context) error {
	if err := db.Flush(ctx); err != nil {
		return err
	}
	if err := db.compactor.running.lockUntil(ctx); err != nil {
		return err
	}
	defer db.compactor.running.Unlock()
	db.lock.Lock()
	err, t := db.status.checkWritable(), db.versions.Current().Tree
	db.lock.Unlock()
	if err != nil {
		return err
	}
	pick := Pick{To: 1}
	for level, files := range t.Levels {
		for _, f := range files {
			pick.Files = append(pick.Files, f.Number)
			pick.To = max(pick.To, level)
		}
	}
	if len(pick.Files) == 0 {
		return nil
	}
	return db.compactUntil(ctx, t, pick)
}

// compact executes a pick. The caller holds db.compactor.running, so other changes only add
// newer tables to level 0.
func (db *DB) compact(t *version.Tree, pick Pick) error {
	return db.compactUntil(context.Background(), t, pick)
}

// compactUntil is compact that stops when the context ends.
func (db *DB) compactUntil(ctx context.Context, t *version.Tree, pick Pick) error {
	begun := time.Now()
	config := db.compaction
	c, err := compaction.New(&config, t, pick)
	if err != nil {
		return fmt.Errorf("compaction: %w: %w", ErrInvalidOption, err)
	}
	info := CompactionInfo{From: c.From, To: c.To, Moved: c.IsMove()}
	if !info.Moved {
		if err := db.merge(ctx, c, pick.Share, &info); err != nil {
			return fmt.Errorf("compaction of level %d: %w", c.From, err)
		}
	}
	if err := db.commit(c.Change()); err != nil {
		err = errors.Join(err, db.discardTables(c.Outputs...), c.CloseRemainders())
		return fmt.Errorf("compaction of level %d: %w", c.From, err)
	}
	db.lock.Lock()
	if c.End == nil {
		db.compactor.extraReadCost = 0
	}
	db.o.Budget.handles.Trim(&db.lock)
	db.lock.Unlock()
	info.Took = time.Since(begun)
	db.counters.compacted(info)
	db.o.Events.Compacted(info)
	return nil
}

// merge waits for a slot and writes the outputs of a compaction, if the disk has room for them.
func (db *DB) merge(ctx context.Context, c *compaction.Compaction, share float64, info *CompactionInfo) error {
	ctx, end := db.untilClosed(ctx)
	defer end()
	rank := deeperJob
	if c.From == 0 {
		rank = level0Job
	}
	slot, err := db.o.Budget.jobs.begin(ctx, rank)
	if err != nil {
		return err
	}
	defer slot.end()
	if err := db.checkDiskRoom(c.BytesToWrite(share)); err != nil {
		return err
	}
	c.Yield = db.yieldFunc(ctx, slot)
	if err := c.Merge(); err != nil {
		return errors.Join(db.stopIfLost(db.failIfPanic(err)), c.Discard())
	}
	info.FilesRead, info.FilesWritten = len(c.Inputs), len(c.Outputs)
	info.BytesRead = c.BytesRead()
	for _, f := range c.Outputs {
		info.BytesWritten += f.Size
	}
	return nil
}

// untilClosed returns a context that also ends, with ErrClosed, when the store closes. The caller
// calls end.
func (db *DB) untilClosed(ctx context.Context) (either context.Context, end func()) {
	either, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(db.ctx, func() { cancel(ErrClosed) })
	return either, func() { stop(); cancel(nil) }
}

// statusQuanta is the number of quanta after which a compaction takes the lock of the store to check
// its state: 2 ms of work.
const statusQuanta = 20

// yieldFunc returns the function that a compaction calls after each quantum. It lets flushes of all
// stores of the budget pass. It returns an error if the compaction must end: the store closes or
// has failed, or the context ends.
func (db *DB) yieldFunc(ctx context.Context, slot *job) func() error {
	quanta := 0
	return func() error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if quanta++; quanta%statusQuanta == 0 {
			if err := db.checkDuringMerge(); err != nil {
				return err
			}
		}
		return slot.yield(ctx)
	}
}

// checkDuringMerge returns the error of a failed store. If a flush is due, it wakes the flusher:
// memory that other stores of the budget take can make a flush due, and they do not wake it.
func (db *DB) checkDuringMerge() error {
	db.lock.Lock()
	defer db.lock.Unlock()
	if db.status.flushErr == nil && len(db.dueRuns()) > 0 {
		db.flusher.wake()
	}
	return db.status.failed
}

// dropFiles removes files from the tree.
func (db *DB) dropFiles(files []*version.File) error {
	c := &version.Change{Removed: make(map[*version.File]bool)}
	for _, f := range files {
		c.Removed[f] = true
	}
	if err := db.commit(c); err != nil {
		return fmt.Errorf("drop of %d tables: %w", len(files), err)
	}
	info := CompactionInfo{Dropped: true, FilesRead: len(files)}
	db.counters.compacted(info)
	db.o.Events.Compacted(info)
	return nil
}

// shape returns the shape of the current tree. The caller holds the lock.
func (db *DB) shape() Shape {
	s := compaction.ShapeOf(db.versions.Current().Tree)
	s.ExtraReadCost, s.Settled = db.compactor.extraReadCost, db.isFlushed() && db.compactor.untilQuiet() <= 0
	s.MemtableBytes, s.FileBytes = db.o.MemtableBytes, db.o.FileBytes
	return s
}

// compactionConfig returns the configuration of flushes and compactions.
func (db *DB) compactionConfig() compaction.Config {
	o := &db.o
	return compaction.Config{
		Tables: db.tables, Lock: &db.lock,
		Split: o.Split, PartitionBytes: o.PartitionBytes, FileBytes: o.FileBytes,
		BudgetBytes: o.Budget.Limit(), MaxValueSize: o.MaxValueSize,
		Filter: o.Filter, Filtered: o.filtered,
		Guard:     db.guard,
		Entries:   db.o.entriesOf,
		Decide:    db.askFilter,
		TooLarge:  func(size, limit int64) error { return &SizeError{"value", size, limit} },
		NewNumber: db.newFileNumber, Report: db.report,
	}
}
