// Package statebind gives package state access to methods of backend.Registry that declare states.
// They are not exported methods of Registry, so programs and backends of other modules cannot
// call them. State/backend sets Of, and package state calls it; this package imports neither.
package statebind

import (
	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/codec"
)

// Binding has the methods of a registry that only package state may call. Info is backend.Info,
// which this package cannot import.
type Binding[Info any] interface {
	// Bind records the codec of the keys and the size of each encoded key, which is negative
	// if sizes vary. All Keyed of a backend must have the same key codec; another one is
	// backend.ErrStateMismatch.
	Bind(key codec.ID, size int) error
	// Declare returns the storage of a state. At the first declaration it calls create, which
	// may keep the pointer to the info; the info never changes.
	Declare(info Info, create func(*Info) (any, error)) (any, error)
	// Clock returns the clock of the backend's tables and other units.
	Clock() *cow.Clock
	// Idle queues a table that has become empty. The table must not be in the queue.
	Idle(Trimmable)
}

// Trimmable is a table without its types.
type Trimmable interface {
	// Changes returns a number that every change of the table increments.
	Changes() uint64
	// Trim tells the table that it has left the queue. If it is still empty, it releases its
	// memory.
	Trim()
}

// Of returns the Binding[backend.Info] of a *backend.Registry. Package state/backend sets it.
var Of func(registry any) any
