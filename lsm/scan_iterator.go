package lsm

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// walk is the state of an open iterator: a scan of a version, or a prefix iterator (cursor.on).
type walk struct {
	db       *DB
	at       int  // index in db.pins.walks if pinned; guarded by the lock of the store
	pinned   bool // see pins.addWalk; only the goroutine of the walk changes it
	merger   merge.Merger
	within   run.Range
	err      error
	valid    bool // stands at an entry
	begun    bool
	backward bool   // the last move went backward
	moves    uint64 // number of moves; ends the validity of value readers
	value    []byte // buffer for values that consist of pieces
	opened   caller // not set for prefix iterators

	version *version.Version // pinned, or nil; guarded by the lock of the store
	run     uint64           // newest run of a scan
	from    []byte           // lowest key that the next forward move may return; unused by forward scans without memtables
	stale   atomic.Bool
	memory  bool         // the scan has sources that are memtables
	cursor  prefixCursor // state of a prefix iterator
}

// beginMove prepares a move and reports whether the iterator may move. For a prefix iterator it
// takes the lock of the store.
func (w *walk) beginMove() bool {
	w.valid = false
	w.moves++
	if w.err != nil {
		return false
	}
	switch {
	case w.cursor.on:
		w.db.lock.Lock()
		if !w.db.status.closed {
			return true
		}
		w.db.lock.Unlock()
	case !w.db.status.isClosed.Load():
		return true
	}
	w.err = ErrClosed
	return false
}

// endMove ends a move. If the split function has panicked, that is the error of the walk.
func (w *walk) endMove() {
	if v := recover(); v != nil {
		w.valid, w.err = false, w.db.panicOf(v)
	}
	if w.cursor.on {
		w.db.lock.Unlock()
	}
}

// move moves to the next key and reports whether there is one.
func (w *walk) move() bool {
	stood := w.valid
	if !w.beginMove() {
		return false
	}
	defer w.endMove()
	switch {
	case !w.begun:
		w.seek(w.within.From)
	case w.backward:
		w.turnUp(stood)
	case w.cursor.on:
		w.followWrites()
	case w.stale.Load():
		w.followFlush()
	}
	return w.step()
}

// moveTo moves to the first key at or above key and reports whether there is one.
func (w *walk) moveTo(key []byte) bool {
	if !w.beginMove() {
		return false
	}
	defer w.endMove()
	if bytes.Compare(key, w.within.From) < 0 {
		key = w.within.From
	}
	w.seek(key)
	return w.step()
}

// seek prepares a forward move to the first entry at or above key.
func (w *walk) seek(key []byte) {
	w.begun, w.backward = true, false
	w.from = append(w.from[:0], key...)
	switch {
	case w.cursor.on:
		w.refresh()
	case w.stale.Load():
		w.reopenScan()
	}
	w.merger.Seek(key)
}

// step moves forward to the next entry with a value.
func (w *walk) step() bool {
	m := &w.merger
	w.cursor.dead.Reset()
	for w.next() && !w.isPast(m.Key) {
		if !m.Kind.HasValue() {
			if w.cursor.on {
				w.skipUp()
			}
			continue
		}
		switch {
		case w.cursor.on:
			w.recordGap()
			w.err = w.copyCurrent()
		case w.memory:
			w.from = append(append(w.from[:0], m.Key...), 0)
		}
		w.valid = w.err == nil
		return w.valid
	}
	if w.err = m.Err; w.err == nil && w.cursor.on {
		w.recordGap()
	}
	return false
}

// next moves the merger to the next entry. If a memtable was flushed in between, it continues
// in the table that replaced it.
func (w *walk) next() bool {
	for !w.merger.Next() {
		if !errors.Is(w.merger.Err, version.ErrFlushed) {
			return false
		}
		w.followFlush()
	}
	return true
}

// isPast reports whether key, which is in w.within or above it, is outside of the iterator's
// range. For a prefix iterator, a key that begins with the prefix is outside if Split cuts a
// longer prefix from it.
func (w *walk) isPast(key []byte) bool {
	if w.cursor.on {
		return w.db.o.Split.Func(key) != len(w.cursor.prefix)
	}
	return w.within.Before(key)
}

// currentKey returns the current key.
func (w *walk) currentKey() []byte {
	switch {
	case !w.valid:
		return nil
	case w.cursor.on:
		return w.last()
	}
	return w.merger.Key
}

// currentValue returns the value of the current key.
func (w *walk) currentValue() ([]byte, error) {
	switch {
	case !w.valid:
		return nil, w.err
	case w.cursor.on:
		return w.prefixValue()
	}
	f := &w.merger.Lookup
	if err := w.db.o.checkWhole(f.Size()); err != nil {
		return nil, err
	}
	if whole, ok := f.Whole(); ok {
		return whole, nil
	}
	value, err := f.AppendTo(w.value[:0])
	for errors.Is(err, version.ErrFlushed) {
		if err = w.reposition(); err == nil {
			value, err = f.AppendTo(w.value[:0])
		}
	}
	if cap(value) <= maxPeeked {
		w.value = value
	}
	return value, err
}

// close closes the walk.
func (w *walk) close() error {
	db := w.db
	if !w.pinned { // it has found no source, so that a flush or the end of the store has nothing to close
		w.valid = false
		w.moves++ // another walk may reuse the memory
		w.closePrefixWalk()
		return nil
	}
	last, err := w.closeLocked()
	if last { // close the tables that it pinned before the budget is released
		err = errors.Join(err, db.obsolete.close(), db.releaseBudget())
	}
	return err
}

// closeLocked does the part of close that needs the lock. last reports whether this walk was
// the last open object of a closed store.
func (w *walk) closeLocked() (last bool, err error) {
	db := w.db
	db.lock.Lock()
	defer db.unlock(&err)
	w.valid = false
	w.moves++ // another walk may reuse the memory
	if w.pinned {
		db.pins.removeWalk(w)
	}
	defer db.o.Budget.handles.Trim(&db.lock) // close tables that only this walk kept open
	last = db.status.released && len(db.pins.walks) == 0
	if w.cursor.on {
		w.closePrefixWalk()
		return last, nil
	}
	err = w.merger.Close()
	db.versions.Unref(w.version)
	w.version = nil
	return last, err
}

// A scan pins files on disk but never memtables, however long it is open. When a flush
// finishes, the scan's version changes: the new table replaces the runs that it was written
// from. Both hold the same entries.
//
//	flusher (lock of the store)          goroutine of the iterator (no lock)
//
//	w.version = version with the table   copies some entries of the memtable,
//	w.stale = true                         holding run.memory
//	run.memory.Lock; run.freed = true    next move: w.stale, or the copy returns ErrFlushed
//	frees the memtable                     → open the sources of w.version, seek to w.from
//
// Key and Value return buffers of the iterator, never memory of a memtable.

// openScan opens the sources of the walk's version. The caller holds the lock.
func (w *walk) openScan() {
	o := sstable.IteratorOptions{Readahead: merge.Readahead, PeekCache: true, Allowance: w.db.o.Budget.readahead}
	w.stale.Store(false)
	w.memory = len(w.version.Memory) > 0
	w.merger.Reset(&w.db.o.Split, nil, merge.VersionSources(w.version, w.within, &w.db.lock, o))
}

// reopenScan closes the sources and opens those of the version after a flush.
func (w *walk) reopenScan() {
	closed := w.merger.Close()
	w.db.lock.Lock()
	defer w.db.lock.Unlock()
	w.db.report(closed)
	w.openScan()
}

// followFlush continues at the same key in the version after a flush.
func (w *walk) followFlush() {
	w.reopenScan()
	w.merger.Seek(w.from)
}

// seekLast moves the merger to the current key.
func (w *walk) seekLast() {
	m := &w.merger
	if w.backward {
		m.SeekBelow(w.from)
		m.Prev()
		return
	}
	m.Seek(w.last())
	for m.Next() && !m.Kind.HasValue() { // skip a tombstone of the key as a prefix
	}
}

// reposition moves to the current key again in the version after a flush.
func (w *walk) reposition() (err error) {
	defer catch("split function", &err)
	m := &w.merger
	for {
		w.reopenScan()
		w.seekLast()
		switch {
		case errors.Is(m.Err, version.ErrFlushed):
		case m.Err != nil:
			return m.Err
		case !bytes.Equal(m.Key, w.last()):
			return fmt.Errorf("the table of a flushed run lacks an entry of the run: %w", ErrCorrupt)
		default:
			return nil
		}
	}
}
