package lsmstate

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// ErrInvalidOption is returned for an option that is out of range. It is also lsm.ErrInvalidOption
// and state.ErrInvalidOption.
var ErrInvalidOption = backend.ErrInvalidOption

// ErrLocked is returned by Create if another backend, in this or another process, uses the
// directory, or if another store uses the tree in it.
var ErrLocked = lsm.ErrLocked

// ErrLockLost is returned after somebody has removed, moved or replaced the lock of a directory in
// use: see lsm.ErrLockLost. From then on the backend changes nothing in the directory. ErrLockLost
// wraps ErrLocked.
var ErrLockLost = lsm.ErrLockLost

// ErrNotStore is returned for a directory that has files but no marker. Backends and local copies
// remove files only from a directory with a marker.
var ErrNotStore = lsm.ErrNotStore

// ErrNotRegular is returned if an entry that must be a regular file or a directory of a backend is
// something else, such as a symbolic link. The entry stays.
var ErrNotRegular = lsm.ErrNotRegular

// ErrTooMany is returned if a native snapshot has more tables than its description can list.
var ErrTooMany = errors.New("too many tables for a snapshot")

// wrapDescriptionError adds the error of package snapshot to an error of package lsm about the
// description or the tables of a native snapshot.
func wrapDescriptionError(err error) error {
	switch {
	case errors.Is(err, lsm.ErrCorrupt):
		return fmt.Errorf("%w: %w", snapshot.ErrCorrupt, err)
	case errors.Is(err, lsm.ErrVersion):
		return fmt.Errorf("%w: %w", snapshot.ErrVersion, err)
	case errors.Is(err, lsm.ErrMismatch):
		return fmt.Errorf("%w: %w", snapshot.ErrMismatch, err)
	}
	return err
}

// wrapLSMError adds the error of package backend to an error of the tree. It returns nil for nil.
func wrapLSMError(err error) error {
	if err == nil {
		return nil
	}
	return translate(err)
}

// translate is wrapLSMError for a non-nil error. It is a function of its own so that wrapLSMError is
// inlined and its variables are not allocated for nil.
func translate(err error) error {
	var size *lsm.SizeError
	switch {
	case errors.As(err, &size) && size.What == "key":
		return &backend.SizeError{Of: backend.ErrKeyTooLarge, Size: size.Size, Limit: size.Limit}
	case errors.As(err, &size):
		return &backend.SizeError{Of: backend.ErrValueTooLarge, Size: size.Size, Limit: size.Limit}
	case errors.Is(err, lsm.ErrCorrupt):
		return fmt.Errorf("%w: %w", backend.ErrCorrupt, err)
	case errors.Is(err, lsm.ErrClosed):
		return fmt.Errorf("%w: %w", backend.ErrClosed, err)
	}
	return err
}
