package lsm

import (
	"context"
	"errors"
	"io"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs/vfstest"
)

// tripwire panics once: set(n) arms it, and the n-th call of step panics.
type tripwire struct{ left atomic.Int64 }

func (w *tripwire) set(calls int) { w.left.Store(int64(calls)) }

// isSet reports whether the tripwire is armed and has not panicked yet.
func (w *tripwire) isSet() bool { return w.left.Load() > 0 }

func (w *tripwire) step() {
	if w.left.Load() > 0 && w.left.Add(-1) == 0 {
		panic("secret key")
	}
}

// trippedTable is a memtable whose methods may panic, except Bytes, Len and Ranges, which only read
// fields.
type trippedTable struct {
	memtable.Table
	wire *tripwire
}

func (t trippedTable) Set(p *run.LookupKey, v []byte)    { t.wire.step(); t.Table.Set(p, v) }
func (t trippedTable) Delete(p *run.LookupKey)           { t.wire.step(); t.Table.Delete(p) }
func (t trippedTable) Append(p *run.LookupKey, v []byte) { t.wire.step(); t.Table.Append(p, v) }
func (t trippedTable) DeletePrefix(p *run.LookupKey)     { t.wire.step(); t.Table.DeletePrefix(p) }
func (t trippedTable) DeleteRange(r run.Range)           { t.wire.step(); t.Table.DeleteRange(r) }
func (t trippedTable) Hides(p *run.LookupKey) bool       { t.wire.step(); return t.Table.Hides(p) }
func (t trippedTable) MayHold(p *run.LookupKey) bool     { t.wire.step(); return t.Table.MayHold(p) }
func (t trippedTable) Seal()                             { t.wire.step(); t.Table.Seal() }
func (t trippedTable) Iterator() run.BackwardIterator    { t.wire.step(); return t.Table.Iterator() }
func (t trippedTable) Close()                            { t.wire.step(); t.Table.Close() }

func (t trippedTable) Get(p *run.LookupKey, f *run.Lookup) bool {
	t.wire.step()
	return t.Table.Get(p, f)
}

func (t trippedTable) Live(p *run.LookupKey, reuse run.Iterator) run.BackwardIterator {
	t.wire.step()
	return t.Table.Live(p, reuse)
}

// A panic of a split function or of a memtable must release the lock of the store, which used to
// stay held forever. The test lets each of their calls panic in turn, in each operation of DB.
func TestPanicsReleaseTheLock(t *testing.T) {
	ctx := context.Background()
	key, value := []byte("aa:1"), []byte("value")
	walked := func(it *Iterator, err error) error {
		if err != nil {
			return err
		}
		for it.Next() {
			_, err = it.Value()
		}
		return errors.Join(err, it.Err(), it.Close())
	}
	readStream := func(r io.ReadCloser, _ int64, _ bool, err error) error {
		if err != nil {
			return err
		}
		_, err = io.ReadAll(r)
		return errors.Join(err, r.Close())
	}
	viewed := func(do func(*View) error) func(*DB) error {
		return func(db *DB) error {
			v, err := db.View()
			if err != nil {
				return err
			}
			return errors.Join(do(v), v.Close())
		}
	}
	operations := map[string]func(*DB) error{
		"Append":       func(db *DB) error { return db.Append(key, value) },
		"Put":          func(db *DB) error { return db.Put(key, value) },
		"Put large":    func(db *DB) error { return db.Put(key, make([]byte, 1<<20)) },
		"Delete":       func(db *DB) error { return db.Delete(key) },
		"DeletePrefix": func(db *DB) error { return db.DeletePrefix([]byte("aa:")) },
		"DeleteRange":  func(db *DB) error { return db.DeleteRange([]byte("aa"), []byte("ab")) },
		"Apply": func(db *DB) error {
			var b Batch
			b.Put(key, value)
			b.DeletePrefix([]byte("bb:"))
			return db.Apply(&b)
		},
		"Get":      func(db *DB) error { _, _, err := db.Get(key, nil); return err },
		"Has":      func(db *DB) error { _, err := db.Has(key); return err },
		"MayHold":  func(db *DB) error { _, err := db.mayHoldOpen(key); return err },
		"Peek":     func(db *DB) error { _, _, err := db.Peek(key); return err },
		"Floor":    func(db *DB) error { _, _, _, err := db.Floor(key); return err },
		"Iterator": func(db *DB) error { it, err := db.Iterator(key, nil); return walked(it, err) },
		"Prefix":   func(db *DB) error { it, err := db.Prefix([]byte("aa:")); return walked(it, err) },
		"OpenPrefix": func(db *DB) error {
			it := new(Iterator)
			return walked(it, db.OpenPrefix(it, []byte("aa:")))
		},
		"Stream": func(db *DB) error { return readStream(db.Stream(key)) },
		"Seal":   (*DB).Seal,
		"SealWith": func(db *DB) error {
			number, err := db.SealWith(sourceOf(entry(run.DeletePrefix, "aa:", ""), entry(run.Set, "aa:1", "source")))
			if err != nil {
				return err
			}
			return db.WaitFlushed(ctx, number)
		},
		"WaitFlushed": func(db *DB) error { return db.WaitFlushed(ctx, 1) },
		"FlushedRun":  func(db *DB) error { db.FlushedRun(); return nil },
		"SyncLog": func(db *DB) error {
			if err := db.SyncLog(); !errors.Is(err, ErrNoLog) {
				return err
			}
			return nil
		},
		"Flush":      func(db *DB) error { return db.Flush(context.Background()) },
		"Compact":    func(db *DB) error { return db.Compact(context.Background()) },
		"Checkpoint": func(db *DB) error { return db.Checkpoint(ctx, "copy") },
		"View": viewed(func(v *View) error {
			_, _, err := v.Get(key, nil)
			it, openErr := v.Iterator(key, nil)
			return errors.Join(err, walked(it, openErr), readStream(v.Stream(key)))
		}),
		"Tables": viewed(func(v *View) error {
			tables, err := v.Tables(ctx)
			if err != nil {
				return err
			}
			return tables.Close()
		}),
		"Budget":  func(db *DB) error { db.Budget(); return nil },
		"Metrics": func(db *DB) error { db.Metrics(); return nil },
		"Close":   (*DB).Close,
		"Discard": (*DB).Discard,
	}
	methods := reflect.TypeFor[*DB]()
	for i := range methods.NumMethod() {
		require.Contains(t, operations, methods.Method(i).Name)
	}
	for name, operation := range operations {
		for _, source := range []string{"split", "memtable"} {
			t.Run(name+"/"+source, func(t *testing.T) {
				for nth := 1; ; nth++ {
					if !panicsAt(t, source, nth, operation) {
						break
					}
				}
			})
		}
	}
}

// panicsAt runs an operation whose nth call of source, "split" or "memtable", panics. It reports
// whether the operation made n calls.
func panicsAt(t *testing.T, source string, nth int, operation func(*DB) error) bool {
	mem, wire := vfstest.NewMem(vfstest.MemOptions{}), &tripwire{}
	o := goldenOptions(t, mem, LogOff)
	o.Picker = idle{}
	split := o.Split.Func
	switch source {
	case "split":
		o.Split.Func = func(key []byte) int { wire.step(); return split(key) }
	case "memtable":
		o.NewMemtable = func(mo memtable.Options) memtable.Table {
			wire.step()
			return trippedTable{memtable.NewHash(mo), wire}
		}
	}
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	db.flushes.runAge = time.Hour
	for _, key := range []string{"aa:1", "aa:2", "bb:1"} {
		require.NoError(t, db.Append([]byte(key), []byte("old")))
		require.NoError(t, db.Flush(context.Background()))
		require.NoError(t, db.Append([]byte(key), []byte("new")))
	}
	wire.set(nth)
	err = operation(db)
	again := !wire.isSet()
	wire.set(0)
	if err != nil {
		var p *PanicError
		require.ErrorAs(t, err, &p)
		require.NotContains(t, err.Error(), "secret")
	}
	waitFor(t, "the lock of the store is free", db.lock.TryLock)
	db.lock.Unlock()
	if !db.status.closed {
		_, _, err := db.Get([]byte("aa:2"), nil)
		require.NoError(t, err)
		writeErr := db.Put([]byte("cc:1"), []byte("x"))
		require.True(t, writeErr == nil || errors.Is(writeErr, ErrFailed), "%v", writeErr)
		closed := db.Close()
		require.True(t, closed == nil || errors.Is(closed, ErrFailed), "%v", closed)
	}
	o.Split.Func, o.NewMemtable = split, nil
	db, err = Open(context.Background(), "db", *o)
	require.NoError(t, err)
	_, found, err := db.Get([]byte("aa:2"), nil)
	require.NoError(t, err)
	_ = found
	require.NoError(t, db.Close())
	return again
}

// A panic of an Events function neither ends the process nor keeps the lock; Close returns it.
func TestPanicsOfEventsAreReturnedByClose(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := goldenOptions(t, mem, LogBuffered)
	var calls atomic.Int64
	events := reflect.ValueOf(&o.Events).Elem()
	for i := range events.NumField() {
		f := events.Field(i)
		f.Set(reflect.MakeFunc(f.Type(), func([]reflect.Value) []reflect.Value {
			calls.Add(1)
			panic("secret key")
		}))
	}
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, db.Put([]byte("aa:1"), []byte("value")))
		require.NoError(t, db.Flush(context.Background()))
		require.NoError(t, db.Compact(context.Background()))
	}
	require.NoError(t, db.Put([]byte("aa:1"), []byte("value")))
	require.Error(t, db.fail(errors.New("disk")))
	require.ErrorIs(t, db.Put([]byte("aa:1"), []byte("value")), ErrFailed)
	err = db.Close()
	var p *PanicError
	require.ErrorAs(t, err, &p)
	require.Contains(t, err.Error(), "events function")
	require.NotContains(t, err.Error(), "secret")
	require.LessOrEqual(t, int(calls.Load()), events.NumField(), "an Events function was called again after it had panicked")
}

// lenTable is a memtable whose Len may panic. The workers call Len under the lock of the store.
type lenTable struct {
	memtable.Table
	wire *tripwire
}

func (t lenTable) Len() int { t.wire.step(); return t.Table.Len() }

// A panic of Len in the compactor must release the lock of the store, which used to stay held, so
// that Close waited forever.
func TestPanicOfLenInTheCompactorReleasesTheLock(t *testing.T) {
	wire, failed := &tripwire{}, make(chan error, 1)
	o := goldenOptions(t, vfstest.NewMem(vfstest.MemOptions{}), LogOff)
	o.NewMemtable = func(mo memtable.Options) memtable.Table { return lenTable{memtable.NewHash(mo), wire} }
	o.Events.Failed = func(err error) { failed <- err }
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	waitFor(t, "the compactor is idle", func() bool { return !db.compactor.isBusy() })
	wire.set(1)
	db.compactor.wake()
	waitFor(t, "Len has panicked", func() bool { return !wire.isSet() })
	waitFor(t, "the lock of the store is free", db.lock.TryLock)
	db.lock.Unlock()
	require.ErrorIs(t, <-failed, ErrFailed)
	require.ErrorIs(t, db.Close(), ErrFailed)
}

// If RangeFilter.FilterRange panics, Open returns the panic as an error.
func TestPanicOfFilterRangeIsAnErrorOfOpen(t *testing.T) {
	_, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{}), Filter: panickyRange{}})
	require.ErrorIs(t, err, ErrInvalidOption)
	var p *PanicError
	require.ErrorAs(t, err, &p)
}

type panickyRange struct{}

func (panickyRange) Decide([]FilterEntry)           {}
func (panickyRange) FilterRange() (from, to []byte) { panic("no range") }
