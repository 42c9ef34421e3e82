package sstable

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/internal/option"
)

var (
	// ErrCorrupt is returned for a file that is not as a Writer wrote it, or
	// not the file that is asked for.
	ErrCorrupt = errors.New("corrupt file")

	// ErrVersion is returned for a file of a format version that this program
	// does not know.
	ErrVersion = errors.New("table format version is not supported")

	// ErrSplit is returned for a file whose keys are split by another function
	// than the one given.
	ErrSplit = errors.New("table of another split function")

	// ErrOrder is returned when entries are not added in ascending order.
	ErrOrder = errors.New("entries out of order")

	// ErrTooLarge is returned for a key or value above the limit, or one that
	// this system has no addresses for.
	ErrTooLarge = errors.New("too large for a table")

	// ErrFinished is returned by a Writer after Finish.
	ErrFinished = errors.New("table is finished")

	// ErrInvalidOption is returned for an option that is out of range, and for an entry
	// of a kind that there is not.
	ErrInvalidOption = option.ErrInvalid
)

// corrupt says what is wrong at an offset of the file.
func corrupt(offset int64, what string) error {
	return fmt.Errorf("offset %d: %s: %w", offset, what, ErrCorrupt)
}
