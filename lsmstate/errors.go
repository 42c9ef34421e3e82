package lsmstate

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// ErrInvalidOption is returned for an option that is out of range. It is lsm.ErrInvalidOption
// and state.ErrInvalidOption too.
var ErrInvalidOption = backend.ErrInvalidOption

// ErrLocked is returned by Create when another backend has the directory, or a store the
// tree in it, in this process or another.
var ErrLocked = lsm.ErrLocked

// ErrLockLost is returned after the lock of a directory was removed, moved or replaced
// while it was in use: see lsm.ErrLockLost. Nothing in the directory is changed or
// removed from then on. It is an ErrLocked.
var ErrLockLost = lsm.ErrLockLost

// ErrNotStore is returned for a directory that has other files, and not the marker by
// which one is told that a backend, or local copies, may remove files of.
var ErrNotStore = lsm.ErrNotStore

// ErrNotRegular is returned when something else, such as a symbolic link, is found
// where a file or a directory of a backend belongs. It stays.
var ErrNotRegular = lsm.ErrNotRegular

// ErrTooMany is returned when a native snapshot has more tables than its description
// can have.
var ErrTooMany = errors.New("too many tables for a snapshot")

// ofDescription makes errors of what a snapshot says of a tree, and of its tables,
// those of snapshots.
func ofDescription(err error) error {
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

// ofTree makes errors of the tree those of the contract.
func ofTree(err error) error {
	if err == nil {
		return nil
	}
	return translated(err)
}

// translated is ofTree of an error. Apart, so that nothing is allocated where there
// is none.
func translated(err error) error {
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
