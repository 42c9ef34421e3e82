package wal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/vfs"
)

// errClosed is returned by all calls after Close but another Close.
var errClosed = fmt.Errorf("log: %w", fs.ErrClosed)

// Writer writes a log. It has two buffers of which one fills while the other is
// written; a frame is one buffer.
//
// Thread safety: callers serialise Append, Flush and Close. SyncTo and Size may
// be called by anyone at any time, also while these run.
//
// Errors: after a write of the file has failed, nothing more is written to it, and
// all methods return the same ErrFailed, but for SyncTo of what was written before.
// After a failed sync, an ErrSync, nothing is done to the file but to close it.
type Writer struct {
	file           vfs.File
	identity       Identity
	maxRecordBytes int64
	maxTailBytes   int64 // see the constant; tests lower it

	mu   sync.Mutex
	cond sync.Cond // on mu; tells of changes of writing, syncing, durable, err

	// Positions in the file. Invariant: durable <= written <= start, and
	// written < start only while writing, or after an error.
	durable int64 // all below survives a crash
	written int64 // all below was handed to the system
	start   int64 // where the open frame will begin

	marked int64 // size of the mark before start, 0 if there is none
	inside bool  // Append is inside a record that goes on in the next frame

	open  []byte // the open frame, space for its header first
	spare []byte // the other buffer; in use while writing

	writing bool // someone writes a frame, without mu
	syncing bool // someone syncs the file, without mu
	closed  bool
	err     error // why nothing is written any more
	syncErr error // why nothing is synced any more; then err is set too
}

// Create makes a new file with an empty log; it fails with fs.ErrExist if the
// name exists. Nothing is synced: the caller syncs the directory before it
// relies on the log, SyncTo syncs the content.
func Create(fsys vfs.FS, name string, o Options) (*Writer, error) {
	id := vfs.NewIdentity()
	id[0] = id[0]&0x7f | 0x11 // see docs/format-wal.md, "A clean end"
	return create(fsys, name, o, id)
}

func create(fsys vfs.FS, name string, o Options, id Identity) (*Writer, error) {
	o = o.withDefaults()
	file, err := fsys.Create(name)
	if err != nil {
		return nil, err
	}
	if err := writeAll(file, appendHeader(nil, id)); err != nil {
		return nil, errors.Join(err, file.Close(), fsys.Remove(name))
	}
	w := &Writer{
		file: file, identity: id, maxRecordBytes: o.MaxRecordBytes, maxTailBytes: maxTailBytes,
		written: headerBytes, start: headerBytes,
		open:  make([]byte, frameBytes, frameBytes+o.BufferBytes),
		spare: make([]byte, frameBytes, frameBytes+o.BufferBytes),
	}
	w.cond.L = &w.mu
	return w, nil
}

func writeAll(file vfs.File, b []byte) error {
	n, err := file.Write(b)
	if err == nil && n < len(b) {
		return io.ErrShortWrite
	}
	return err
}

// Identity returns the random number of the log, as Read will.
func (w *Writer) Identity() Identity { return w.identity }

// Append adds a record, the parts one behind the other, and returns the
// position behind it. The parts are the caller's again when it returns. A
// record above the limit is ErrTooLarge. The record is in memory, or with the
// system; SyncTo makes it durable.
func (w *Writer) Append(parts ...[]byte) (end int64, err error) {
	var size int64
	for _, p := range parts {
		size += int64(len(p))
	}
	if size > w.maxRecordBytes {
		return 0, fmt.Errorf("record of %d bytes, limit %d: %w", size, w.maxRecordBytes, ErrTooLarge)
	}
	w.mu.Lock()
	if w.err == nil && lengthBytes+size <= int64(cap(w.open)-len(w.open)) {
		b := binary.AppendUvarint(w.open, uint64(size))
		for _, p := range parts {
			b = append(b, p...)
		}
		w.open = b
	} else {
		err = w.appendOver(size, parts)
	}
	end = w.end()
	w.mu.Unlock()
	return end, err
}

// appendOver appends a record that may need more than the open frame. Needs mu.
func (w *Writer) appendOver(size int64, parts [][]byte) error {
	if w.err == nil && cap(w.open)-len(w.open) < lengthBytes { // a length lies in one frame
		if err := w.spill(); err != nil {
			return err
		}
	}
	if w.err != nil {
		return w.err
	}
	w.inside = true
	defer func() { w.inside = false }()
	w.open = binary.AppendUvarint(w.open, uint64(size))
	for _, p := range parts {
		if err := w.add(p); err != nil {
			return err
		}
	}
	return nil
}

// add appends to the open frame, and to as many more as it takes. Needs mu.
func (w *Writer) add(p []byte) error {
	for {
		n := min(cap(w.open)-len(w.open), len(p))
		w.open = append(w.open, p[:n]...)
		if p = p[n:]; len(p) == 0 {
			return nil
		}
		if err := w.spill(); err != nil {
			return err
		}
	}
}

// end is the position behind what was appended. Needs mu.
func (w *Writer) end() int64 {
	if len(w.open) == frameBytes {
		return w.start - w.marked
	}
	return w.start + int64(len(w.open))
}

// Size returns the position behind the last record: the length of the file, but
// for a mark, once everything is handed to the system. After a clean Close it is the
// length of the file.
func (w *Writer) Size() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end()
}

// Flush hands what is in memory to the system. It survives the end of the
// process then, but not a power cut.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spill()
}

// spill hands the open frame over, and syncs if two more frames and a mark could make
// the unsynced tail larger than Read takes for one. Needs mu, which it gives up meanwhile.
func (w *Writer) spill() error {
	err := w.handOver()
	reserve := int64(2*cap(w.open) + frameBytes)
	if err == nil && w.written-w.durable > w.maxTailBytes-reserve {
		err = w.syncTo(w.written)
	}
	return err
}

// handOver writes the open frame, if there is anything in it, and whatever else
// is being written. Needs mu, which it gives up meanwhile: only Append adds to
// the open frame, so it is empty when Append gets it back.
func (w *Writer) handOver() error {
	for w.writing {
		w.cond.Wait()
	}
	if w.err != nil || len(w.open) == frameBytes {
		return w.err
	}
	full, at, synced := w.open, w.start, w.durable
	w.open = w.spare[:frameBytes]
	w.start += int64(len(full))
	w.marked = 0
	w.writing = true
	w.mu.Unlock()

	payload := full[frameBytes:]
	putFrame(full, tag(&w.identity), at, frame{
		synced: synced, checksum: xxhash.Sum64(payload), length: len(payload), kind: kindData,
	})
	err := writeAll(w.file, full)

	w.mu.Lock()
	w.spare = full
	w.writing = false
	w.settle(err, at+int64(len(full)))
	return w.err
}

// settle ends a write: either all up to a position is written, or the log has
// failed. Needs mu.
func (w *Writer) settle(err error, to int64) {
	if err != nil {
		w.fail(err)
	} else {
		w.written = to
	}
	w.cond.Broadcast()
}

// fail keeps the first error for ever. Needs mu.
func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = fmt.Errorf("%w: %w", ErrFailed, err)
	}
}

// Close ends the log; other calls fail with fs.ErrClosed then. If clean, everything
// is synced and an end is written behind it: from then on, any damage to the
// file is found. If that cannot be written, what was written is synced all the
// same. Otherwise what is in memory is handed to the system. The file is closed in
// any case. A second Close returns nil.
func (w *Writer) Close(clean bool) error {
	return w.close(func() error {
		err := w.handOver()
		if clean {
			err = w.endClean(err)
		}
		return err
	})
}

// Discard is Close without a last write: what is in memory is lost.
func (w *Writer) Discard() error { return w.close(func() error { return nil }) }

// close closes the file after a last thing has been done under mu.
func (w *Writer) close(last func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil // the first Close has returned the error
	}
	w.closed = true
	err := last()
	for w.writing || w.syncing {
		w.cond.Wait()
	}
	if closeErr := w.file.Close(); closeErr != nil {
		w.fail(closeErr)
		if err == nil {
			err = w.err
		}
	}
	w.err, w.syncErr = cmp.Or(w.err, errClosed), cmp.Or(w.syncErr, errClosed)
	w.cond.Broadcast()
	return err
}

// endClean syncs a log of which everything was handed over, but for an error, and
// ends it if there was none. Needs mu, which it gives up meanwhile.
func (w *Writer) endClean(err error) error {
	if err == nil {
		return w.writeEnd()
	}
	if syncErr := w.syncTo(w.written); syncErr != nil {
		return syncErr
	}
	return err
}

// writeEnd ends a log that holds nothing in memory. Needs mu, which it gives up
// meanwhile.
func (w *Writer) writeEnd() error {
	w.marked = 0 // it is synced like a record: what the end says holds for it too
	if err := w.syncTo(w.start); err != nil {
		return err
	}
	end := emptyFrame(tag(&w.identity), w.start, kindEnd)
	at := w.start + int64(len(end))
	w.settle(writeAll(w.file, end), at)
	w.start = at
	return w.syncTo(at)
}
