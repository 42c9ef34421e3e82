package lsm

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/wal"
)

// replayer reads the logs of a store, checks them, and passes the operations of runs that the
// tree lacks to a replayTarget. Records that this store would not have written are ErrCorrupt.
type replayer struct {
	o        *Options
	identity vfs.Identity // of the store
	flushed  uint64       // runs up to this one are in the tree
	to       replayTarget

	log    uint64 // number of the log being read
	begun  bool   // the first record of the log was read
	cut    bool   // an earlier log has lost its end
	active uint64 // run that the records belong to
	filled bool   // the run has records
}

// replayTarget receives the content of logs.
type replayTarget interface {
	// beginRun begins a run and ends the one before. It is also called for runs in the tree.
	beginRun(number uint64) error
	// operation passes an operation of a run that the tree lacks. Key and value are valid until
	// the next call.
	operation(kind run.Kind, key, value []byte)
	// table passes a table that is a whole run, which the tree lacks.
	table(m version.FileMeta) error
}

// newReplayer returns a replayer for the logs of the store that the catalog describes.
func newReplayer(o *Options, c *manifest.Catalog, to replayTarget) *replayer {
	return &replayer{o: o, identity: c.Identity, flushed: c.Flushed, to: to}
}

// read reads logs in order. A log that has lost its end is the last one with writes, because
// the store ends and syncs a log before it writes to the next.
func (r *replayer) read(ctx context.Context, fsys vfs.FS, dir string, numbers []uint64, done func(LogInfo)) error {
	for i, number := range numbers {
		r.log, r.begun = number, false
		outcome, err := wal.Read(ctx, fsys, filepath.Join(dir, directory.LogName(number)), r.record)
		// If the store was closed, its last log ends with an empty run. Otherwise the log that
		// has ended has a successor.
		if err == nil && outcome.Clean && !r.cut && i == len(numbers)-1 && r.filled {
			err = fmt.Errorf("the next log is missing: %w", ErrCorrupt)
		}
		if err != nil {
			return fmt.Errorf("log %d: %w", number, manifest.TranslateError(directory.Missing(err)))
		}
		if !r.cut {
			done(LogInfo{Log: number, Bytes: outcome.Size, Clean: outcome.Clean})
		}
		r.cut = r.cut || !outcome.Clean
	}
	return nil
}

// record handles one record of a log.
func (r *replayer) record(b []byte, _ int64) error {
	p := manifest.NewParser(b)
	kind := p.Byte()
	if !r.begun {
		r.begun = true
		if !bytes.Equal(b, firstRecord(r.identity, r.log)) {
			return fmt.Errorf("the log belongs to another store or has another number: %w", ErrCorrupt)
		}
		return nil
	}
	if r.cut {
		return r.recordAfterCut(kind)
	}
	r.filled = r.filled || kind != recordRun
	if kind != recordRun && r.active == 0 {
		return fmt.Errorf("the log has a record before its first run: %w", ErrCorrupt)
	}
	switch kind {
	case recordRun:
		number := p.Uvarint(manifest.MaxFileNumber)
		if err := p.Finish("log record"); err != nil {
			return err
		}
		return r.beginRun(number)
	case recordFile:
		m := p.FileMeta()
		if err := p.Finish("log record"); err != nil {
			return err
		}
		return r.table(m)
	case recordOps:
		return r.ops(&p)
	}
	return fmt.Errorf("unknown kind %d of a log record: %w", kind, ErrCorrupt)
}

// recordAfterCut checks a record of a log that follows one without an end. It may only be the
// beginning of a run.
func (r *replayer) recordAfterCut(kind byte) error {
	if kind != recordRun {
		return fmt.Errorf("the log has writes, but an earlier log has lost its end: %w", ErrCorrupt)
	}
	return nil
}

// beginRun handles the beginning of a run. A log begins with the last run of the log before it,
// or with the next one.
func (r *replayer) beginRun(number uint64) error {
	if number < r.active || number > max(r.active, r.flushed)+1 {
		return fmt.Errorf("run %d begins after run %d: %w", number, max(r.active, r.flushed), ErrCorrupt)
	}
	if number == r.active {
		return nil
	}
	r.active, r.filled = number, false
	return r.to.beginRun(number)
}

// table passes a table to the target, if the tree lacks its run.
func (r *replayer) table(m version.FileMeta) error {
	if r.active <= r.flushed {
		return nil
	}
	if m.Run != r.active {
		return fmt.Errorf("table %d has run %d, want run %d: %w", m.Number, m.Run, r.active, ErrCorrupt)
	}
	return r.to.table(m)
}

// ops passes the operations of a record to the target. Package wal has verified the checksum,
// so an invalid operation is not damage on the disk: no store wrote this record, and it counts
// as corrupt.
func (r *replayer) ops(p *manifest.Parser) error {
	for len(p.Rest) > 0 {
		kind := run.Kind(p.Byte())
		key := p.Bytes(uint64(maxMemtableEntry))
		var value []byte
		if kind.HasValue() || kind == opRange {
			value = p.Bytes(uint64(maxMemtableEntry))
		}
		if p.Err != nil {
			break
		}
		if !r.isValidOp(kind, key, value) {
			p.Fail("operation")
			break
		}
		if r.active > r.flushed {
			r.to.operation(kind, key, value)
		}
	}
	return p.Finish("log record")
}

// isValidOp reports whether a store with these options may have logged the operation.
func (r *replayer) isValidOp(kind run.Kind, key, value []byte) bool {
	if int64(len(key)+len(value)) > maxMemtableEntry {
		return false
	}
	return kind == opRange || kind.Valid() && r.o.checkKey(key) == nil
}

// recovery is the replayTarget of Open: it writes each run to a table of level 0.
type recovery struct {
	db        *DB
	ctx       context.Context // of Open
	active    uint64
	memory    activeMemtable
	lookupKey run.LookupKey
}

// replay adds the runs that only the logs hold to the tree.
func (db *DB) replay(ctx context.Context, numbers []uint64, c *manifest.Catalog) error {
	r := recovery{db: db, ctx: ctx}
	defer r.release()
	if err := newReplayer(&db.o, c, &r).read(ctx, db.dir.FS, db.dir.Path, numbers, db.o.Events.LogReplayed); err != nil {
		return err
	}
	return r.endRun()
}

// beginRun implements replayTarget.
func (r *recovery) beginRun(number uint64) error {
	if err := r.endRun(); err != nil {
		return err
	}
	r.active = number
	r.db.activeRun = max(r.db.activeRun, number)
	return nil
}

// endRun flushes the current run.
func (r *recovery) endRun() error {
	if r.memory.Table == nil || r.memory.Len() == 0 {
		return nil
	}
	if r.ctx.Err() != nil { // check here, because one block of a log may hold many small runs
		return context.Cause(r.ctx)
	}
	table := r.memory
	r.memory = activeMemtable{}
	table.Seal()
	return r.db.recoverRun(&version.SealedRun{Number: r.active, Table: table})
}

// operation implements replayTarget: it writes to the memtable of the run.
func (r *recovery) operation(kind run.Kind, key, value []byte) {
	if r.memory.Table == nil {
		r.memory = r.db.newTable()
	}
	r.memory.apply(&r.db.o.Split, &r.lookupKey, kind, key, value)
}

// table implements replayTarget: it adds the table to the tree.
func (r *recovery) table(m version.FileMeta) error {
	f, err := r.db.tables.Open(m)
	if err != nil {
		return err
	}
	r.db.nextFile = max(r.db.nextFile, m.Number+1)
	return r.db.recoverRun(version.NewSealedFile(r.active, f))
}

// release frees a memtable that was not flushed because of an error.
func (r *recovery) release() {
	if r.memory.Table != nil {
		r.db.report(releaseTable(r.memory.Table))
	}
}
