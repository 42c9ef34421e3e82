package state

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/state/backend"
)

// ErrNoKey is returned when a state is used before SetKey, or after a SetKey that failed.
// It comes wrapped as the errors of package backend do.
var ErrNoKey = errors.New("no current key")

// Errors of single operations: those of package backend. They come wrapped with the
// state's name and with sizes, never with keys or values.
var (
	// ErrKeyGroup is returned by SetKey for a key whose key group the backend
	// does not own.
	ErrKeyGroup = backend.ErrKeyGroup
	// ErrKeyTooLarge is returned when a composite key would outgrow
	// Limits.MaxKeySize. The error is a *SizeError.
	ErrKeyTooLarge = backend.ErrKeyTooLarge
	// ErrValueTooLarge is returned when a value, a list element or a map entry
	// would outgrow Limits.MaxValueSize. The error is a *SizeError.
	ErrValueTooLarge = backend.ErrValueTooLarge
	// ErrFull is returned when a state holds as many rows as a table can
	// address (2^32 - 2).
	ErrFull = backend.ErrFull
	// ErrClosed is returned by every operation after Close.
	ErrClosed = backend.ErrClosed
)

// Errors of declaration and restore: those of package backend.
var (
	// ErrStateMismatch is returned when a name is declared again with another
	// kind, key or codec.
	ErrStateMismatch = backend.ErrStateMismatch
	// ErrStateCollision is returned when two names have the same id.
	ErrStateCollision = backend.ErrStateCollision
	// ErrInvalid is returned for an argument without meaning, such as an empty
	// state name or a missing codec.
	ErrInvalid = backend.ErrInvalid
	// ErrInvalidOption is returned for an option that is out of range or contradicts
	// another option. It wraps ErrInvalid. All packages of this module share it:
	// errors.Is(err, lsm.ErrInvalidOption) gives the same answer.
	ErrInvalidOption = backend.ErrInvalidOption
	// ErrUnsupported is returned when a backend offers neither half of the
	// seam, or not the half that an operation needs.
	ErrUnsupported = backend.ErrUnsupported
	// ErrUnknownState is returned for a state that the program has not declared:
	// on restore for one that the snapshot holds, and by Keys.
	ErrUnknownState = backend.ErrUnknownState
	// ErrIncompatible is returned on restore when a state's kind or codecs are
	// not those with which it was written.
	ErrIncompatible = backend.ErrIncompatible
	// ErrMaxParallelism is returned on restore when the snapshot was taken
	// with another maximum parallelism than the backend has.
	ErrMaxParallelism = backend.ErrMaxParallelism
	// ErrNotEmpty is returned on restore into a backend that already holds
	// state.
	ErrNotEmpty = backend.ErrNotEmpty
	// ErrCorrupt is returned when stored bytes cannot be what Weir wrote.
	ErrCorrupt = backend.ErrCorrupt
)

// SizeError says by how much a limit was exceeded: see backend.SizeError.
type SizeError = backend.SizeError

// wrapState adds to an error which state it is about.
func wrapState(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("state %q: %w", name, err)
}

// wrapCorrupt marks what went wrong with stored bytes, unless they are sound but
// of a later version.
func wrapCorrupt(name string, err error) error { return wrapState(name, corrupt(err)) }

func corrupt(err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrIncompatible) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

func errNoCodec(name string) error {
	return fmt.Errorf("state %q: no codec: %w", name, ErrInvalid)
}

func errNoSeam(name string, b backend.Backend) error {
	return fmt.Errorf("state %q: %T is neither a HeapBackend nor a ByteBackend: %w", name, b, ErrUnsupported)
}

func errOtherTypes(name string) error {
	return fmt.Errorf("state %q: declared with other Go types under the same codecs: %w", name, ErrStateMismatch)
}
