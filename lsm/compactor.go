package lsm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstate/weir/lsm/internal/compaction"
	"github.com/weirstate/weir/lsm/internal/version"
)

// minQuietTime must pass without a write before a store counts as settled. A memtable
// emptied by a checkpoint usually receives writes within this time.
const minQuietTime = 200 * time.Millisecond

// compactor is the worker that compacts, and what it goes by.
//
// Thread safety: the lock of the store, but for running and the worker.
type compactor struct {
	worker
	// running is held by whoever compacts: the worker, or Compact. It is taken before the
	// lock of the store.
	running turn

	extraReadCost int64         // see Shape.ExtraReadCost
	lastSeal      time.Time     // when the active memtable began, or the store was opened
	quietTime     time.Duration // see minQuietTime
	damaged       bool          // no compaction is tried any more
}

// turn is a mutex that can be waited for until a context ends.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// Lock implements sync.Locker.
func (t turn) Lock() { t <- struct{}{} }

// Unlock implements sync.Locker.
func (t turn) Unlock() { <-t }

// lockUntil is Lock that ends with a context, whose cause it returns then.
func (t turn) lockUntil(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// untilQuiet returns how long it is until nothing was written for a while to a store that
// is still.
func (c *compactor) untilQuiet() time.Duration { return c.quietTime - time.Since(c.lastSeal) }

// addReadCost counts tables that a read had to look into besides the first. Now and
// then the compactor may look whether it has become worth its while to join them.
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

// unseenReadCost is how much there may be until the compactor looks: so little that
// it looks long before it pays for a small table, and so much that looking costs
// nothing.
const unseenReadCost = 4096

// isStill reports whether all that was written is in tables. The lock is held.
func (db *DB) isStill() bool { return db.active.Len() == 0 && len(db.versions.Current().Memory) == 0 }

// compactDue does the compaction that is due. If none is, but may be once it has
// been quiet, it waits for that.
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

// quietness reports whether all that was written is in tables, and how long it is until
// the store is quiet then.
func (db *DB) quietness() (still bool, quiet time.Duration) {
	db.lock.Lock()
	defer db.lock.Unlock() // also when a memtable panics
	return db.isStill() && db.status.failed == nil, db.compactor.untilQuiet()
}

// compactOnce does one compaction, if any is due.
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

// treeToCompact returns the current tree with its shape, nil if nothing is compacted any
// more.
func (db *DB) treeToCompact() (*version.Tree, Shape) {
	db.lock.Lock()
	defer db.lock.Unlock() // also when a memtable panics
	if db.status.failed != nil || db.compactor.damaged {
		return nil, Shape{}
	}
	return db.versions.Current().Tree, db.shape()
}

// reportCompaction takes down how a compaction has ended.
func (db *DB) reportCompaction(err error) {
	if err == nil {
		return
	}
	db.lock.Lock()
	// Do not retry: corruption is permanent, and a faulty Picker or Filter would fail
	// again.
	db.compactor.damaged = db.compactor.damaged || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrInvalidOption) || errors.Is(err, ErrTooLarge)
	db.lock.Unlock()
	db.o.Events.CompactionFailed(err)
}

// Compact flushes and merges everything into one run, without what is deleted. It ends with
// the context, whose cause it returns then, and leaves the tables as they were.
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

// compact carries out a pick. db.compactor.running is held, so that files only come
// to level 0 meanwhile, before all that are there.
func (db *DB) compact(t *version.Tree, pick Pick) error {
	return db.compactUntil(context.Background(), t, pick)
}

// compactUntil is compact that ends with a context.
func (db *DB) compactUntil(ctx context.Context, t *version.Tree, pick Pick) error {
	if err := db.takeCompaction(ctx); err != nil {
		return err
	}
	defer db.o.Budget.compactions.give()
	begun := time.Now()
	config := db.compaction
	config.Yield = func() error { return db.yieldToFlush(ctx) }
	c, err := compaction.New(&config, t, pick)
	if err != nil {
		return fmt.Errorf("compaction: %w: %w", ErrInvalidOption, err)
	}
	info := CompactionInfo{From: c.From, To: c.To, Moved: c.IsMove()}
	if !info.Moved {
		if err := db.merge(c, pick.Share, &info); err != nil {
			return fmt.Errorf("compaction of level %d: %w", c.From, err)
		}
	}
	if err := db.commit(c.Change()); err != nil {
		err = errors.Join(err, db.giveUpTables(c.Outputs...), c.CloseRemainders())
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

// takeCompaction waits for a slot of the budget until the store closes or the context ends.
func (db *DB) takeCompaction(ctx context.Context) error {
	either, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(db.ctx, func() { end(ErrClosed) })()
	if db.o.Budget.compactions.take(either) != nil {
		return context.Cause(either)
	}
	return nil
}

// merge writes the outputs of a compaction, if there is room for them.
func (db *DB) merge(c *compaction.Compaction, share float64, info *CompactionInfo) error {
	if err := db.makeRoomOnDisk(c.BytesToWrite(share)); err != nil {
		return err
	}
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

// dropFiles takes files out of the tree.
func (db *DB) dropFiles(files []*version.File) error {
	c := &version.Change{Removed: make(map[*version.File]bool)}
	for _, f := range files {
		c.Removed[f] = true
	}
	if err := db.commit(c); err != nil {
		return fmt.Errorf("drop %d tables: %w", len(files), err)
	}
	info := CompactionInfo{Dropped: true, FilesRead: len(files)}
	db.counters.compacted(info)
	db.o.Events.Compacted(info)
	return nil
}

// shape describes the current tree. The lock is held.
func (db *DB) shape() Shape {
	s := compaction.ShapeOf(db.versions.Current().Tree)
	s.ExtraReadCost, s.Settled = db.compactor.extraReadCost, db.isStill() && db.compactor.untilQuiet() <= 0
	s.MemtableBytes, s.FileBytes = db.o.MemtableBytes, db.o.FileBytes
	return s
}

// yieldToFlush lets flushes go first: writes wait for them sooner than for
// compactions. It returns an error if the compaction is to end, as with the context.
func (db *DB) yieldToFlush(ctx context.Context) error {
	db.lock.Lock()
	defer db.lock.Unlock()
	if db.flushesGoFirst() {
		defer db.wakeAtEnd(ctx)()
	}
	for db.flushesGoFirst() && ctx.Err() == nil {
		db.flusher.wake() // nobody may have told it
		db.progress.Wait()
	}
	switch {
	case db.status.closed || db.ctx.Err() != nil:
		return ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return db.status.failed
}

// flushesGoFirst reports whether a flush is due that compactions wait for. The lock is held.
func (db *DB) flushesGoFirst() bool {
	return db.status.stuck == nil && !db.status.closed && len(db.dueRuns()) > 0 && db.versions.Current().MemoryBytes() > 0
}

// compactionConfig returns what flushes and compactions need of the store.
func (db *DB) compactionConfig() compaction.Config {
	o := &db.o
	return compaction.Config{
		Tables: db.tables, Lock: &db.lock,
		Split: o.Split, PartitionBytes: o.PartitionBytes, FileBytes: o.FileBytes,
		BudgetBytes: o.Budget.Limit(), MaxValueSize: o.MaxValueSize,
		Filter: o.Filter, Filtered: o.filtered,
		Guard:     db.guard,
		Decide:    db.askFilter,
		TooLarge:  func(size, limit int64) error { return &SizeError{"value", size, limit} },
		NewNumber: db.newFileNumber, Report: db.report,
		Yield: func() error { return db.yieldToFlush(context.Background()) },
	}
}
