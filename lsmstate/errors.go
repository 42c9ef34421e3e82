package lsmstate

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state"
)

// ErrLocked is returned by Open when another backend has the directory, in this
// process or another.
var ErrLocked = lsm.ErrLocked

// ofTree makes errors of the tree those of the contract.
func ofTree(err error) error {
	var size *lsm.SizeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &size) && size.What == "key":
		return &state.SizeError{Of: state.ErrKeyTooLarge, Size: size.Size, Limit: size.Limit}
	case errors.As(err, &size):
		return &state.SizeError{Of: state.ErrValueTooLarge, Size: size.Size, Limit: size.Limit}
	case errors.Is(err, lsm.ErrCorrupt):
		return fmt.Errorf("%w: %w", state.ErrCorrupt, err)
	case errors.Is(err, lsm.ErrClosed):
		return fmt.Errorf("%w: %w", state.ErrClosed, err)
	}
	return err
}
