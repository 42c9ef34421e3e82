package lsm

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// Source is a run whose entries are made when the run is flushed. See DB.SealWith.
//
// Thread safety: one call at a time.
type Source interface {
	// Entries calls add for each entry of the run, in ascending order of keys: at most one
	// DeletePrefix and after it one other entry per key. add copies the entry. Entries returns the
	// error of add, or its own. The flusher's goroutine calls Entries, again after each failed
	// flush, and each call must add the same entries. Entries must not read a view that holds the
	// run, and must not wait for a flush of, or write to, a store of the same budget: they may wait
	// for Entries itself.
	Entries(add func(*run.Entry) error) error
	// Close is called once: soon after the run is in the tree, or when the store is closed, by a
	// goroutine that does not hold the lock of the store.
	Close()
}

// SourceError is the error of a flush whose Source has failed or panicked, or has added an invalid
// entry. It does not wrap errors of the disk.
type SourceError struct {
	Err error // the cause
}

// Error implements error.
func (e *SourceError) Error() string { return fmt.Sprintf("source: %v", e.Err) }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// SealWith seals the active memtable, and puts a run after it whose entries come from src when the
// run is flushed. Writes after SealWith are in the run after that. It returns the number of the
// run of src, takes constant time, and never waits. The run is flushed at once, in its place in the
// order of runs:
//
//	writes before          src            writes after
//	sealed run 7   ◄───   run 8   ◄───   active run 9      older ◄─── newer
//
// Until the run is flushed (FlushedRun, WaitFlushed), Get, Has, MayHold, Peek, Floor and Prefix pass
// over it, as if it had no entries: the caller holds the entries of src, and answers for their keys
// itself. View, Iterator, Stream, Tables and Checkpoint hold the run, and their reads wait for it.
//
// A failed flush leaves no table and is retried, like the flush of a memtable; a panic of src is a
// failed flush too. Until a retry succeeds, writes that must wait for memory return ErrStalled, which
// wraps the cause. A crash before the flush loses the entries of src and all later
// writes.
//
// The memory of src is not part of the budget. Each unflushed run counts toward the number of
// sealed runs at which writes must wait, 36, but not SealWith: the caller limits the number and the
// memory of its sources.
//
// SealWith returns ErrInvalidOption for a nil src and for a store with a log, because the log would
// lack the entries. After an error src is not used and not closed.
func (db *DB) SealWith(src Source) (number uint64, err error) {
	if err := db.lockForWrite(); err != nil {
		return 0, err
	}
	defer db.unlockAfterWrite(&err)
	switch {
	case src == nil:
		return 0, fmt.Errorf("source is nil: %w", ErrInvalidOption)
	case db.o.Log != LogOff:
		return 0, fmt.Errorf("a store with a log takes no source: %w", ErrInvalidOption)
	}
	if err := db.seal(); err != nil {
		return 0, err
	}
	number = db.activeRun
	db.flushes.makeDue(number) // first, because beginRun wakes the flusher
	return number, db.beginRun(version.NewSealedSource(number, src))
}

// FlushedRun returns the number of the newest run in the tree; all older runs are in the tree too.
func (db *DB) FlushedRun() uint64 {
	db.lock.Lock()
	defer db.lock.Unlock()
	return db.flushedRun
}

// WaitFlushed waits until a run and all older ones are in the tree, a flush that begins from now on
// fails, or the context ends. It returns the error of the flush, or the context's cause. The run
// must be sealed, otherwise WaitFlushed returns ErrInvalidOption.
func (db *DB) WaitFlushed(ctx context.Context, number uint64) (err error) {
	if err := checkContext(ctx); err != nil {
		return fmt.Errorf("wait for run %d: %w", number, err)
	}
	if err := db.lockOpen(); err != nil {
		return err
	}
	defer db.unlock(&err)
	if number >= db.activeRun {
		return fmt.Errorf("run %d is not sealed, the newest sealed run is %d: %w", number, db.activeRun-1, ErrInvalidOption)
	}
	return db.waitForRun(ctx, number)
}

// entriesOf passes the valid entries of a source to add. At the first invalid entry or error of
// add, it returns that error, even if the source does not.
func (o *Options) entriesOf(s version.Source, add func(*run.Entry) error) error {
	var refused error
	err := askSource(s, func(e *run.Entry) error {
		if refused == nil {
			refused = o.checkEntry(e)
		}
		if refused == nil {
			refused = add(e)
		}
		return refused
	})
	switch {
	case errors.Is(refused, sstable.ErrOrder):
		return &SourceError{refused}
	case refused != nil:
		return refused
	case err != nil:
		return &SourceError{err}
	}
	return nil
}

// askSource calls Source.Entries and turns a panic into an error.
func askSource(s version.Source, add func(*run.Entry) error) (err error) {
	defer catch(fmt.Sprintf("source %T", s), &err)
	return s.Entries(add)
}

// checkEntry returns a SourceError unless a write could have made the entry. The table writer checks
// the order of entries.
func (o *Options) checkEntry(e *run.Entry) error {
	var err error
	switch {
	case !e.Kind.Valid():
		err = fmt.Errorf("entry of kind %d: %w", e.Kind, ErrInvalidOption)
	case int64(len(e.Key)) > o.MaxKeySize:
		err = &SizeError{"key", int64(len(e.Key)), o.MaxKeySize}
	case e.Value.Size() > o.MaxValueSize:
		err = &SizeError{"value", e.Value.Size(), o.MaxValueSize}
	case e.Kind == run.DeletePrefix:
		err = o.checkPrefix(e.Key)
	}
	if err == nil {
		err = o.checkKey(e.Key)
	}
	if err == nil || isPanic(err) {
		return err
	}
	return &SourceError{err}
}

// closeSources closes the sources among runs that are in the tree, or whose store is closed. The
// caller does not hold the lock.
func (db *DB) closeSources(runs []*version.SealedRun) {
	for _, r := range runs {
		if r.Source != nil {
			db.report(closeSource(r.Source))
		}
	}
}

// closeSource calls Source.Close and turns a panic into an error.
func closeSource(s version.Source) (err error) {
	defer catch(fmt.Sprintf("source %T", s), &err)
	s.Close()
	return nil
}
