package manifest

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/wal"
)

// TranslateError converts errors of package wal to those of package sstable, which the store
// returns.
func TranslateError(err error) error {
	switch {
	case errors.Is(err, wal.ErrCorrupt):
		return fmt.Errorf("%w: %w", sstable.ErrCorrupt, err)
	case errors.Is(err, wal.ErrVersion):
		return fmt.Errorf("%w: %w", sstable.ErrVersion, err)
	}
	return err
}

// IgnoreFailed returns nil for wal.ErrFailed. Use it to close a log whose failure was reported
// earlier.
func IgnoreFailed(err error) error {
	if errors.Is(err, wal.ErrFailed) {
		return nil
	}
	return err
}
