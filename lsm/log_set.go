package lsm

import (
	"encoding/binary"
	"errors"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/wal"
)

// Kinds of log records, their first byte. Format: docs/format-log.md.
const (
	// recordRun begins a run; the number of the run follows. It is the second record of each
	// log.
	recordRun byte = 1
	// recordOps holds operations that take effect together.
	recordOps byte = 2
	// recordFile holds the description of a table that a large write has made: the run is this
	// table.
	recordFile byte = 3
	// recordLog is the first record of each log: identity of the store and number of the log.
	recordLog byte = 4
)

// opRange marks a DeleteRange among operations; the other marks are kinds of entries.
const opRange run.Kind = 16

// maxLogRecord is the limit of the log reader, above the largest write that a log takes.
const maxLogRecord = 1 << 30

// logSet holds the logs of a store: the current log, and older ones that are needed until their
// last run is in the tree.
//
// Thread safety: the lock of the store, except create and remove.
type logSet struct {
	dir    *directory.Directory
	store  vfs.Identity // identity of the store
	report func(error)  // receives errors that do no harm

	w      *wal.Writer // current log, or nil without a log
	number uint64      // of the current log; 0 after a failed log until the next one begins
	old    []oldLog
	head   [32]byte // buffer for the head of a record
	lost   error    // ErrStalled with its cause while no log takes writes; see DB.abandonLog
}

// oldLog is a log that takes no more writes.
type oldLog struct {
	number, lastRun uint64
	w               *wal.Writer // still open if a write to it failed
	table           string      // table of a refused write, which the log may name
}

// init prepares an empty set.
func (l *logSet) init(dir *directory.Directory, report func(error)) {
	l.dir, l.report = dir, report
}

// create creates a log file and buffers its first record. The file's name is durable when
// create returns. After an error it removes the file, if possible.
func (l *logSet) create(number uint64) (*wal.Writer, error) {
	if err := l.dir.Check(); err != nil {
		return nil, err
	}
	name := directory.LogName(number)
	w, err := wal.Create(l.dir.FS, l.dir.Join(name), wal.Options{MaxRecordBytes: maxLogRecord})
	if err != nil {
		return nil, err
	}
	err = l.dir.Sync()
	if err == nil {
		_, err = w.Append(firstRecord(l.store, number))
	}
	if err != nil {
		return nil, errors.Join(err, w.Discard(), l.dir.Remove(name))
	}
	return w, nil
}

// firstRecord returns the first record of a log.
func firstRecord(store vfs.Identity, number uint64) []byte {
	return binary.AppendUvarint(append([]byte{recordLog}, store[:]...), number)
}

// open creates a log and makes it the current one.
func (l *logSet) open(number, activeRun uint64) error {
	w, err := l.create(number)
	if err != nil {
		return err
	}
	return l.use(w, number, activeRun)
}

// use makes w the current log, beginning with the active run.
func (l *logSet) use(w *wal.Writer, number, activeRun uint64) error {
	l.w, l.number = w, number
	return l.beginRun(activeRun)
}

// beginRun records that a run begins.
func (l *logSet) beginRun(number uint64) error {
	_, err := l.w.Append(binary.AppendUvarint([]byte{recordRun}, number))
	return err
}

// logOp records one operation and returns the end of the record.
func (l *logSet) logOp(kind run.Kind, key, value []byte) (end int64, err error) {
	head := append(l.head[:0], recordOps, byte(kind))
	head = binary.AppendUvarint(head, uint64(len(key)))
	split := len(head)
	if kind.HasValue() || kind == opRange {
		head = binary.AppendUvarint(head, uint64(len(value)))
	}
	return l.w.Append(head[:split], key, head[split:], value)
}

// appendOp appends an operation to a record, in the format of logOp.
func appendOp(b []byte, kind run.Kind, key, value []byte) []byte {
	b = append(b, byte(kind))
	b = manifest.AppendBytes(b, key)
	if kind.HasValue() || kind == opRange {
		b = manifest.AppendBytes(b, value)
	}
	return b
}

// rotate replaces the current log by a new one. If the new file cannot be created, the current
// log stays in use; but if the failed file may exist, rotate returns the error, because no log
// may follow one that has not ended.
//
// Invariant: a log is ended and synced before its successor receives a write. So a later write
// never survives a crash without the earlier ones.
// Invariant: the successor's file exists before a log is ended. So if the newest log has an end
// and writes, its successor is missing, and replay reports that.
func (l *logSet) rotate(next, activeRun uint64) (rotated bool, err error) {
	old, oldNumber := l.w, l.number
	if err := l.open(next, activeRun); err != nil {
		if isFinal(err) || !l.dir.IsMissing(directory.LogName(next)) {
			return false, err
		}
		return false, nil
	}
	l.old = append(l.old, oldLog{number: oldNumber, lastRun: activeRun - 1})
	return true, old.Close(true)
}

// end makes the current log an old one. A log that has failed stays open.
func (l *logSet) end(lastRun uint64, broken bool) {
	ended := oldLog{number: l.number, lastRun: lastRun}
	if broken {
		ended.w = l.w
	}
	l.old = append(l.old, ended)
	l.number = 0
}

// keepTable keeps the file of a table until the newest old log is removed, because that log may
// name the table.
func (l *logSet) keepTable(name string) {
	if n := len(l.old); n > 0 {
		l.old[n-1].table = name
	}
}

// first returns the number of the oldest log that is needed once all runs up to flushed are in
// the tree. If none is needed it returns nextFile, so that every log with a lower number is
// obsolete.
func (l *logSet) first(flushed, nextFile uint64) uint64 {
	for _, old := range l.old {
		if old.lastRun > flushed {
			return old.number
		}
	}
	if l.number == 0 {
		return nextFile
	}
	return l.number
}

// retire removes the logs older than first from the set and returns them.
func (l *logSet) retire(first uint64) (gone []oldLog) {
	for len(l.old) > 0 && l.old[0].number < first {
		gone = append(gone, l.old[0])
		l.old = l.old[1:]
	}
	return gone
}

// remove removes the files of retired logs. The next Open removes those that it cannot remove.
func (l *logSet) remove(gone []oldLog) {
	for _, old := range gone {
		if old.w != nil {
			l.report(manifest.IgnoreFailed(old.w.Close(false)))
		}
		l.report(l.dir.Remove(directory.LogName(old.number)))
		if old.table != "" {
			l.report(l.dir.Remove(old.table))
		}
	}
}

// close closes all logs. With discard it writes nothing.
func (l *logSet) close(discard bool) error {
	for _, old := range l.old {
		if old.w != nil {
			l.report(old.w.Discard())
		}
	}
	switch {
	case l.number == 0: // the failed log is one of the old ones
		return nil
	case discard:
		return l.w.Discard()
	}
	return manifest.IgnoreFailed(l.w.Close(false))
}
