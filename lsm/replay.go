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

// replayer reads the logs of a store. Whatever a store like this one would not
// have written is ErrCorrupt; what the tree does not have goes to a target.
type replayer struct {
	o        *Options
	identity vfs.Identity // of the store
	flushed  uint64       // runs up to this one are in the tree
	to       replayTarget

	log    uint64 // that is being read
	begun  bool   // its first record was read
	cut    bool   // a log before it has lost its end
	active uint64 // run whose records come
	filled bool   // it has some
}

// replayTarget takes what logs have.
type replayTarget interface {
	// beginRun ends the run before and begins one, also one that the tree has.
	beginRun(number uint64) error
	// operation is one of a run that the tree does not have. Key and value are
	// valid until the next call.
	operation(kind run.Kind, key, value []byte)
	// table is all of a run that the tree does not have.
	table(m version.FileMeta) error
}

func newReplayer(o *Options, c *manifest.Catalog, to replayTarget) *replayer {
	return &replayer{o: o, identity: c.Identity, flushed: c.Flushed, to: to}
}

// read reads logs, in order. The first that has lost its end is the last one that
// counts: nothing was written to the next one before it had ended clean.
func (r *replayer) read(ctx context.Context, fsys vfs.FS, dir string, numbers []uint64, done func(LogInfo)) error {
	for i, number := range numbers {
		r.log, r.begun = number, false
		outcome, err := wal.Read(ctx, fsys, filepath.Join(dir, directory.LogName(number)), r.record)
		// A log that was closed with its store ends with a run that is empty.
		if err == nil && outcome.Clean && !r.cut && i == len(numbers)-1 && r.filled {
			err = fmt.Errorf("the log behind it is missing: %w", ErrCorrupt)
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

func (r *replayer) record(b []byte, _ int64) error {
	p := manifest.NewParser(b)
	kind := p.Byte()
	if !r.begun {
		r.begun = true
		if !bytes.Equal(b, firstRecord(r.identity, r.log)) {
			return fmt.Errorf("it belongs to another store, or has another number: %w", ErrCorrupt)
		}
		return nil
	}
	if r.cut {
		return r.behindCut(kind)
	}
	r.filled = r.filled || kind != recordRun
	if kind != recordRun && r.active == 0 {
		return fmt.Errorf("record before the first run: %w", ErrCorrupt)
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
	return fmt.Errorf("log record of kind %d: %w", kind, ErrCorrupt)
}

// behindCut takes a record of a log before which one has lost its end. It has a run
// that begins at most: the one before ends for good before there is more.
func (r *replayer) behindCut(kind byte) error {
	if kind != recordRun {
		return fmt.Errorf("a log before it has lost its end: %w", ErrCorrupt)
	}
	return nil
}

// beginRun ends the run before. The first run of a log is that with which the one
// before has ended, or the next.
func (r *replayer) beginRun(number uint64) error {
	if number < r.active || number > max(r.active, r.flushed)+1 {
		return fmt.Errorf("run %d behind run %d: %w", number, max(r.active, r.flushed), ErrCorrupt)
	}
	if number == r.active {
		return nil
	}
	r.active, r.filled = number, false
	return r.to.beginRun(number)
}

func (r *replayer) table(m version.FileMeta) error {
	if r.active <= r.flushed {
		return nil
	}
	if m.Run != r.active {
		return fmt.Errorf("table %d of run %d in run %d: %w", m.Number, m.Run, r.active, ErrCorrupt)
	}
	return r.to.table(m)
}

// ops gives operations to the target. A record is whole or damaged, and the log
// has found out: whatever does not fit here was written so.
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
		if !r.fits(kind, key, value) {
			p.Fail("operation")
			break
		}
		if r.active > r.flushed {
			r.to.operation(kind, key, value)
		}
	}
	return p.Finish("log record")
}

// fits says whether a store like this one notes such an operation.
func (r *replayer) fits(kind run.Kind, key, value []byte) bool {
	if int64(len(key)+len(value)) > maxMemtableEntry {
		return false
	}
	return kind == opRange || kind.Valid() && r.o.checkKey(key) == nil
}

// recovery brings back what logs have: each run as a file of level 0.
type recovery struct {
	db        *DB
	ctx       context.Context // of opening
	active    uint64
	memory    activeMemtable
	lookupKey run.LookupKey
}

// replay brings back what the logs have that the tree has not.
func (db *DB) replay(ctx context.Context, numbers []uint64, c *manifest.Catalog) error {
	r := recovery{db: db, ctx: ctx}
	defer r.release()
	if err := newReplayer(&db.o, c, &r).read(ctx, db.dir.FS, db.dir.Path, numbers, db.o.Events.LogReplayed); err != nil {
		return err
	}
	return r.endRun()
}

func (r *recovery) beginRun(number uint64) error {
	if err := r.endRun(); err != nil {
		return err
	}
	r.active = number
	r.db.activeRun = max(r.db.activeRun, number)
	return nil
}

// endRun brings what the run has to the tree.
func (r *recovery) endRun() error {
	if r.memory.Table == nil || r.memory.Len() == 0 {
		return nil
	}
	if r.ctx.Err() != nil { // a piece of a log that is read at once may have many small runs
		return context.Cause(r.ctx)
	}
	table := r.memory
	r.memory = activeMemtable{}
	table.Seal()
	return r.db.recoverRun(&version.SealedRun{Number: r.active, Table: table})
}

func (r *recovery) operation(kind run.Kind, key, value []byte) {
	if r.memory.Table == nil {
		r.memory = r.db.newTable()
	}
	r.memory.apply(&r.db.o.Split, &r.lookupKey, kind, key, value)
}

func (r *recovery) table(m version.FileMeta) error {
	f, err := r.db.tables.Open(m)
	if err != nil {
		return err
	}
	r.db.nextFile = max(r.db.nextFile, m.Number+1)
	return r.db.recoverRun(version.NewSealedFile(r.active, f))
}

func (r *recovery) release() {
	if r.memory.Table != nil {
		r.db.report(releaseTable(r.memory.Table))
	}
}
