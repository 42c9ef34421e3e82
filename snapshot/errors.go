package snapshot

import (
	"errors"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/vfs"
)

var (
	// ErrCorrupt is returned when a file is not one that Weir wrote, or not as
	// it was written: truncated, altered, or pieced together.
	ErrCorrupt = errors.New("corrupt snapshot")

	// ErrVersion is returned for a file of a format version that this program
	// does not know.
	ErrVersion = errors.New("snapshot format version is not supported")

	// ErrMismatch is returned when a file is sound but not the one that the
	// handle names.
	ErrMismatch = errors.New("snapshot file is not the one of the handle")

	// ErrCoverage is returned on restore when the handles do not hold each key
	// group of the backend exactly once.
	ErrCoverage = errors.New("snapshots do not cover the key groups")

	// ErrFormat is returned when a backend has no native format, and on restore when
	// the handles are in another one than the backend's, or in several.
	ErrFormat = errors.New("snapshot is not in a format of the backend")

	// ErrCanceled is returned by Wait after Cancel.
	ErrCanceled = errors.New("snapshot canceled")

	// ErrPanic is returned by Wait when a codec or a target of the program
	// panicked.
	ErrPanic = errors.New("panic while the snapshot was written")

	// ErrInvalidOption is returned for an option that is out of range. It is
	// state.ErrInvalidOption too.
	ErrInvalidOption = backend.ErrInvalidOption

	// ErrName is returned for a file name that is not made of letters, digits,
	// dots, dashes and underscores, or starts with a dot.
	ErrName = errors.New("illegal file name")

	// ErrNotRegular is returned when something else is found where a file belongs,
	// such as a symbolic link or a named pipe, or a symbolic link where a directory
	// does. It is not opened, followed or removed.
	ErrNotRegular = vfs.ErrNotRegular
)
