package lsm

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"slices"

	"github.com/weirstate/weir/internal/run"
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

// openLog begins a new log with the run that is active, and makes its name
// durable.
func (db *DB) openLog(number uint64) error {
	if err := db.dirLock.Check(); err != nil {
		return err
	}
	w, err := wal.Create(db.fs, filepath.Join(db.dir, logName(number)), wal.Options{MaxRecordBytes: maxLogRecord})
	if err != nil {
		return err
	}
	if err := db.fs.SyncDir(db.dir); err != nil {
		return errors.Join(err, w.Close(false))
	}
	db.log, db.logNumber = w, number
	if _, err := w.Append(firstRecord(db.identity, number)); err != nil {
		return err
	}
	return db.logRun()
}

// firstRecord is the first record of a log.
func firstRecord(store [16]byte, number uint64) []byte {
	return binary.AppendUvarint(append([]byte{recordLog}, store[:]...), number)
}

// maxLogRecord is above what a memtable takes and a batch may have.
const maxLogRecord = 1 << 30

// logRun notes that the active run begins.
func (db *DB) logRun() error {
	b := binary.AppendUvarint([]byte{recordRun}, db.activeRun)
	_, err := db.log.Append(b)
	return err
}

// logOp notes one operation.
func (db *DB) logOp(kind run.Kind, key, value []byte) (end int64, err error) {
	head := append(db.logHead[:0], recordOps, byte(kind))
	head = binary.AppendUvarint(head, uint64(len(key)))
	split := len(head)
	if kind.HasValue() || kind == opRange {
		head = binary.AppendUvarint(head, uint64(len(value)))
	}
	return db.log.Append(head[:split], key, head[split:], value)
}

// logFile notes that a run is a file.
func (db *DB) logFile(f *file) (end int64, err error) {
	return db.log.Append(f.append([]byte{recordFile}))
}

// appendOp adds an operation to a record, as logOp writes it.
func appendOp(b []byte, kind run.Kind, key, value []byte) []byte {
	b = append(b, byte(kind))
	b = appendBytes(b, key)
	if kind.HasValue() || kind == opRange {
		b = appendBytes(b, value)
	}
	return b
}

// rotateLog begins another log if the one there is has become large. The old one
// ends for good before a write is noted in the new one: what comes later must
// never survive without what came before. The new one is there before that, so
// that a log which has ended and is the last one tells that another is missing.
func (db *DB) rotateLog() (rotated bool, err error) {
	if db.log.Size() < db.o.MemtableBytes {
		return false, nil
	}
	old, oldNumber := db.log, db.logNumber
	db.nextFile++
	if err := db.openLog(db.nextFile - 1); err != nil {
		return false, err
	}
	db.logs = append(db.logs, oldLog{oldNumber, db.activeRun - 1})
	return true, old.Close(true)
}

// oldLog is a log that has ended. It is needed until its last run is flushed.
type oldLog struct{ number, lastRun uint64 }

// firstLog is the oldest log that is needed when all runs up to flushed are in
// the tree: the number of the next file if none is, so that any lower one is
// that of a log which must be there.
func (db *DB) firstLog(flushed uint64) uint64 {
	for _, l := range db.logs {
		if l.lastRun > flushed {
			return l.number
		}
	}
	if db.logNumber == 0 {
		return db.nextFile
	}
	return db.logNumber
}

// removeLogs removes the logs before the first one that is needed. Those that
// stay are removed when the store is opened next.
func (db *DB) removeLogs(first uint64) {
	db.owner.Lock()
	var gone []oldLog
	for len(db.logs) > 0 && db.logs[0].number < first {
		gone = append(gone, db.logs[0])
		db.logs = db.logs[1:]
	}
	db.owner.Unlock()
	for _, l := range gone {
		db.report(db.removeFile(logName(l.number)))
	}
}

// logNumbers are those of the log files in a directory, ascending, from the
// first one that is needed on.
func logNumbers(names []string, first uint64) (numbers []uint64) {
	for _, name := range names {
		if n, ok := parseNumber(name, "", logSuffix); ok && n >= first {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}
