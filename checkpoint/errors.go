package checkpoint

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/internal/option"
)

var (
	// ErrCorrupt is returned for metadata or an entry of the completed store
	// that is not as Weir wrote it.
	ErrCorrupt = errors.New("corrupt checkpoint")

	// ErrVersion is returned for metadata or an entry of a format version that this program
	// does not know.
	ErrVersion = errors.New("checkpoint format version is not supported")

	// ErrInvalid is returned for a checkpoint, a part of one or an entry that no
	// metadata or store can hold: names twice or illegal, ranges that overlap,
	// or too much of something.
	ErrInvalid = errors.New("invalid checkpoint")

	// ErrTooLarge is returned for a checkpoint whose metadata would be above a limit,
	// contents of files and other data apart or not: there are too many subtasks, states
	// or files, or the names and schemas of their codecs are too long.
	ErrTooLarge = errors.New("checkpoint is too large for its metadata")

	// ErrForeign is returned for the metadata of another job.
	ErrForeign = errors.New("checkpoint of another job")

	// ErrOperator is returned when a checkpoint has state of an operator that
	// the job does not have.
	ErrOperator = errors.New("checkpoint has an operator that the job has not")

	// ErrNotRestorable is returned when there are complete checkpoints but none
	// can be read. It is never taken for a job without checkpoints.
	ErrNotRestorable = errors.New("no complete checkpoint can be restored")

	// ErrLocked is returned when another process, or another coordinator of
	// this one, works on the same job.
	ErrLocked = errors.New("the job's checkpoints are in use")

	// ErrLockLost is returned after the lock of a job was removed, moved or replaced
	// while the job was running, as with its folder. What is there may be somebody
	// else's: the coordinator writes and removes nothing from then on, its attempt
	// fails, and no other begins. It is an ErrLocked.
	ErrLockLost error = lockLost{}

	// ErrFenced is returned to an attempt after a later one has begun.
	ErrFenced = errors.New("a later attempt has begun")

	// ErrClosed is returned after Close, and by Begin after Cancel.
	ErrClosed = errors.New("closed")

	// ErrURL is returned for a URL that names no storage.
	ErrURL = errors.New("unusable checkpoint URL")

	// ErrStateTooLarge is returned when one file of a subtask outgrows
	// MemoryOptions.MaxStateBytes.
	ErrStateTooLarge = errors.New("state is too large for checkpoints in memory")

	// ErrFrameTooLarge is returned when an acknowledgement outgrows
	// MemoryOptions.FrameBytes.
	ErrFrameTooLarge = errors.New("acknowledgement is too large for checkpoints in memory")

	// ErrMemoryFull is returned when all checkpoints together outgrow
	// MemoryOptions.TotalBytes.
	ErrMemoryFull = errors.New("memory for checkpoints is full")

	// ErrTimeout is the reason for which a checkpoint that takes too long is
	// aborted.
	ErrTimeout = errors.New("checkpoint timed out")

	// ErrSubsumed is the reason for which a checkpoint is aborted when a later
	// one is complete.
	ErrSubsumed = errors.New("a later checkpoint is complete")

	// ErrEnded is the reason for which a checkpoint is aborted when its attempt
	// ends.
	ErrEnded = errors.New("the attempt has ended")

	// ErrTooManyFailures is returned when more consecutive checkpoints failed
	// than Options.TolerableFailures.
	ErrTooManyFailures = errors.New("too many checkpoints failed")

	// ErrBusy is returned by Trigger while as many checkpoints are under way as
	// Options.MaxConcurrent allows.
	ErrBusy = errors.New("a checkpoint is under way")

	// ErrInvalidOption is returned for an option that is out of range. It is
	// lsm.ErrInvalidOption too.
	ErrInvalidOption = option.ErrInvalid
)

// lockLost is the type of ErrLockLost. Its text is not that of ErrLocked.
type lockLost struct{}

// Error says what happened.
func (lockLost) Error() string {
	return "the lock of the job was removed or replaced while the job was running"
}

// Is makes it an ErrLocked.
func (lockLost) Is(target error) bool { return target == ErrLocked }

// SourceError is the error of a file of a checkpoint that is read to be restored.
type SourceError struct {
	ID  ID // of the checkpoint
	Err error
}

// Error names the checkpoint.
func (e *SourceError) Error() string { return fmt.Sprintf("checkpoint %d: %v", e.ID, e.Err) }

// Unwrap returns Err.
func (e *SourceError) Unwrap() error { return e.Err }
