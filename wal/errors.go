package wal

import "errors"

var (
	// ErrCorrupt is returned by Read when a file is not a log, or what was
	// synced to it, or anything in a log that was closed clean, is not as it
	// was written.
	ErrCorrupt = errors.New("corrupt log")

	// ErrVersion is returned by Read for a log of a format version that this
	// program does not know.
	ErrVersion = errors.New("log format version is not supported")

	// ErrFailed is returned when a write, a sync or the close of the file has
	// failed, and from then on by every call that would write. It wraps the cause.
	// A record whose write has failed may be in the file or not. Records that were
	// written before can still be synced, unless the error is ErrSync too.
	ErrFailed = errors.New("log has failed")
	// ErrSync is returned, together with ErrFailed, when a sync of the file has
	// failed: nothing is known then about what was not durable before, and trying
	// again would not help.
	ErrSync = errors.New("log could not be synced")

	// ErrTooLarge is returned by Append for a record above the limit, of which
	// nothing is written.
	ErrTooLarge = errors.New("log record is too large")

	// ErrPosition is returned by SyncTo for a position that nothing was
	// appended up to.
	ErrPosition = errors.New("position is behind the end of the log")
)
