package lsm

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/weirstate/weir/run"
)

// PanicError is the error of a panic in a function of the options or in a Source. All locks are released, and
// the tree does not change.
//
//   - A panic of Split is returned by the call. If the call has changed nothing, it has not happened
//     and the store continues. If it may have changed something, or if the panic happened in a
//     flush or compaction, the store is ErrFailed.
//   - After a panic of Filter or Picker, or of a memtable during a write, the store is ErrFailed.
//   - A panic of Source.Entries is a failed flush, which is retried: see SourceError. A panic of
//     Source.Close is passed to Events.LeftBehind.
//   - After a panic of a function of Events, that function is not called again, the store
//     continues, and Close returns the first such panic.
type PanicError struct {
	What  string // function that panicked, with its name or type
	Value any    // value of the panic
	Stack []byte // stack of the goroutine, from debug.Stack
}

// Error implements error. The text includes the panic's text only for errors of the Go runtime,
// because others may contain keys and values.
func (e *PanicError) Error() string {
	if err, ok := e.Value.(runtime.Error); ok {
		return fmt.Sprintf("%s has panicked: %v", e.What, err)
	}
	return fmt.Sprintf("%s has panicked with a %T", e.What, e.Value)
}

// newPanicError returns the error of a panic, with the stack of this goroutine.
func newPanicError(what string, value any) *PanicError {
	return &PanicError{What: what, Value: value, Stack: debug.Stack()}
}

// isPanic reports whether err is or wraps a PanicError after which the store cannot continue. After
// a panic of a Source it can.
func isPanic(err error) bool {
	var p *PanicError
	var s *SourceError
	return errors.As(err, &p) && !errors.As(err, &s)
}

// panicOf returns the error of a panic in code that calls the split function and memtables. The
// caller need not hold the lock.
func (db *DB) panicOf(value any) error {
	return newPanicError(fmt.Sprintf("split function %.64q or a memtable", db.o.Split.Name), value)
}

// unlock is deferred by operations that hold the lock and change nothing: it releases the lock
// and turns a panic into an error.
func (db *DB) unlock(err *error) {
	if v := recover(); v != nil {
		*err = db.panicOf(v)
	}
	db.lock.Unlock()
}

// unlockAfterWrite is unlock for operations that change the store. A panic fails the store.
func (db *DB) unlockAfterWrite(err *error) {
	if v := recover(); v != nil {
		*err = db.failLocked(db.panicOf(v))
	}
	db.lock.Unlock()
}

// catch is deferred around calls of functions of the options. It turns a panic into an error.
func catch(what string, err *error) {
	if v := recover(); v != nil {
		*err = newPanicError(what, v)
	}
}

// guard calls do, which calls the split function and memtables, and turns a panic into an
// error.
func (db *DB) guard(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = db.panicOf(v)
		}
	}()
	return do()
}

// splitAt returns the length of a key's prefix.
func (o *Options) splitAt(key []byte) (n int, err error) {
	defer catch("split function", &err)
	n = o.Split.Func(key)
	_ = key[:n]
	return n, nil
}

// askFilter calls the Filter. The caller does not hold the lock.
func (db *DB) askFilter(batch []FilterEntry) (err error) {
	defer db.failOnPanic("filter", db.o.Filter, &err)
	db.o.Filter.Decide(batch)
	return nil
}

// filterRange returns the range of keys that a Filter decides on; all keys if it names none.
func filterRange(f Filter) (r run.Range, err error) {
	defer catch(fmt.Sprintf("filter %T", f), &err)
	if ranged, ok := f.(RangeFilter); ok {
		r.From, r.To = ranged.FilterRange()
	}
	return r, nil
}

// askPicker calls the Picker. The caller does not hold the lock.
func (db *DB) askPicker(s Shape) (p *Pick, err error) {
	defer db.failOnPanic("picker", db.o.Picker, &err)
	return db.o.Picker.Pick(s), nil
}

// failOnPanic is deferred around calls of the Filter and the Picker: a panic fails the store.
func (db *DB) failOnPanic(what string, of any, err *error) {
	if v := recover(); v != nil {
		*err = db.fail(newPanicError(fmt.Sprintf("%s %T", what, of), v))
	}
}

// eventPanics holds the first panic of a function of Events.
//
// Thread safety: safe for concurrent use.
type eventPanics struct {
	mu    sync.Mutex
	first error
}

// note records a panic if it is the first one.
func (p *eventPanics) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == nil {
		p.first = err
	}
}

// err returns the first panic, or nil.
func (p *eventPanics) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first
}
