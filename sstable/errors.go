package sstable

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/internal/option"
)

var (
	// ErrCorrupt is returned for a file that is not as a Writer wrote it, or is not the
	// requested file.
	ErrCorrupt = errors.New("corrupt file")

	// ErrVersion is returned for a file of a format version that this program does not
	// support.
	ErrVersion = errors.New("table format version is not supported")

	// ErrSplit is returned for a file that was written with a split function of another name
	// than the given one.
	ErrSplit = errors.New("table was written with another split function")

	// ErrOrder is returned when entries are not added in ascending order.
	ErrOrder = errors.New("entries out of order")

	// ErrTooLarge is returned for a key or value above the limit, or a size that this system
	// cannot address.
	ErrTooLarge = errors.New("too large for a table")

	// ErrFinished is returned by a Writer after Finish or Close.
	ErrFinished = errors.New("table is finished")

	// ErrInvalidOption is returned for an option out of range, and for an entry of an invalid
	// kind.
	ErrInvalidOption = option.ErrInvalid
)

// corrupt returns ErrCorrupt with a description of the damage at an offset of the file.
func corrupt(offset int64, what string) error {
	return fmt.Errorf("offset %d: %s: %w", offset, what, ErrCorrupt)
}
