package lsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/wal"
)

// Records of the log, by their first byte. Bytes: docs/format-log.md.
const (
	// recordRun says that a run begins; its number follows. The first record
	// of each log is one.
	recordRun byte = 1
	// recordOps has operations that happened together.
	recordOps byte = 2
	// recordFile says that a run is a file that was written for a large write.
	recordFile byte = 3
)

// opRange is a DeleteRange among operations; the others are kinds of entries.
const opRange run.Kind = 16

const logSuffix = ".log"

func logName(number uint64) string { return fmt.Sprintf("%06d%s", number, logSuffix) }

// openLog begins a new log with the run that is active, and makes its name
// durable.
func (db *DB) openLog(number uint64) error {
	w, err := wal.Create(db.fs, filepath.Join(db.dir, logName(number)), wal.Options{MaxRecordBytes: maxLogRecord})
	if err != nil {
		return err
	}
	if err := db.fs.SyncDir(db.dir); err != nil {
		return errors.Join(err, w.Close(false))
	}
	db.log, db.logNumber = w, number
	return db.logRun()
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
		db.report(db.fs.Remove(db.path(logName(l.number))))
	}
}

// replay brings back what the logs have that the tree has not: each run as a file
// of level 0. A log that has lost its end is the last one that counts.
func (db *DB) replay(numbers []uint64, flushed uint64) error {
	r := replayer{db: db, flushed: flushed}
	defer r.release()
	for i, number := range numbers {
		name := filepath.Join(db.dir, logName(number))
		outcome, err := wal.Read(db.fs, name, r.record)
		if err != nil {
			return fmt.Errorf("log %d: %w", number, ofLog(err))
		}
		db.o.Events.LogReplayed(LogInfo{Log: number, Bytes: outcome.Size, Clean: outcome.Clean})
		if !outcome.Clean {
			break
		}
		// A log that was closed with its store ends with a run that is empty.
		if i == len(numbers)-1 && r.filled {
			return fmt.Errorf("the log behind log %d is missing: %w", number, ErrCorrupt)
		}
	}
	return r.endRun()
}

// replayer applies the records of logs.
type replayer struct {
	db      *DB
	flushed uint64 // runs up to this one are in the tree
	active  uint64 // run whose records come
	filled  bool   // it has some
	table   runTable
	probe   run.Probe
}

func (r *replayer) record(b []byte, _ int64) error {
	p := parser{rest: b}
	kind := p.byte()
	r.filled = r.filled || kind != recordRun
	if kind != recordRun && r.active == 0 {
		return fmt.Errorf("record before the first run: %w", ErrCorrupt)
	}
	switch kind {
	case recordRun:
		number := p.uvarint(maxFileNumber)
		if err := p.end("log record"); err != nil {
			return err
		}
		return r.beginRun(number)
	case recordFile:
		m := p.fileMeta()
		if err := p.end("log record"); err != nil {
			return err
		}
		return r.file(m)
	case recordOps:
		return r.ops(&p)
	}
	return fmt.Errorf("log record of kind %d: %w", kind, ErrCorrupt)
}

// beginRun ends the run before. The first record of a log repeats the run that
// the one before has ended with.
func (r *replayer) beginRun(number uint64) error {
	if number < r.active || number > max(r.active, r.flushed)+1 {
		return fmt.Errorf("run %d behind run %d: %w", number, max(r.active, r.flushed), ErrCorrupt)
	}
	if number == r.active {
		return nil
	}
	if err := r.endRun(); err != nil {
		return err
	}
	r.active, r.filled = number, false
	r.db.activeRun = max(r.db.activeRun, number)
	return nil
}

// endRun brings what the run has to the tree.
func (r *replayer) endRun() error {
	if r.table.Table == nil || r.table.Len() == 0 {
		return nil
	}
	table := r.table
	r.table = runTable{}
	table.Seal()
	return r.db.adopt(&sealedRun{number: r.active, table: table})
}

// file brings a run that is a file to the tree.
func (r *replayer) file(m fileMeta) error {
	if r.active <= r.flushed {
		return nil
	}
	if m.run != r.active {
		return fmt.Errorf("table %d of run %d in run %d: %w", m.number, m.run, r.active, ErrCorrupt)
	}
	f, err := r.db.openTable(m)
	if err != nil {
		return err
	}
	r.db.nextFile = max(r.db.nextFile, m.number+1)
	f.refs++ // the run's
	return r.db.adopt(&sealedRun{number: r.active, file: f})
}

// ops applies operations. A record is whole or damaged, and the log has found
// out: whatever does not fit here was written so.
func (r *replayer) ops(p *parser) error {
	for len(p.rest) > 0 {
		kind := run.Kind(p.byte())
		key := p.bytes(uint64(maxMemtableEntry))
		var value []byte
		if kind.HasValue() || kind == opRange {
			value = p.bytes(uint64(maxMemtableEntry))
		}
		if p.err != nil {
			break
		}
		if !r.fits(kind, key, value) {
			p.fail("operation")
			break
		}
		if r.active > r.flushed {
			r.apply(kind, key, value)
		}
	}
	return p.end("log record")
}

// fits says whether a store like this one notes such an operation.
func (r *replayer) fits(kind run.Kind, key, value []byte) bool {
	if int64(len(key)+len(value)) > maxMemtableEntry {
		return false
	}
	return kind == opRange || kind.Valid() && r.db.o.checkKey(key) == nil
}

func (r *replayer) apply(kind run.Kind, key, value []byte) {
	if r.table.Table == nil {
		r.table = r.db.newTable()
	}
	r.table.apply(&r.db.o.Split, &r.probe, kind, key, value)
}

func (r *replayer) release() {
	if r.table.Table != nil {
		r.table.Release()
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

// ignoreMissing is for removing what may have gone.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
