package lsm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstate/weir/lsm/internal/version"
)

// Flush brings everything that was written so far to the disk, for good. It ends with the
// context, whose cause it returns then; the flush goes on by itself.
func (db *DB) Flush(ctx context.Context) (err error) {
	if err := db.enterToWrite(); err != nil {
		return err
	}
	defer db.leaveWrite(&err)
	if err := db.flushAll(ctx); err != nil {
		return err
	}
	return db.waitForLog(ctx)
}

// flushAll is Flush under the lock, which is not held while it waits.
func (db *DB) flushAll(ctx context.Context) error {
	if err := db.seal(); err != nil {
		return err
	}
	return db.waitForRun(ctx, db.activeRun-1)
}

// waitForRun has a run and all before it flushed, and waits until they are in the
// tree, or a flush that begins from now on fails, or the context ends. The lock is held,
// but not while it waits.
func (db *DB) waitForRun(ctx context.Context, number uint64) error {
	defer db.wakeAtEnd(ctx)()
	db.status.stuck = nil // it may be otherwise now
	begun := db.status.tries
	db.flushes.want(number)
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
		case db.status.stuck != nil && db.status.stuckTry > begun:
			return db.status.stuck
		}
		db.progress.Wait()
	}
}

// wakeAtEnd wakes those who wait for progress when a context ends, until it is called off.
func (db *DB) wakeAtEnd(ctx context.Context) (callOff func() bool) {
	return context.AfterFunc(ctx, func() {
		db.lock.Lock()
		defer db.lock.Unlock()
		db.progress.Broadcast()
	})
}

// flushDue brings runs to the tree if it is time to.
func (db *DB) flushDue() (more bool, err error) {
	db.lock.Lock()
	db.status.tries++
	db.lock.Unlock()
	if err := db.o.Budget.flushes.take(db.ctx); err != nil {
		return false, err
	}
	defer db.o.Budget.flushes.give()
	if err := db.mendManifest(); err != nil {
		return false, err
	}
	group := db.runsToFlush()
	if len(group) == 0 {
		if err := db.mendLog(); err != nil {
			return false, err
		}
		db.sortRuns()
		return false, nil
	}
	return true, db.flush(group)
}

// runsToFlush is dueRuns for a caller without the lock.
func (db *DB) runsToFlush() []*version.SealedRun {
	db.lock.Lock()
	defer db.lock.Unlock() // also when a memtable panics
	return db.dueRuns()
}

// sortRuns sorts the runs that wait, as their flush will need them, so that a scan
// finds them sorted, which sorts under the lock what is not.
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

// reportFlush takes down how a flush has ended.
func (db *DB) reportFlush(err error) {
	db.lock.Lock()
	defer db.lock.Unlock()
	db.status.stuck = nil
	if err != nil {
		db.status.stuck, db.status.stuckTry = fmt.Errorf("%w: %w", ErrStalled, err), db.status.tries
		db.o.Events.FlushFailed(err)
	}
	db.progress.Broadcast()
}

// flush writes runs into a file, unless they are one, and brings it to the tree.
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
			err = errors.Join(err, db.giveUpTables(f))
		}
		return fmt.Errorf("flush run %d: %w", newest, err)
	}
	if f != nil {
		info := FlushInfo{Run: newest, File: f.Number, Bytes: f.Size, Entries: f.Entries, Took: time.Since(begun)}
		db.counters.flushed(info)
		db.o.Events.Flushed(info)
	}
	db.compactor.wake()
	return nil
}

// writeRuns writes the entries of memtables into a file of level 0; nil if there
// are none.
func (db *DB) writeRuns(group []*version.SealedRun) (*version.File, error) {
	db.lock.Lock()
	older := db.versions.Current().Tree.Runs() // compactions change them, but not which keys they have
	db.lock.Unlock()
	return db.compaction.WriteRuns(group, &older, func() error {
		if db.ctx.Err() != nil {
			return ErrClosed
		}
		return nil
	})
}
