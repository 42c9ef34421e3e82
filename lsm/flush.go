package lsm

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/internal/vfs"
	"github.com/weirstate/weir/sstable"
)

// Flush brings everything that was written so far to the disk, for good.
func (db *DB) Flush() error {
	if err := db.enterToWrite(); err != nil {
		return err
	}
	defer db.owner.Unlock()
	if err := db.seal(); err != nil {
		return err
	}
	return db.waitForRun(db.activeRun - 1)
}

// waitForRun has a run and all before it flushed, and waits until they are in the
// tree. The lock is held, but not while it waits.
func (db *DB) waitForRun(number uint64) error {
	db.stuck = nil // it may be otherwise now
	db.flusher.wake()
	for {
		memory := db.current.memory
		if len(memory) == 0 || memory[len(memory)-1].number > number {
			return nil
		}
		if err := db.mayWrite(); err != nil {
			return err
		}
		if db.stuck != nil {
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
	return db.writeTable(db.newFileNumber(), r.number, r.table.Ranges(), func(w *tableWriter) error {
		for ok := it.Seek(nil); ok; ok = it.Next() {
			if err := w.add(it.Entry()); err != nil {
				return err
			}
			if w.entries%stopEntries == 0 && db.ctx.Err() != nil {
				return ErrClosed
			}
		}
		return it.Err()
	})
}

// stopEntries is how many entries are written between two looks whether the
// store is closing.
const stopEntries = 1 << 12

// tableWriter is a table that is being written.
type tableWriter struct {
	*sstable.Writer
	db      *DB
	file    vfs.File
	number  uint64
	run     uint64
	entries int
}

// createTable begins a table of a level.
func (db *DB) createTable(level int, number, run uint64) (*tableWriter, error) {
	f, err := db.fs.Create(db.path(tableName(number)))
	if err != nil {
		return nil, err
	}
	w := sstable.NewWriter(f, sstable.WriterOptions{
		Compression: db.o.compression(level), BlockBytes: db.o.BlockBytes,
		FilterBits: db.o.FilterBits, Split: db.o.Split,
	})
	return &tableWriter{Writer: w, db: db, file: f, number: number, run: run}, nil
}

func (w *tableWriter) add(e *run.Entry) error {
	w.entries++
	return w.Add(e)
}

// finish ends the table and opens it. It is on the disk then, but for its name.
func (w *tableWriter) finish() (*file, error) {
	info, err := w.Finish()
	err = errors.Join(err, w.file.Close())
	if err != nil {
		return nil, errors.Join(err, w.remove())
	}
	f, err := w.db.openTable(fileMeta{
		number: w.number, run: w.run, identity: info.Identity, size: info.Size, bounds: info.Range,
		entries: info.Entries, tombstones: info.Tombstones,
	})
	if err != nil {
		return nil, errors.Join(err, w.remove())
	}
	return f, nil
}

// abort removes what was written.
func (w *tableWriter) abort() error { return errors.Join(w.file.Close(), w.remove()) }

func (w *tableWriter) remove() error {
	return ignoreMissing(w.db.fs.Remove(w.db.path(tableName(w.number))))
}

// writeTable writes a run into one table of level 0.
func (db *DB) writeTable(number, of uint64, ranges run.Ranges, fill func(*tableWriter) error) (*file, error) {
	w, err := db.createTable(0, number, of)
	if err != nil {
		return nil, err
	}
	for _, r := range ranges {
		if err == nil {
			err = w.AddRange(r)
		}
	}
	if err == nil {
		err = fill(w)
	}
	if err != nil {
		return nil, errors.Join(err, w.abort())
	}
	return w.finish()
}

// openTable opens a table as the manifest, or a log, describes it.
func (db *DB) openTable(m fileMeta) (*file, error) {
	name := db.path(tableName(m.number))
	f, err := db.fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("table %d: %w", m.number, missing(err))
	}
	table, err := sstable.Open(f, sstable.ReaderOptions{
		Budget: db.o.Budget.slabs, Cache: db.o.Budget.cache, Owner: &db.owner, Split: db.o.Split,
		Identity: m.identity, Size: m.size, Clip: m.clip,
	})
	if err != nil {
		return nil, fmt.Errorf("table %d: %w", m.number, err)
	}
	return &file{fileMeta: m, table: table}, nil
}

// closeTable closes a table that is in no tree.
func (db *DB) closeTable(f *file) error {
	db.owner.Lock()
	defer db.owner.Unlock()
	return f.table.Close()
}

func (db *DB) path(name string) string { return filepath.Join(db.dir, name) }

// applyLarge writes operations, of which there is too much for a memtable, as a
// run of their own, into a file. The lock is held all the while.
func (db *DB) applyLarge(operations []operation) (end logEnd, err error) {
	if err := db.seal(); err != nil {
		return end, err
	}
	f, err := db.writeLarge(operations)
	if err != nil {
		return end, err
	}
	if db.log != nil {
		at, err := db.logLarge(f)
		if err != nil { // the file stays: the log may speak of it
			return end, db.failLocked(errors.Join(err, f.table.Close()))
		}
		end = db.logEnd(at)
	}
	f.refs++ // the run's
	db.writes++
	return end, db.beginRun(&sealedRun{number: db.activeRun, file: f})
}

// writeLarge writes operations into a table, which is on the disk then.
func (db *DB) writeLarge(operations []operation) (*file, error) {
	db.nextFile++
	return db.writeTable(db.nextFile-1, db.activeRun, nil, func(w *tableWriter) error {
		for _, e := range resolve(&db.o.Split, operations) {
			if err := w.add(&e); err != nil {
				return err
			}
		}
		return nil
	})
}

// logLarge notes that a run is a file. Its name is durable before that.
func (db *DB) logLarge(f *file) (end int64, err error) {
	if err := db.fs.SyncDir(db.dir); err != nil {
		return 0, err
	}
	return db.logFile(f)
}
