package lsm

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// PanicError is a panic of a Filter or a Picker, which the store's own goroutines
// call. It makes the store ErrFailed, and the tree stays as it was.
type PanicError struct {
	What  string // whose it was, with its type
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

// askFilter lets the Filter decide. The lock is not held.
func (db *DB) askFilter(batch []FilterEntry) (err error) {
	defer db.failOnPanic("filter", db.o.Filter, &err)
	db.o.Filter.Decide(batch)
	return nil
}

// askPicker lets the Picker pick. The lock is not held.
func (db *DB) askPicker(s Shape) (p *Pick, err error) {
	defer db.failOnPanic("picker", db.o.Picker, &err)
	return db.o.Picker.Pick(s), nil
}

// failOnPanic is deferred around calls of what the options have.
func (db *DB) failOnPanic(what string, of any, err *error) {
	if v := recover(); v != nil {
		*err = db.fail(&PanicError{What: fmt.Sprintf("%s %T", what, of), Value: v, Stack: debug.Stack()})
	}
}
