package state

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/state/backend"
)

// ErrNoKey is returned when a state is used before SetKey was called, or after a call of
// SetKey that failed.
var ErrNoKey = errors.New("no current key")

// Errors of single operations. They are the errors of package backend, wrapped with the
// state's name and with sizes, never with keys or values.
var (
	// ErrKeyGroup is returned by SetKey and by queries for a key whose key group the
	// backend does not own.
	ErrKeyGroup = backend.ErrKeyGroup
	// ErrKeyTooLarge is returned when a composite key exceeds Limits.MaxKeySize. The
	// error is a *SizeError.
	ErrKeyTooLarge = backend.ErrKeyTooLarge
	// ErrValueTooLarge is returned when an encoded value, list element or map value
	// exceeds Limits.MaxValueSize. The error is a *SizeError.
	ErrValueTooLarge = backend.ErrValueTooLarge
	// ErrFull is returned when a state on the heap has 2^32 - 2 rows, the most that a
	// table can address.
	ErrFull = backend.ErrFull
	// ErrClosed is returned by every operation after the backend was closed, and by
	// queries after their view was closed.
	ErrClosed = backend.ErrClosed
)

// Errors of declarations and restores. They are the errors of package backend.
var (
	// ErrStateMismatch is returned when a name is declared again with another kind or
	// codec, or when the backend is used with another key codec than before.
	ErrStateMismatch = backend.ErrStateMismatch
	// ErrStateCollision is returned when two names have the same ID. Rename one state.
	ErrStateCollision = backend.ErrStateCollision
	// ErrInvalid is returned for an argument without meaning, such as an empty
	// state name or a missing codec.
	ErrInvalid = backend.ErrInvalid
	// ErrInvalidOption is returned for an option that is out of range or contradicts
	// another option. It wraps ErrInvalid. All packages of this module share it:
	// errors.Is(err, lsm.ErrInvalidOption) gives the same answer.
	ErrInvalidOption = backend.ErrInvalidOption
	// ErrUnsupported is returned when a backend implements neither HeapBackend nor
	// ByteBackend, when a view cannot be read by key, and by Keys of a timer service.
	ErrUnsupported = backend.ErrUnsupported
	// ErrUnknownState is returned for a state that the program has not declared: by
	// Keys, by queries, and by a restore whose snapshot has such a state.
	ErrUnknownState = backend.ErrUnknownState
	// ErrIncompatible is returned by a restore when a state is declared with another
	// kind or codec than the snapshot records.
	ErrIncompatible = backend.ErrIncompatible
	// ErrMaxParallelism is returned by a restore when the snapshot has another maximum
	// parallelism than the backend.
	ErrMaxParallelism = backend.ErrMaxParallelism
	// ErrNotEmpty is returned by a restore into a backend that already holds state.
	ErrNotEmpty = backend.ErrNotEmpty
	// ErrCorrupt is returned when stored bytes do not decode.
	ErrCorrupt = backend.ErrCorrupt
)

// SizeError is the error for a key or a value that exceeds a limit. It holds size and limit.
type SizeError = backend.SizeError

// wrapState adds the name of the state to an error.
func wrapState(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("state %q: %w", name, err)
}

// wrapCorrupt adds the name of the state to an error of decoding stored bytes: see corrupt.
func wrapCorrupt(name string, err error) error { return wrapState(name, corrupt(err)) }

// corrupt makes an error of decoding stored bytes an ErrCorrupt. It returns an
// ErrIncompatible unchanged: a later version of this module wrote these bytes, and they are intact.
func corrupt(err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrIncompatible) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

func errNoCodec(name string) error {
	return fmt.Errorf("state %q: the descriptor has no codec: %w", name, ErrInvalid)
}

func errNoBackendInterface(name string, b backend.Backend) error {
	return fmt.Errorf("state %q: %T is neither a HeapBackend nor a ByteBackend: %w", name, b, ErrUnsupported)
}

func errOtherTypes(name string) error {
	return fmt.Errorf("state %q: already declared with the same codecs but other Go types: %w", name, ErrStateMismatch)
}
