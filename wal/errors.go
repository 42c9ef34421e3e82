package wal

import "errors"

var (
	// ErrCorrupt is returned by Read if a file is not a log, or if data that was synced, or
	// any data in a log that was closed cleanly, has changed.
	ErrCorrupt = errors.New("corrupt log")

	// ErrVersion is returned by Read for a log of a format version that this program does not
	// support.
	ErrVersion = errors.New("log format version is not supported")

	// ErrFailed is returned if a write, a sync or the close of the file has failed, and from
	// then on by every call that would write. It wraps the cause. The record of a failed write
	// may be in the file or not. Records that were written earlier can still be synced, unless
	// the error is also ErrSync.
	ErrFailed = errors.New("log has failed")
	// ErrSync is returned, together with ErrFailed, if a sync of the file has failed. Then it
	// is unknown which of the unsynced bytes are durable, and another sync would not help: the
	// system may already have dropped them.
	ErrSync = errors.New("log could not be synced")

	// ErrTooLarge is returned by Append for a record above the limit. Nothing of it is
	// written.
	ErrTooLarge = errors.New("log record is too large")

	// ErrPosition is returned by SyncTo for a position beyond the end of the log.
	ErrPosition = errors.New("position is beyond the end of the log")
)
