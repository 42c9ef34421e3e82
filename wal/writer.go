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

// errClosed is returned by all methods but Close and Discard after Close.
var errClosed = fmt.Errorf("log: %w", fs.ErrClosed)

// Writer writes a log. It has two buffers: one collects records while the other is written.
// Each write of a buffer is one frame.
//
//	file   | header | frame | frame | frame being written | open frame, in memory ... |
//	                        ^durable^written              ^start                      ^Size
//
//	durable   everything below survives a power cut
//	written   everything below survives the end of the process
//
// A record that does not fit into the open frame continues in the next ones. Sync is separate
// from append: SyncTo waits until a position is durable, and callers that wait at the same
// time share one fsync (group commit). After the sync, the writer appends a mark; see the
// package comment.
//
// Invariant: durable <= written <= start. written < start only during a write, or after an
// error.
//
// Invariant: every frame carries the value that durable had before the frame was written. So a
// reader that finds the frame knows that everything below that position was synced.
//
// Invariant: nothing is written after a failed write. Otherwise a later record could survive a
// crash that lost an earlier one.
//
// Invariant: at most maxTailBytes are written and not durable (flushFrame).
//
// Cost: Append copies the record into the buffer, without a system call until the buffer is
// full. One write for each frame, one fsync and one small write (the mark) for each group of
// SyncTo calls.
//
// Thread safety: callers serialise Append, Flush, Close and Discard. SyncTo and Size may be
// called concurrently with everything.
//
// Errors: after a failed write, all methods return the same ErrFailed, except SyncTo for data
// that was written before. After a failed sync, an ErrSync, the file is not used again except
// to close it.
type Writer struct {
	file           vfs.File
	identity       Identity
	maxRecordBytes int64
	maxTailBytes   int64 // see the constant; smaller in tests

	mu   sync.Mutex
	cond sync.Cond // on mu; signals changes of writing, syncing, durable and err

	// Positions in the file: see Writer.
	durable int64 // everything below survives a power cut
	written int64 // everything below was written to the file
	start   int64 // position of the open frame

	marked int64 // size of the mark directly before start; 0 if there is no mark
	inside bool  // Append is writing a record that continues in the next frame

	open  []byte // the open frame: space for its header, then its payload
	spare []byte // the other buffer; in use during a write

	writing bool // a frame is being written, without mu
	syncing bool // the file is being synced, without mu
	closed  bool
	err     error // why nothing can be written any more
	syncErr error // why nothing can be synced any more; err is set as well
}

// Create creates a file with an empty log. It fails with fs.ErrExist if the file exists.
// Nothing is synced: SyncTo syncs the content, and the caller syncs the directory before it
// relies on the log.
func Create(fsys vfs.FS, name string, o Options) (*Writer, error) {
	id := vfs.NewIdentity()
	id[0] = id[0]&0x7f | 0x11 // see docs/format-wal.md, "A clean end"
	return create(fsys, name, o, id)
}

// create is Create with a given identity.
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

// writeAll writes b; a short write is an error.
func writeAll(file vfs.File, b []byte) error {
	n, err := file.Write(b)
	if err == nil && n < len(b) {
		return io.ErrShortWrite
	}
	return err
}

// Identity returns the random number of the log, which Read returns in Outcome.
func (w *Writer) Identity() Identity { return w.identity }

// Append adds a record, which is the concatenation of parts, and returns the position after
// it. It does not keep the parts. A record above the limit is ErrTooLarge. The record is in
// memory or in the system's cache until SyncTo makes it durable.
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
		err = w.appendAcrossFrames(size, parts)
	}
	end = w.end()
	w.mu.Unlock()
	return end, err
}

// appendAcrossFrames appends a record that may need more than the open frame. The caller holds mu.
func (w *Writer) appendAcrossFrames(size int64, parts [][]byte) error {
	if w.err == nil && cap(w.open)-len(w.open) < lengthBytes { // a record's length must not be split
		if err := w.flushFrame(); err != nil {
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

// add appends to the open frame, and continues in further frames if necessary. The caller
// holds mu.
func (w *Writer) add(p []byte) error {
	for {
		n := min(cap(w.open)-len(w.open), len(p))
		w.open = append(w.open, p[:n]...)
		if p = p[n:]; len(p) == 0 {
			return nil
		}
		if err := w.flushFrame(); err != nil {
			return err
		}
	}
}

// end returns the position after the last record. The caller holds mu.
func (w *Writer) end() int64 {
	if len(w.open) == frameBytes {
		return w.start - w.marked
	}
	return w.start + int64(len(w.open))
}

// Size returns the position after the last record: the length that the file has once everything
// is written, without a mark at its end. After a clean Close, Size returns the length of the
// file.
func (w *Writer) Size() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end()
}

// Flush writes buffered records to the file. They then survive the end of the process, but not
// a power cut.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushFrame()
}

// flushFrame writes the open frame. It also syncs if two more frames and a mark could make the
// unsynced tail larger than Read accepts. The caller holds mu, which flushFrame releases during
// writes and syncs.
func (w *Writer) flushFrame() error {
	err := w.writeOpen()
	reserve := int64(2*cap(w.open) + frameBytes)
	if err == nil && w.written-w.durable > w.maxTailBytes-reserve {
		err = w.syncTo(w.written)
	}
	return err
}

// writeOpen waits for a running write and writes the open frame, unless it is empty. The caller
// holds mu, which writeOpen releases during the write. Only Append adds to the open frame, so
// the frame is empty when writeOpen returns to Append.
func (w *Writer) writeOpen() error {
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
	w.finishWrite(err, at+int64(len(full)))
	return w.err
}

// finishWrite completes a write: either everything up to a position is written, or the log has
// failed. The caller holds mu.
func (w *Writer) finishWrite(err error, to int64) {
	if err != nil {
		w.fail(err)
	} else {
		w.written = to
	}
	w.cond.Broadcast()
}

// fail records the first error permanently. The caller holds mu.
func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = fmt.Errorf("%w: %w", ErrFailed, err)
	}
}

// Close ends the log; other calls then fail with fs.ErrClosed. If clean is set, Close syncs
// everything and writes an end frame, so that any later damage to the file is detected; if the
// end frame cannot be written, the written data is synced nevertheless. If clean is not set,
// Close writes buffered records and does not sync. The file is closed in any case. A second
// Close returns nil.
func (w *Writer) Close(clean bool) error {
	return w.close(func() error {
		err := w.writeOpen()
		if clean {
			err = w.endClean(err)
		}
		return err
	})
}

// Discard closes the log without a last write; buffered records are lost.
func (w *Writer) Discard() error { return w.close(func() error { return nil }) }

// close calls last under mu and then closes the file.
func (w *Writer) close(last func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil // the first Close returned the error
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

// endClean completes a clean Close after writeOpen, whose error is err. After an error it only
// syncs the written data. The caller holds mu, which endClean releases during writes and
// syncs.
func (w *Writer) endClean(err error) error {
	if err == nil {
		return w.writeEnd()
	}
	if syncErr := w.syncTo(w.written); syncErr != nil {
		return syncErr
	}
	return err
}

// writeEnd syncs the log, appends the end frame and syncs again. The buffers must be empty.
// The caller holds mu, which writeEnd releases during writes and syncs.
func (w *Writer) writeEnd() error {
	w.marked = 0 // the mark is now synced like a record, because the end frame covers it
	if err := w.syncTo(w.start); err != nil {
		return err
	}
	end := emptyFrame(tag(&w.identity), w.start, kindEnd)
	at := w.start + int64(len(end))
	w.finishWrite(writeAll(w.file, end), at)
	w.start = at
	return w.syncTo(at)
}
