package checkpoint

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/internal/option"
)

var (
	// ErrCorrupt is returned when metadata or an entry of the completed store is damaged, or
	// was not written by Weir.
	ErrCorrupt = errors.New("corrupt checkpoint")

	// ErrVersion is returned when metadata or an entry has a format version that this program
	// does not know.
	ErrVersion = errors.New("checkpoint format version is not supported")

	// ErrInvalid is returned for a checkpoint, part or entry that the format cannot store: a
	// name that is illegal or used twice, overlapping key group ranges, or a count above its
	// limit.
	ErrInvalid = errors.New("invalid checkpoint")

	// ErrTooLarge is returned when the metadata of a checkpoint would exceed a size limit: 1
	// GiB in total, or 10 MiB without file contents and other data. The job has too many
	// subtasks, states or files, or the names and schemas of its codecs are too long.
	ErrTooLarge = errors.New("checkpoint is too large for its metadata")

	// ErrForeign is returned when the metadata in a job's folder belongs to another job.
	ErrForeign = errors.New("checkpoint of another job")

	// ErrOperator is returned when a checkpoint has state of an operator that the job does not
	// have.
	ErrOperator = errors.New("checkpoint has an operator that the job does not have")

	// ErrNotRestorable is returned when the job has complete checkpoints and none of them can
	// be read, or the completed store is not the one in which they are listed. A job without
	// checkpoints starts empty instead.
	ErrNotRestorable = errors.New("no complete checkpoint can be restored")

	// ErrLocked is returned when another process, or another coordinator of this process, holds
	// the lock of the job.
	ErrLocked = errors.New("the job's checkpoints are in use")

	// ErrLockLost is returned after a running job has lost its lock: the lock was removed, moved or
	// replaced, for example together with the job's folder, or the session of the completed store
	// has ended. Another process may run the job now, so the coordinator writes and removes
	// nothing from then on, its attempt fails, and it begins no other.
	// errors.Is(ErrLockLost, ErrLocked) is true.
	ErrLockLost error = lockLost{}

	// ErrFenced is returned to an attempt after a later one has begun.
	ErrFenced = errors.New("a later attempt has begun")

	// ErrClosed is returned by a closed Coordinator or completed store, and by Begin after
	// Cancel.
	ErrClosed = errors.New("closed")

	// ErrURL is returned for a URL that does not name a storage, and for a scheme that cannot
	// be registered.
	ErrURL = errors.New("unusable checkpoint URL")

	// ErrStateTooLarge is returned when one file of a subtask exceeds
	// MemoryOptions.MaxStateBytes.
	ErrStateTooLarge = errors.New("state is too large for checkpoints in memory")

	// ErrFrameTooLarge is returned when an acknowledgement exceeds MemoryOptions.FrameBytes.
	ErrFrameTooLarge = errors.New("acknowledgement is too large for checkpoints in memory")

	// ErrMemoryFull is returned when all checkpoints in memory together would exceed
	// MemoryOptions.TotalBytes.
	ErrMemoryFull = errors.New("memory for checkpoints is full")

	// ErrTimeout is the reason of an abort when a checkpoint takes longer than Options.Timeout.
	ErrTimeout = errors.New("checkpoint timed out")

	// ErrSubsumed is the reason of an abort when a later checkpoint is complete.
	ErrSubsumed = errors.New("a later checkpoint is complete")

	// ErrEnded is the reason of an abort when the attempt ends.
	ErrEnded = errors.New("the attempt has ended")

	// ErrTooManyFailures is returned when more checkpoints in a row failed than
	// Options.TolerableFailures allows.
	ErrTooManyFailures = errors.New("too many checkpoints failed")

	// ErrBusy is returned by Trigger while Options.MaxConcurrent checkpoints are in progress,
	// and by Discard while an attempt runs.
	ErrBusy = errors.New("a checkpoint is in progress")

	// ErrNoID is returned by Trigger while no checkpoint ID is reserved: the completed store did
	// not answer. The coordinator keeps asking it. errors.Is(ErrNoID, ErrBusy) is true.
	ErrNoID error = noID{}

	// ErrInvalidOption is returned for an option or argument out of range. It is the same error
	// as lsm.ErrInvalidOption.
	ErrInvalidOption = option.ErrInvalid
)

// lockLost is the type of ErrLockLost: an error that matches ErrLocked with a text of its own.
type lockLost struct{}

// Error returns the text of ErrLockLost.
func (lockLost) Error() string { return "the lock of the job was lost" }

// Is reports whether target is ErrLocked.
func (lockLost) Is(target error) bool { return target == ErrLocked }

// noID is the type of ErrNoID: an error that matches ErrBusy with a text of its own.
type noID struct{}

// Error returns the text of ErrNoID.
func (noID) Error() string { return "no checkpoint ID is reserved: the completed store did not answer" }

// Is reports whether target is ErrBusy.
func (noID) Is(target error) bool { return target == ErrBusy }

// SourceError wraps an error that occurred while a restore read a file of a checkpoint.
type SourceError struct {
	// ID is the checkpoint whose file could not be read.
	ID ID
	// Err is the cause.
	Err error
}

// Error returns the text of Err with the checkpoint's ID in front.
func (e *SourceError) Error() string { return fmt.Sprintf("checkpoint %d: %v", e.ID, e.Err) }

// Unwrap returns Err.
func (e *SourceError) Unwrap() error { return e.Err }
