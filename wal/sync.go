package wal

import "fmt"

// SyncTo makes everything below a position durable, which Append or Size has
// returned. Callers that come while a sync runs wait for it to end; then one of
// them syncs for all, whatever was appended until then. After a write has failed it
// goes on for what was written before.
func (w *Writer) SyncTo(end int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.syncErr != nil {
		return w.syncErr
	}
	return w.syncTo(end)
}

// syncTo needs mu, which it gives up meanwhile.
func (w *Writer) syncTo(end int64) error {
	if all := w.end(); end > all {
		return fmt.Errorf("sync to %d of %d: %w", end, all, ErrPosition)
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

// sync makes everything durable that was appended before it, for all who wait.
// Needs mu, which it gives up meanwhile. What is written while the file is being
// synced may be durable or not, and does not count.
func (w *Writer) sync() {
	w.syncing = true
	failed := w.err != nil
	// When a write fails just now, those who wait look again what was written.
	if w.handOver() == nil || failed {
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

// failSync keeps the error of a sync for ever, in the place of a write's. Needs mu.
func (w *Writer) failSync(err error) {
	w.syncErr = fmt.Errorf("%w: %w: %w", ErrFailed, ErrSync, err)
	w.err = w.syncErr
}

// mark writes behind what was synced that it was, so that damage to it is found
// also if nothing else is written. The mark is not synced itself. There is none
// if more was appended meanwhile, or a record goes on in the next frame: that
// frame, or the mark of the next sync, says the same. Needs mu, which it gives
// up meanwhile.
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
	w.settle(err, at+frameBytes)
}
