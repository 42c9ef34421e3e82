package lsm

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/weirstate/weir/run"
)

// PanicError is a panic of a function that the options have. No lock stays held, and
// the tree stays as it was.
//
//   - Of Split: the call returns it. A read or a write that has changed nothing yet has
//     not happened, and the store goes on; one that may have changed something makes the
//     store ErrFailed, as a panic while a memtable is flushed or tables are compacted
//     does.
//   - Of Filter and Picker, or of a memtable during a write: the store is ErrFailed.
//   - Of a function of Events: that function is not called any more, the store goes on,
//     and Close returns the first such panic.
type PanicError struct {
	What  string // whose it was, with its name or type
	Value any    // of the panic
	Stack []byte // of the goroutine, as debug.Stack has it
}

// Error implements error. It has the panic's text if that is of the runtime, for
// others may have keys and values in theirs.
func (e *PanicError) Error() string {
	if err, ok := e.Value.(runtime.Error); ok {
		return fmt.Sprintf("%s has panicked: %v", e.What, err)
	}
	return fmt.Sprintf("%s has panicked with a %T", e.What, e.Value)
}

func newPanicError(what string, value any) *PanicError {
	return &PanicError{What: what, Value: value, Stack: debug.Stack()}
}

// isPanic reports whether an error is a panic.
func isPanic(err error) bool {
	var p *PanicError
	return errors.As(err, &p)
}

// panicOf returns the error of a panic in code that calls the split function and
// memtables. The lock need not be held.
func (db *DB) panicOf(value any) error {
	return newPanicError(fmt.Sprintf("split function %.64q or a memtable", db.o.Split.Name), value)
}

// leave is deferred around what is done under the lock: it releases the lock, and makes
// an error of a panic, after which nothing has changed.
func (db *DB) leave(err *error) {
	if v := recover(); v != nil {
		*err = db.panicOf(v)
	}
	db.lock.Unlock()
}

// leaveWrite is leave for what changes the store, which has failed after a panic.
func (db *DB) leaveWrite(err *error) {
	if v := recover(); v != nil {
		*err = db.failLocked(db.panicOf(v))
	}
	db.lock.Unlock()
}

// catch is deferred around calls of functions that the options have, without the lock
// or in a place where the caller releases it.
func catch(what string, err *error) {
	if v := recover(); v != nil {
		*err = newPanicError(what, v)
	}
}

// guard calls do, which calls the split function and memtables.
func (db *DB) guard(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = db.panicOf(v)
		}
	}()
	return do()
}

// splitAt returns how many bytes of a key are its prefix.
func (o *Options) splitAt(key []byte) (n int, err error) {
	defer catch("split function", &err)
	n = o.Split.Func(key)
	_ = key[:n]
	return n, nil
}

// askFilter lets the Filter decide. The lock is not held.
func (db *DB) askFilter(batch []FilterEntry) (err error) {
	defer db.failOnPanic("filter", db.o.Filter, &err)
	db.o.Filter.Decide(batch)
	return nil
}

// filterRange returns what a Filter is asked about, if there is one.
func filterRange(f Filter) (r run.Range, err error) {
	defer catch(fmt.Sprintf("filter %T", f), &err)
	if ranged, ok := f.(RangeFilter); ok {
		r.From, r.To = ranged.FilterRange()
	}
	return r, nil
}

// askPicker lets the Picker pick. The lock is not held.
func (db *DB) askPicker(s Shape) (p *Pick, err error) {
	defer db.failOnPanic("picker", db.o.Picker, &err)
	return db.o.Picker.Pick(s), nil
}

// failOnPanic is deferred around calls of what the options have.
func (db *DB) failOnPanic(what string, of any, err *error) {
	if v := recover(); v != nil {
		*err = db.fail(newPanicError(fmt.Sprintf("%s %T", what, of), v))
	}
}

// eventPanics remembers the first panic of a function of Events.
//
// Thread safety: safe for concurrent use.
type eventPanics struct {
	mu    sync.Mutex
	first error
}

func (p *eventPanics) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == nil {
		p.first = err
	}
}

// err returns the first panic, nil if there was none.
func (p *eventPanics) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first
}
