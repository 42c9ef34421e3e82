package manifest

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/wal"
)

// TranslateError makes errors of the room wal those of the tree.
func TranslateError(err error) error {
	switch {
	case errors.Is(err, wal.ErrCorrupt):
		return fmt.Errorf("%w: %w", sstable.ErrCorrupt, err)
	case errors.Is(err, wal.ErrVersion):
		return fmt.Errorf("%w: %w", sstable.ErrVersion, err)
	}
	return err
}

// IgnoreFailed is for closing what has failed before, and has said so.
func IgnoreFailed(err error) error {
	if errors.Is(err, wal.ErrFailed) {
		return nil
	}
	return err
}
