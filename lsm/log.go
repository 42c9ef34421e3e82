package lsm

import (
	"encoding/binary"
	"errors"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
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

// createLog creates a log file with its first record in memory. Its name is durable
// then; after an error it is removed, if that is possible.
func (db *DB) createLog(number uint64) (*wal.Writer, error) {
	if err := db.dir.Check(); err != nil {
		return nil, err
	}
	name := db.dir.Join(directory.LogName(number))
	w, err := wal.Create(db.dir.FS, name, wal.Options{MaxRecordBytes: maxLogRecord})
	if err != nil {
		return nil, err
	}
	err = db.dir.Sync()
	if err == nil {
		_, err = w.Append(firstRecord(db.identity, number))
	}
	if err != nil {
		return nil, errors.Join(err, w.Discard(), db.dir.Remove(directory.LogName(number)))
	}
	return w, nil
}

// openLog begins a log with the run that is active. Nothing else goes on, or the
// lock is held.
func (db *DB) openLog() error {
	number := db.nextFile
	db.nextFile++
	w, err := db.createLog(number)
	if err != nil {
		return err
	}
	db.log, db.logNumber = w, number
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
func (db *DB) logOp(kind run.Kind, key, value []byte) (end logEnd, err error) {
	if db.logLost != nil {
		return end, db.refuse()
	}
	head := append(db.logHead[:0], recordOps, byte(kind))
	head = binary.AppendUvarint(head, uint64(len(key)))
	split := len(head)
	if kind.HasValue() || kind == opRange {
		head = binary.AppendUvarint(head, uint64(len(value)))
	}
	at, err := db.log.Append(head[:split], key, head[split:], value)
	return db.logged(at, err)
}

// logRecord notes operations that are a record already.
func (db *DB) logRecord(record []byte) (end logEnd, err error) {
	if db.logLost != nil {
		return end, db.refuse()
	}
	at, err := db.log.Append(record)
	return db.logged(at, err)
}

// logged ends what notes a write, before anything of it happens. In a log that is
// synced the record is with the system then: a write that finds no room for it can
// still be refused. The sync is shared by those who wait for it without the lock.
func (db *DB) logged(at int64, err error) (end logEnd, _ error) {
	if db.o.Log == LogSynced {
		if err == nil {
			err = db.log.Flush()
		}
		end = logEnd{db.log, at, db}
	}
	if err != nil {
		return logEnd{}, db.loseLog(err)
	}
	return end, nil
}

// appendOp adds an operation to a record, as logOp writes it.
func appendOp(b []byte, kind run.Kind, key, value []byte) []byte {
	b = append(b, byte(kind))
	b = manifest.AppendBytes(b, key)
	if kind.HasValue() || kind == opRange {
		b = manifest.AppendBytes(b, value)
	}
	return b
}

// rotateLog begins another log if the one there is has become large, and says so; if
// it cannot be made, the old one goes on, unless the file is there all the same: no log
// may follow one that has not ended. The old one ends for good before a write is
// noted in the new one: what comes later must never survive without what came before.
// The new one is there before that, so that a log which has ended and is the last one
// tells that another is missing.
func (db *DB) rotateLog() (rotated bool, err error) {
	if db.log.Size() < db.o.MemtableBytes {
		return false, nil
	}
	old, oldNumber, next := db.log, db.logNumber, db.nextFile
	if err := db.openLog(); err != nil {
		if isFinal(err) || !db.dir.IsGone(directory.LogName(next)) {
			return false, err
		}
		return false, nil
	}
	db.logs = append(db.logs, oldLog{number: oldNumber, lastRun: db.activeRun - 1})
	return true, old.Close(true)
}

// oldLog is a log that has ended, or could not be written any more. It is needed
// until its last run is flushed.
type oldLog struct {
	number, lastRun uint64
	w               *wal.Writer // still open if it could not be written
	table           string      // of a write that was refused, which the log may name
}

// FirstLog is the oldest log that is needed when all runs up to flushed are in
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
		if l.w != nil {
			db.report(manifest.IgnoreFailed(l.w.Close(false)))
		}
		db.report(db.dir.Remove(directory.LogName(l.number)))
		if l.table != "" {
			db.report(db.dir.Remove(l.table))
		}
	}
}

// closeLog ends the log. If all that it has is in the tree it is needed no longer,
// however it ends. If the store is discarded nothing is written.
func (db *DB) closeLog(discard bool) (err error) {
	if db.log == nil {
		return nil
	}
	for _, l := range db.logs {
		if l.w != nil {
			db.report(l.w.Discard())
		}
	}
	switch {
	case db.logNumber == 0: // it was one of these
	case discard:
		err = db.log.Discard()
	default:
		err = manifest.IgnoreFailed(db.log.Close(false))
	}
	if discard || !db.isComplete() {
		return err
	}
	db.report(err)
	db.owner.Lock()
	if db.logNumber != 0 {
		db.logs = append(db.logs, oldLog{number: db.logNumber, lastRun: db.activeRun - 1})
		db.logNumber = 0
	}
	db.owner.Unlock()
	return db.commit(&version.Change{})
}
