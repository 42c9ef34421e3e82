package backend

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/internal/option"
)

// Errors of single operations. They come wrapped with the state's name and
// with sizes, never with keys or values.
var (
	// ErrKeyGroup is returned by SetKey for a key whose key group the backend
	// does not own, and for such a row of a snapshot.
	ErrKeyGroup = errors.New("key group is not owned by this backend")

	// ErrKeyTooLarge is returned when a composite key would outgrow
	// Limits.MaxKeySize. The error is a *SizeError.
	ErrKeyTooLarge = errors.New("key too large")

	// ErrValueTooLarge is returned when a value, a list element or a map entry
	// would outgrow Limits.MaxValueSize. The error is a *SizeError.
	ErrValueTooLarge = errors.New("value too large")

	// ErrFull is returned when a state holds as many rows as a table can
	// address (2^32 - 2).
	ErrFull = errors.New("state is full")

	// ErrClosed is returned by every operation after Close.
	ErrClosed = errors.New("backend is closed")
)

// Errors of declaration and restore.
var (
	// ErrStateMismatch is returned when a name is declared again with another
	// kind, key or codec.
	ErrStateMismatch = errors.New("state is already declared differently")

	// ErrStateCollision is returned when two names have the same ID.
	ErrStateCollision = errors.New("two state names have the same id")

	// ErrInvalid is returned for an argument without meaning, such as an empty
	// state name or a missing codec.
	ErrInvalid = option.ErrArgument

	// ErrInvalidOption is returned for an option that is out of range or contradicts
	// another option. It wraps ErrInvalid. All packages of this module share it:
	// errors.Is(err, lsm.ErrInvalidOption) gives the same answer.
	ErrInvalidOption = option.ErrInvalid

	// ErrUnsupported is returned when a backend offers neither half of the
	// seam, or not the half that an operation needs.
	ErrUnsupported = errors.New("not supported by this backend")

	// ErrUnknownState is returned for a state that the program has not declared:
	// on restore for one that the snapshot holds, and by Keys.
	ErrUnknownState = errors.New("state is not declared")

	// ErrIncompatible is returned on restore when a state's kind or codecs are
	// not those with which it was written.
	ErrIncompatible = errors.New("state was written with another kind or codec")

	// ErrMaxParallelism is returned on restore when the snapshot was taken
	// with another maximum parallelism than the backend has.
	ErrMaxParallelism = errors.New("snapshot has another maximum parallelism")

	// ErrNotEmpty is returned on restore into a backend that already holds
	// state.
	ErrNotEmpty = errors.New("backend already holds state")

	// ErrCorrupt is returned when stored bytes cannot be what Weir wrote.
	ErrCorrupt = errors.New("corrupt state")
)

// SizeError says by how much a limit was exceeded. It matches ErrKeyTooLarge
// or ErrValueTooLarge under errors.Is.
type SizeError struct {
	// Of is ErrKeyTooLarge or ErrValueTooLarge.
	Of error
	// Size and Limit are in bytes.
	Size, Limit int64
}

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("%v: %d bytes exceed the limit of %d", e.Of, e.Size, e.Limit)
}

// Unwrap returns Of.
func (e *SizeError) Unwrap() error { return e.Of }
