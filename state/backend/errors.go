package backend

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/internal/option"
)

// Errors of single operations. Package state wraps them with the name of the state and with
// sizes, never with keys or values.
var (
	// ErrKeyGroup is returned by SetKey, by reads of a view and by Load for a key group
	// that the backend does not own.
	ErrKeyGroup = errors.New("key group is not owned by this backend")

	// ErrKeyTooLarge is returned when a composite key exceeds Limits.MaxKeySize. The error
	// is a *SizeError.
	ErrKeyTooLarge = errors.New("key too large")

	// ErrValueTooLarge is returned when an encoded value, list element or map value
	// exceeds Limits.MaxValueSize. The error is a *SizeError.
	ErrValueTooLarge = errors.New("value too large")

	// ErrFull is returned when a table has 2^32 - 2 rows, the most that it can address.
	ErrFull = errors.New("state is full")

	// ErrClosed is returned by every operation after Close, and by reads of a view after
	// it was closed.
	ErrClosed = errors.New("backend is closed")
)

// Errors of declarations and restores.
var (
	// ErrStateMismatch is returned when a name is declared again with another kind or
	// codec, or when a backend is used with another key codec than before.
	ErrStateMismatch = errors.New("state is already declared differently")

	// ErrStateCollision is returned when two names have the same ID. Rename one state.
	ErrStateCollision = errors.New("two state names have the same id")

	// ErrInvalid is returned for an argument without meaning, such as an empty
	// state name or a missing codec.
	ErrInvalid = option.ErrArgument

	// ErrInvalidOption is returned for an option that is out of range or contradicts
	// another option. It wraps ErrInvalid. All packages of this module share it:
	// errors.Is(err, lsm.ErrInvalidOption) gives the same answer.
	ErrInvalidOption = option.ErrInvalid

	// ErrUnsupported is returned when a backend implements neither HeapBackend nor
	// ByteBackend, or when a view lacks the interface that an operation needs.
	ErrUnsupported = errors.New("not supported by this backend")

	// ErrUnknownState is returned for a state that is not declared: by Scan, by reads of a
	// view, and by a restore whose snapshot has such a state.
	ErrUnknownState = errors.New("state is not declared")

	// ErrIncompatible is returned by a restore when a state is declared with another kind
	// or codec than the snapshot records.
	ErrIncompatible = errors.New("state was written with another kind or codec")

	// ErrMaxParallelism is returned by a restore when the snapshot has another maximum
	// parallelism than the backend.
	ErrMaxParallelism = errors.New("snapshot has another maximum parallelism")

	// ErrNotEmpty is returned by a restore into a backend that already holds state.
	ErrNotEmpty = errors.New("backend already holds state")

	// ErrCorrupt is returned when stored bytes do not decode.
	ErrCorrupt = errors.New("corrupt state")
)

// SizeError is the error for a key or a value that exceeds a limit. It wraps ErrKeyTooLarge or
// ErrValueTooLarge.
type SizeError struct {
	// Of is ErrKeyTooLarge or ErrValueTooLarge.
	Of error
	// Size is the size of the key or value, and Limit the limit, both in bytes.
	Size, Limit int64
}

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("%v: %d bytes exceed the limit of %d", e.Of, e.Size, e.Limit)
}

// Unwrap returns Of.
func (e *SizeError) Unwrap() error { return e.Of }
