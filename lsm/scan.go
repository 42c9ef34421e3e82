package lsm

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/sstable"
)

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
	o := sstable.IteratorOptions{Readahead: merge.Readahead, LookUp: true, Allowance: w.db.o.Budget.readahead}
	w.stale.Store(false)
	w.memory = len(w.version.Memory) > 0
	w.merger.Reset(&w.db.o.Split, nil, merge.OfVersion(w.version, w.within, &w.db.owner, o))
}

// reopenScan is openScan once more, after a flush.
func (w *walk) reopenScan() {
	closed := w.merger.Close()
	w.db.owner.Lock()
	defer w.db.owner.Unlock()
	w.db.report(closed)
	w.openScan()
}

// followFlush goes on, where the walk is, with the sources of its version.
func (w *walk) followFlush() {
	w.reopenScan()
	w.merger.Seek(w.from)
}

// standAgain makes the walk stand at its key once more, with the sources of its version.
func (w *walk) standAgain() (err error) {
	defer catch("split function", &err)
	m := &w.merger
	for {
		w.reopenScan()
		m.Seek(w.last())
		for m.Next() && !m.Kind.HasValue() { // the tombstone of the key as a prefix
		}
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
