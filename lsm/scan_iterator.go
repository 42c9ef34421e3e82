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

// walk is an iterator that is open.
type walk struct {
	db     *DB
	at     int // of db.pins.walks
	merger merge.Merger
	within run.Range
	err    error
	valid  bool // stands at an entry
	begun  bool
	down   bool   // the last move went backward
	moves  uint64 // counts them, for readers of values
	value  []byte // put together
	opened caller // unless it is one of a prefix

	version *version.Version // pinned, nil if none is; the lock of the store
	run     uint64           // the newest that a scan has
	from    []byte           // the lowest key that the next step up may give; a scan upwards without memory leaves it
	stale   atomic.Bool
	memory  bool // a scan has runs in memory
	live    live // if it is one of a prefix
}

// enter says whether the iterator may go on. One of a prefix works under the lock
// of the store, which is taken then.
func (w *walk) enter() bool {
	w.valid = false
	w.moves++
	if w.err != nil {
		return false
	}
	switch {
	case w.live.on:
		w.db.lock.Lock()
		if !w.db.status.closed {
			return true
		}
		w.db.lock.Unlock()
	case !w.db.status.shut.Load():
		return true
	}
	w.err = ErrClosed
	return false
}

// leave ends what enter began. A panic of the split function is the end of the walk.
func (w *walk) leave() {
	if v := recover(); v != nil {
		w.valid, w.err = false, w.db.panicOf(v)
	}
	if w.live.on {
		w.db.lock.Unlock()
	}
}

// move goes to the next key and says whether there is one.
func (w *walk) move() bool {
	stood := w.valid
	if !w.enter() {
		return false
	}
	defer w.leave()
	switch {
	case !w.begun:
		w.seek(w.within.From)
	case w.down:
		w.turnUp(stood)
	case w.live.on:
		w.followWrites()
	case w.stale.Load():
		w.followFlush()
	}
	return w.step()
}

// moveTo goes to the first key that is at least key, and says whether there is one.
func (w *walk) moveTo(key []byte) bool {
	if !w.enter() {
		return false
	}
	defer w.leave()
	if bytes.Compare(key, w.within.From) < 0 {
		key = w.within.From
	}
	w.seek(key)
	return w.step()
}

func (w *walk) seek(key []byte) {
	w.begun, w.down = true, false
	w.from = append(w.from[:0], key...)
	switch {
	case w.live.on:
		w.rebuild()
	case w.stale.Load():
		w.reopenScan()
	}
	w.merger.Seek(key)
}

// step goes to the next entry that is a value.
func (w *walk) step() bool {
	m := &w.merger
	w.live.dead.Reset()
	for w.next() && !w.isPast(m.Key) {
		if !m.Kind.HasValue() {
			if w.live.on {
				w.passUp()
			}
			continue
		}
		switch {
		case w.live.on:
			w.rememberGap()
			w.err = w.stand()
		case w.memory:
			w.from = append(append(w.from[:0], m.Key...), 0)
		}
		w.valid = w.err == nil
		return w.valid
	}
	if w.err = m.Err; w.err == nil && w.live.on {
		w.rememberGap()
	}
	return false
}

// next goes to the next entry. If the memory of a run was given back meanwhile, it goes
// on in the file that has the run now.
func (w *walk) next() bool {
	for !w.merger.Next() {
		if !errors.Is(w.merger.Err, version.ErrFlushed) {
			return false
		}
		w.followFlush()
	}
	return true
}

// isPast says whether a key lies behind all that the iterator walks. What begins
// with a prefix may have a longer one.
func (w *walk) isPast(key []byte) bool {
	if w.live.on {
		return w.db.o.Split.Func(key) != len(w.live.prefix)
	}
	return w.within.Before(key)
}

// currentKey is that where the walk stands.
func (w *walk) currentKey() []byte {
	switch {
	case !w.valid:
		return nil
	case w.live.on:
		return w.last()
	}
	return w.merger.Key
}

// currentValue is the value where the walk stands.
func (w *walk) currentValue() ([]byte, error) {
	switch {
	case !w.valid:
		return nil, w.err
	case w.live.on:
		return w.liveValue()
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
		if err = w.standAgain(); err == nil {
			value, err = f.AppendTo(w.value[:0])
		}
	}
	if cap(value) <= maxPeeked {
		w.value = value
	}
	return value, err
}

// close ends the walk.
func (w *walk) close() error {
	db := w.db
	last, err := w.closeLocked()
	if last { // the tables that it pinned are closed before the budget is let go of
		err = errors.Join(err, db.obsolete.close(), db.letGoOfBudget())
	}
	return err
}

// closeLocked takes the lock. Last says that nothing of a closed store is left to close.
func (w *walk) closeLocked() (last bool, err error) {
	db := w.db
	db.lock.Lock()
	defer db.leave(&err)
	w.valid = false
	w.moves++ // its memory may be another walk's
	db.pins.leaveWalk(w)
	defer db.o.Budget.handles.Trim(&db.lock) // what the walk kept open
	last = db.status.released && len(db.pins.walks) == 0
	if w.live.on {
		return last, w.closeLive()
	}
	err = w.merger.Close()
	db.versions.Unref(w.version)
	w.version = nil
	return last, err
}

// An iterator that scans pins files on the disk, and no memory of memtables, however
// long it is open. Its version changes with a flush: the file takes the place of the
// runs that it was written from, which hold the same entries.
//
//	flusher (lock of the store)          goroutine of the iterator (no lock)
//	w.version = with the file            memoryIterator copies some entries,
//	w.stale = true                         holding run.memory
//	run.memory.Lock: run.gone = true     next step: stale, or ErrFlushed from a copy
//	memtable is given back                 -> sources of w.version, seek to w.from
//
// What Key and Value have returned lies in buffers of the iterator, never in a memtable.

// openScan opens the sources of the walk's version. The lock is held.
func (w *walk) openScan() {
	o := sstable.IteratorOptions{Readahead: merge.Readahead, PeekCache: true, Allowance: w.db.o.Budget.readahead}
	w.stale.Store(false)
	w.memory = len(w.version.Memory) > 0
	w.merger.Reset(&w.db.o.Split, nil, merge.VersionSources(w.version, w.within, &w.db.lock, o))
}

// reopenScan is openScan once more, after a flush.
func (w *walk) reopenScan() {
	closed := w.merger.Close()
	w.db.lock.Lock()
	defer w.db.lock.Unlock()
	w.db.report(closed)
	w.openScan()
}

// followFlush goes on, where the walk is, with the sources of its version.
func (w *walk) followFlush() {
	w.reopenScan()
	w.merger.Seek(w.from)
}

// seekLast brings the merger to the value where the walk stands.
func (w *walk) seekLast() {
	m := &w.merger
	if w.down {
		m.SeekBelow(w.from)
		m.Prev()
		return
	}
	m.Seek(w.last())
	for m.Next() && !m.Kind.HasValue() { // the tombstone of the key as a prefix
	}
}

// standAgain makes the walk stand at its key once more, with the sources of its version.
func (w *walk) standAgain() (err error) {
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
			return fmt.Errorf("the table of a run does not have an entry that the run has: %w", ErrCorrupt)
		default:
			return nil
		}
	}
}
