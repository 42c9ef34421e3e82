package snapshot

import (
	"errors"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/vfs"
)

var (
	// ErrCorrupt is returned for a file that Weir did not write, or that was truncated,
	// altered or put together from parts of other files.
	ErrCorrupt = errors.New("corrupt snapshot")

	// ErrVersion is returned for a file of a format version that this program does not
	// support.
	ErrVersion = errors.New("snapshot format version is not supported")

	// ErrMismatch is returned for an intact file that is not the file to which the handle
	// refers.
	ErrMismatch = errors.New("snapshot file does not match its handle")

	// ErrCoverage is returned by Restore if a key group of the backend is in no handle or in
	// several.
	ErrCoverage = errors.New("snapshots do not cover the key groups")

	// ErrFormat is returned by Start if the backend has no native format, and by Restore if
	// the handles have several formats or one that the backend cannot read.
	ErrFormat = errors.New("snapshot format is not supported by the backend")

	// ErrCanceled is returned by Wait after Cancel.
	ErrCanceled = errors.New("snapshot canceled")

	// ErrPanic is returned by Wait if a codec or a target of the program panicked.
	ErrPanic = errors.New("panic while the snapshot was written")

	// ErrInvalidOption is returned for an option that is out of range. It is also
	// state.ErrInvalidOption.
	ErrInvalidOption = backend.ErrInvalidOption

	// ErrName is returned for a file name that begins with a dot, is empty, is too long, or
	// has other characters than ASCII letters, digits, dots, dashes and underscores.
	ErrName = errors.New("invalid file name")

	// ErrNotRegular is returned if a path that must be a regular file is something else,
	// such as a symbolic link or a named pipe, or if a path that must be a directory is a
	// symbolic link. Such an entry is not opened, followed or removed.
	ErrNotRegular = vfs.ErrNotRegular
)
