package manifest

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/wal"
)

// TranslateError wraps wal.ErrCorrupt in sstable.ErrCorrupt, and wal.ErrVersion in
// sstable.ErrVersion: the store returns the errors of sstable for damage in any of its files. It
// returns all other errors unchanged.
func TranslateError(err error) error {
	switch {
	case errors.Is(err, wal.ErrCorrupt):
		return fmt.Errorf("%w: %w", sstable.ErrCorrupt, err)
	case errors.Is(err, wal.ErrVersion):
		return fmt.Errorf("%w: %w", sstable.ErrVersion, err)
	}
	return err
}

// IgnoreFailed returns nil for wal.ErrFailed, and all other errors unchanged. Apply it to the error
// of a log's Close if the failure of the log was reported earlier, or if no record of the log that
// Close would write is needed any more: it also hides a write that fails in Close for the first
// time.
func IgnoreFailed(err error) error {
	if errors.Is(err, wal.ErrFailed) {
		return nil
	}
	return err
}
