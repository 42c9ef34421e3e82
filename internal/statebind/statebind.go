// Package statebind is the door between package state and the registry of a backend. What
// is behind it changes what is declared, so programs and backends outside must not reach
// it. It knows neither side: state/backend hangs the door, and state goes through it.
package statebind

import (
	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/codec"
)

// Binding is the half of a registry that only package state calls. Info is
// backend.Info, which this package cannot name.
type Binding[Info any] interface {
	// Bind records the codec of the keys, which is one for the whole backend, and the
	// size of each encoded key, negative if they vary.
	Bind(key codec.ID, size int) error
	// Declare returns the storage of a state, which create makes at its first
	// declaration. It may keep the info, which never changes.
	Declare(info Info, create func(*Info) (any, error)) (any, error)
	// Clock is that of the tables and of whatever else is frozen with them.
	Clock() *cow.Clock
	// Idle adds a table, which must not be among them, to those that became empty.
	Idle(Trimmable)
}

// Trimmable is a table, whatever its types.
type Trimmable interface {
	// Changes returns a number that every change of the table raises.
	Changes() uint64
	// Trim takes the table from those that became empty. It gives back all memory of one
	// that still is.
	Trim()
}

// Of returns the Binding[backend.Info] of a *backend.Registry. Package state/backend
// sets it.
var Of func(registry any) any
