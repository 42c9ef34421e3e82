package lsm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstate/weir/lsm/internal/version"
)

// Flush writes everything that was written so far to tables and syncs them. If the context ends
// first, it returns the context's cause, and the flush continues in the background.
func (db *DB) Flush(ctx context.Context) (err error) {
	if err := checkContext(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	if err := db.lockForWrite(); err != nil {
		return err
	}
	defer db.unlockAfterWrite(&err)
	if err := db.flushAll(ctx); err != nil {
		return err
	}
	return db.waitForLog(ctx)
}

// flushAll is Flush for callers that hold the lock. It releases the lock while it waits.
func (db *DB) flushAll(ctx context.Context) error {
	if err := db.seal(); err != nil {
		return err
	}
	return db.waitForRun(ctx, db.activeRun-1)
}

// waitForRun makes a run and all older ones due, and waits until they are in the tree, a flush
// that begins from now on fails, or the context ends. The caller holds the lock; waitForRun
// releases it while it waits.
func (db *DB) waitForRun(ctx context.Context, number uint64) error {
	defer db.broadcastAtEnd(ctx)()
	db.status.flushErr = nil // the next flush may succeed
	begun := db.status.flushTries
	db.flushes.makeDue(number)
	db.flusher.wake()
	for {
		memory := db.versions.Current().Memory
		if len(memory) == 0 || memory[len(memory)-1].Number > number {
			return nil
		}
		switch {
		case db.status.closed:
			return ErrClosed
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case db.status.failed != nil:
			return db.status.failed
		case db.status.flushErr != nil && db.status.flushErrTry > begun:
			return db.status.flushErr
		}
		db.progress.Wait()
	}
}

// broadcastAtEnd wakes all goroutines that wait for progress when the context ends. The
// returned function cancels that.
func (db *DB) broadcastAtEnd(ctx context.Context) (callOff func() bool) {
	return context.AfterFunc(ctx, func() {
		db.lock.Lock()
		defer db.lock.Unlock()
		db.progress.Broadcast()
	})
}

// flushDue is the work of the flusher: it flushes the runs that are due, and repairs the
// manifest and the log after failed writes.
func (db *DB) flushDue() (more bool, err error) {
	db.lock.Lock()
	db.status.flushTries++
	db.lock.Unlock()
	slot, err := db.o.Budget.jobs.begin(db.ctx, flushJob)
	if err != nil {
		return false, ErrClosed
	}
	defer slot.end()
	if err := db.repairManifest(); err != nil {
		return false, err
	}
	group := db.runsToFlush()
	if len(group) == 0 {
		if err := db.repairLog(); err != nil {
			return false, err
		}
		db.sortRuns()
		return false, nil
	}
	return true, db.flush(group)
}

// runsToFlush is dueRuns for callers that do not hold the lock.
func (db *DB) runsToFlush() []*version.SealedRun {
	db.lock.Lock()
	defer db.lock.Unlock() // deferred, because a memtable may panic
	return db.dueRuns()
}

// sortRuns sorts waiting runs in the background, so that scans need not.
func (db *DB) sortRuns() {
	db.lock.Lock()
	if db.status.failed != nil {
		db.lock.Unlock()
		return
	}
	v := db.versions.Current().Ref()
	db.lock.Unlock()
	for _, r := range v.Memory {
		if r.Table != nil {
			db.report(r.Table.Iterator().Close())
		}
	}
	db.lock.Lock()
	defer db.lock.Unlock()
	db.versions.Unref(v)
}

// reportFlush records the result of a flush and wakes the writers that wait for it.
func (db *DB) reportFlush(err error) {
	db.lock.Lock()
	defer db.lock.Unlock()
	db.status.flushErr = nil
	if err != nil {
		db.status.flushErr, db.status.flushErrTry = fmt.Errorf("%w: %w", ErrStalled, err), db.status.flushTries
		db.o.Events.FlushFailed(err)
	}
	db.progress.Broadcast()
}

// flush writes runs to a table, unless they are one already, and adds it to the tree. Then it
// closes the source of the runs.
func (db *DB) flush(group []*version.SealedRun) error {
	begun := time.Now()
	newest := group[0].Number
	f := group[0].File
	if f == nil {
		var err error
		if f, err = db.writeRuns(group); err != nil {
			return fmt.Errorf("flush run %d: %w", newest, db.stopIfLost(err))
		}
	}
	change := version.Change{Flushed: group}
	if f != nil {
		change.Added[0] = []*version.File{f}
	}
	if err := db.commit(&change); err != nil {
		if f != nil && f != group[0].File {
			err = errors.Join(err, db.discardTables(f))
		}
		return fmt.Errorf("flush run %d: %w", newest, err)
	}
	if f != nil {
		db.o.Events.Flushed(FlushInfo{Run: newest, File: f.Number, Bytes: f.Size, Entries: f.Entries, Took: time.Since(begun)})
	}
	db.closeSources(group)
	db.compactor.wake()
	return nil
}

// writeRuns writes the entries of memtables or of a source to a table of level 0. It returns nil if there are
// no entries.
func (db *DB) writeRuns(group []*version.SealedRun) (*version.File, error) {
	db.lock.Lock()
	older := db.versions.Current().Tree.Runs() // compactions change the tree, but not the set of its keys
	db.lock.Unlock()
	return db.compaction.WriteRuns(group, &older, func() error {
		if db.ctx.Err() != nil {
			return ErrClosed
		}
		return nil
	})
}
