package wal

import "fmt"

// SyncTo makes everything below a position durable. end is a result of Append or Size.
// Concurrent callers share syncs: while one sync runs, others wait, and then one of them syncs
// everything appended so far for all. After a failed write, SyncTo still works for data that
// was written before.
func (w *Writer) SyncTo(end int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.syncErr != nil {
		return w.syncErr
	}
	return w.syncTo(end)
}

// syncTo is SyncTo for a caller that holds mu. It releases mu while it waits or syncs.
func (w *Writer) syncTo(end int64) error {
	if all := w.end(); end > all {
		return fmt.Errorf("sync to position %d, the log ends at %d: %w", end, all, ErrPosition)
	}
	for w.durable < end {
		switch {
		case w.syncErr != nil:
			return w.syncErr
		case w.err != nil && end > w.written:
			return w.err
		case w.syncing:
			w.cond.Wait()
		default:
			w.sync()
		}
	}
	return nil
}

// sync makes everything durable that was appended before the call, for all callers that wait.
// The caller holds mu; sync releases it during the sync. Data written during the sync may or
// may not be durable, and is not counted.
func (w *Writer) sync() {
	w.syncing = true
	failed := w.err != nil
	// If this write fails, waiting callers check again which bytes were written.
	if w.writeOpen() == nil || failed {
		to := w.written
		w.mu.Unlock()
		err := w.file.Sync()
		w.mu.Lock()
		if err == nil {
			w.durable = to
		} else {
			w.failSync(err)
		}
		w.mark()
	}
	w.syncing = false
	w.cond.Broadcast()
}

// failSync records the error of a sync permanently; it replaces the error of a write. The
// caller holds mu.
func (w *Writer) failSync(err error) {
	w.syncErr = fmt.Errorf("%w: %w: %w", ErrFailed, ErrSync, err)
	w.err = w.syncErr
}

// mark writes a mark after data that was synced, so that damage to the data is detected even
// if nothing else is written. The mark itself is not synced. No mark is needed if more was
// appended during the sync, or if a record continues in the next frame: the next frame, or the
// mark of the next sync, carries the same information. The caller holds mu; mark releases it
// during the write.
func (w *Writer) mark() {
	if w.err != nil || w.closed || w.inside || w.writing || len(w.open) > frameBytes || w.durable < w.start {
		return
	}
	at := w.start
	w.start, w.marked = at+frameBytes, frameBytes
	w.writing = true
	w.mu.Unlock()
	err := writeAll(w.file, emptyFrame(tag(&w.identity), at, kindMark))
	w.mu.Lock()
	w.writing = false
	w.finishWrite(err, at+frameBytes)
}
