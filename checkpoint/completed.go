package checkpoint

import "context"

// ID numbers the checkpoints of a job, from 1, ascending. A later process may give
// that of an aborted checkpoint again, of which no trace was left; the names of
// files differ all the same, by the attempt.
type ID uint64

// AttemptID numbers the attempts to run a job, from 1: a start and each restart
// begin a new one.
type AttemptID uint64

// Completed is the store of a job's complete checkpoints, the one commit point:
// a checkpoint is complete once Commit has returned nil, and not before it was
// called. It holds small entries; metadata and state are objects.
//
// Thread safety: safe for concurrent use.
type Completed interface {
	// Begin fences all earlier attempts and returns the number of a new one,
	// above all that were ever given out for the job.
	Begin(ctx context.Context) (AttemptID, error)
	// Commit adds an entry, durably. An error that is neither fs.ErrExist (the ID
	// is taken) nor ErrFenced (a later attempt has begun) leaves it open
	// whether the entry is there.
	Commit(ctx context.Context, e Entry) error
	// List returns all entries ordered by ID. One that cannot be read because
	// of what it holds, or because it is no file, comes with Err; one that cannot
	// be read otherwise is an error of List.
	List(ctx context.Context) ([]Entry, error)
	// Remove removes an entry, durably; removing nothing is no error.
	Remove(ctx context.Context, id ID) error
	// Close releases the store. It never removes an entry.
	Close() error
}

// Entry is a complete checkpoint in the completed store.
type Entry struct {
	ID      ID
	Attempt AttemptID
	// Size and Checksum (xxh64) are those of the metadata.
	Size     int64
	Checksum uint64
	// Err says why the entry is of no use. The other fields but ID are then
	// zero.
	Err error
}
