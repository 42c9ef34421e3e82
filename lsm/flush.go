package lsm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/weirstate/weir/internal/run"
)

// Flush brings everything that was written so far to the disk, for good.
func (db *DB) Flush() error {
	if err := db.enterToWrite(); err != nil {
		return err
	}
	defer db.owner.Unlock()
	return db.flushAll()
}

// flushAll is Flush under the lock, which is not held while it waits.
func (db *DB) flushAll() error {
	if err := db.seal(); err != nil {
		return err
	}
	return db.waitForRun(context.Background(), db.activeRun-1)
}

// waitForRun has a run and all before it flushed, and waits until they are in the
// tree, or the context ends. The lock is held, but not while it waits.
func (db *DB) waitForRun(ctx context.Context, number uint64) error {
	defer context.AfterFunc(ctx, func() {
		db.owner.Lock()
		defer db.owner.Unlock()
		db.progress.Broadcast()
	})()
	db.stuck = nil // it may be otherwise now
	db.flusher.wake()
	for {
		memory := db.current.memory
		if len(memory) == 0 || memory[len(memory)-1].number > number {
			return nil
		}
		switch {
		case db.closed:
			return ErrClosed
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case db.failed != nil:
			return db.failed
		case db.stuck != nil:
			return db.stuck
		}
		db.progress.Wait()
	}
}

// flushOldest brings the oldest sealed run to the tree.
func (db *DB) flushOldest() (more bool, err error) {
	db.owner.Lock()
	var oldest *sealedRun
	if n := len(db.current.memory); n > 0 && db.failed == nil {
		oldest = db.current.memory[n-1]
	}
	db.owner.Unlock()
	if oldest == nil {
		return false, nil
	}
	return true, db.flush(oldest)
}

// reportFlush takes down how a flush has ended.
func (db *DB) reportFlush(err error) {
	db.owner.Lock()
	defer db.owner.Unlock()
	db.stuck = nil
	if err != nil {
		db.stuck = fmt.Errorf("%w: %w", ErrStalled, err)
		db.o.Events.FlushFailed(err)
	}
	db.progress.Broadcast()
}

// flush writes a run into a file, unless it is one, and brings it to the tree.
func (db *DB) flush(r *sealedRun) error {
	begun := time.Now()
	f := r.file
	if f == nil {
		var err error
		if f, err = db.writeRun(r); err != nil {
			return fmt.Errorf("flush run %d: %w", r.number, err)
		}
	}
	change := change{flushed: r}
	if f != nil {
		change.added[0] = []*file{f}
	}
	if err := db.commit(&change); err != nil {
		if f != nil && f != r.file {
			err = errors.Join(err, db.closeTable(f))
		}
		return fmt.Errorf("flush run %d: %w", r.number, err)
	}
	if f != nil {
		info := FlushInfo{Run: r.number, File: f.number, Bytes: f.size, Entries: f.entries, Took: time.Since(begun)}
		db.counters.flushed(info)
		db.o.Events.Flushed(info)
	}
	db.compactor.wake()
	return nil
}

// writeRun writes the entries of a memtable into a file of level 0; nil if there
// are none.
func (db *DB) writeRun(r *sealedRun) (*file, error) {
	if r.table.Len() == 0 {
		return nil, nil
	}
	it := r.table.Iterator()
	defer it.Close()
	older := db.tableRuns()
	return db.writeTable(db.newFileNumber(), r.number, r.table.Ranges(), func(w *tableWriter) error {
		for ok := it.Seek(nil); ok; ok = it.Next() {
			e := *it.Entry()
			// An append that nothing is there for is a value. Nor was there when views of
			// this run were opened: only a Filter takes away what they see.
			if e.Kind == run.Append && !db.o.filters(e.Key) && !older.mayHaveKey(e.Key) {
				e.Kind = run.Set
			}
			if err := w.add(&e); err != nil {
				return err
			}
			if w.entries%yieldEntries == 0 {
				runtime.Gosched() // the owner may be waiting for this processor
			}
			if w.entries%stopEntries == 0 && db.ctx.Err() != nil {
				return ErrClosed
			}
		}
		return it.Err()
	})
}

// tableRuns are those of the tree. Compactions make others of them, which have no
// keys besides.
func (db *DB) tableRuns() (o olderRuns) {
	db.owner.Lock()
	defer db.owner.Unlock()
	for _, f := range db.current.tree.levels[0] {
		o.add([]*file{f})
	}
	for _, level := range db.current.tree.levels[1:] {
		o.add(level)
	}
	return o
}

// The workers look every so often whether somebody else could do something: the
// owner, where there are fewer processors than goroutines, which would have to
// wait for 10 ms else; and whether the store is closing.
const (
	yieldEntries = 1 << 9
	stopEntries  = 1 << 12
)
