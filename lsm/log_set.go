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

// Records of the log, by their first byte. Bytes: docs/format-log.md.
const (
	// recordRun says that a run begins; its number follows. The second record
	// of each log is one, the first a recordLog.
	recordRun byte = 1
	// recordOps has operations that happened together.
	recordOps byte = 2
	// recordFile says that a run is a file that was written for a large write.
	recordFile byte = 3
	// recordLog says which log of which store this is.
	recordLog byte = 4
)

// opRange is a DeleteRange among operations; the others are kinds of entries.
const opRange run.Kind = 16

// maxLogRecord is above what a memtable takes and a batch may have.
const maxLogRecord = 1 << 30

// logSet is the logs of a store: the one that is written, and older ones, each needed
// until its last run is in the tree.
//
// Thread safety: the lock of the store, but for create and remove.
type logSet struct {
	dir    *directory.Directory
	store  vfs.Identity // identity of the store
	report func(error)  // takes errors that harm nobody

	w      *wal.Writer // nil without a log
	number uint64      // 0 between a log that could not be written and the next
	old    []oldLog
	head   [32]byte // of the record under way
	lost   error    // ErrStalled: why nothing is written; see DB.loseLog
}

// oldLog is a log that has ended, or could not be written any more.
type oldLog struct {
	number, lastRun uint64
	w               *wal.Writer // still open if it could not be written
	table           string      // of a write that was refused, which the log may name
}

func (l *logSet) init(dir *directory.Directory, report func(error)) {
	l.dir, l.report = dir, report
}

// create creates a log file with its first record in memory. Its name is durable
// then; after an error it is removed, if that is possible.
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

// firstRecord is the first record of a log.
func firstRecord(store vfs.Identity, number uint64) []byte {
	return binary.AppendUvarint(append([]byte{recordLog}, store[:]...), number)
}

// open begins a log with the run that is active.
func (l *logSet) open(number, activeRun uint64) error {
	w, err := l.create(number)
	if err != nil {
		return err
	}
	return l.use(w, number, activeRun)
}

// use makes a log that was created the one that is written, with the run that is active.
func (l *logSet) use(w *wal.Writer, number, activeRun uint64) error {
	l.w, l.number = w, number
	return l.beginRun(activeRun)
}

// beginRun notes that a run begins.
func (l *logSet) beginRun(number uint64) error {
	_, err := l.w.Append(binary.AppendUvarint([]byte{recordRun}, number))
	return err
}

// note notes one operation, and returns where its record ends.
func (l *logSet) note(kind run.Kind, key, value []byte) (end int64, err error) {
	head := append(l.head[:0], recordOps, byte(kind))
	head = binary.AppendUvarint(head, uint64(len(key)))
	split := len(head)
	if kind.HasValue() || kind == opRange {
		head = binary.AppendUvarint(head, uint64(len(value)))
	}
	return l.w.Append(head[:split], key, head[split:], value)
}

// appendOp adds an operation to a record, as note writes it.
func appendOp(b []byte, kind run.Kind, key, value []byte) []byte {
	b = append(b, byte(kind))
	b = manifest.AppendBytes(b, key)
	if kind.HasValue() || kind == opRange {
		b = manifest.AppendBytes(b, value)
	}
	return b
}

// rotate begins another log; if it cannot be made, the old one goes on, unless the file is
// there all the same: no log may follow one that has not ended. The old one ends for good
// before a write is noted in the new one: what comes later must never survive without what
// came before. The new one is there before that, so that a log which has ended and is the
// last one tells that another is missing.
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

// end makes the log that is written an old one. If it could not be written it stays open.
func (l *logSet) end(lastRun uint64, broken bool) {
	ended := oldLog{number: l.number, lastRun: lastRun}
	if broken {
		ended.w = l.w
	}
	l.old = append(l.old, ended)
	l.number = 0
}

// keepTable keeps the table that the newest old log may name, for as long as that log.
func (l *logSet) keepTable(name string) {
	if n := len(l.old); n > 0 {
		l.old[n-1].table = name
	}
}

// first returns the oldest log that is needed when all runs up to flushed are in
// the tree: the number of the next file if none is, so that any lower one is
// that of a log which must be there.
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

// retire takes the logs off the set that are before the first one that is needed.
func (l *logSet) retire(first uint64) (gone []oldLog) {
	for len(l.old) > 0 && l.old[0].number < first {
		gone = append(gone, l.old[0])
		l.old = l.old[1:]
	}
	return gone
}

// remove removes the files of logs that were retired. Those that stay are removed when the
// store is opened next.
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

// close closes the files of all logs. If the store is discarded nothing is written.
func (l *logSet) close(discard bool) error {
	for _, old := range l.old {
		if old.w != nil {
			l.report(old.w.Discard())
		}
	}
	switch {
	case l.number == 0: // it was one of these
		return nil
	case discard:
		return l.w.Discard()
	}
	return manifest.IgnoreFailed(l.w.Close(false))
}
