package checkpoint

import (
	"context"
	"log/slog"
)

// ID is the number of a checkpoint within its job: 1 or higher, ascending. The ID of an aborted
// checkpoint may be used again by a later process if no object has it in its name. File names
// stay unique all the same, since they contain the AttemptID.
type ID uint64

// AttemptID is the number of an attempt to run a job: 1 or higher, ascending. Each start and
// each restart of the job begins a new attempt.
type AttemptID uint64

// Completed is the completed store: the list of a job's complete checkpoints, and the only
// commit point. A checkpoint becomes complete when Commit writes its entry. The store holds
// small entries; metadata and state are objects.
//
// By default the coordinator keeps the entries as objects next to the state (see entries).
// StorageOptions.Completed and Options.Completed replace that, for example by a database that
// several machines share. Such a store may implement LockChecker, if it lets one coordinator at a
// time work on the job, and IDReserver.
//
//	t     attempt 1                     attempt 2
//	|     Begin -> 1
//	|     Commit(chk 1) ok
//	|                                   Begin -> 2        fences attempt 1
//	|     Commit(chk 2) = ErrFenced
//	v                                   Commit(chk 3) ok
//
// Invariant: an entry whose Commit returned nil stays until Remove is called for it, also
// across crashes and power cuts.
//
// Invariant: Begin returns a higher AttemptID than every earlier Begin for the job, in any
// process.
//
// Invariant: once Begin has returned n, no Commit of an attempt below n adds an entry.
//
// Invariant: the metadata object and all files that an entry refers to are durable before
// Commit is called, and are removed only after Remove has returned nil.
//
// Commit has three outcomes. nil: the checkpoint is complete. fs.ErrExist or ErrFenced: it is
// not. Any other error: unknown. After any error the coordinator treats the checkpoint as in
// doubt: it keeps the files, and the next attempt finds the entry or removes the files.
//
// An operation whose context has ended returns the context's cause and has no effect, unless it
// has begun already. A closed store returns ErrClosed.
//
// Package storagetest tests that a store keeps these promises.
//
// Thread safety: safe for concurrent use.
type Completed interface {
	// Begin fences all earlier attempts and returns the ID of a new one, higher than every ID
	// returned for the job before.
	Begin(ctx context.Context) (AttemptID, error)
	// Commit adds an entry durably. It returns fs.ErrExist if the checkpoint ID is taken,
	// ErrFenced if a later attempt has begun, and ErrInvalid for an entry that Entry.Validate
	// refuses. After any other error the entry may or may not exist.
	Commit(ctx context.Context, e Entry) error
	// List returns all entries ordered by ID. An entry whose content is damaged, or that is not
	// a regular file, is returned with Err set. If an entry cannot be read for another reason,
	// such as an I/O error, List fails.
	List(ctx context.Context) ([]Entry, error)
	// Remove removes an entry durably. Removing an entry that does not exist is not an error. A
	// store may return ErrFenced if a later attempt has begun.
	Remove(ctx context.Context, id ID) error
	// Close releases the store. It never removes an entry. A second Close returns nil.
	Close() error
}

// CompletedOpener opens the completed store of a job. It returns an error that wraps ErrLocked if
// another coordinator works on the job. The caller closes the store.
//
// Thread safety: safe for concurrent use.
type CompletedOpener func(ctx context.Context, o CompletedOptions) (Completed, error)

// CompletedOptions are passed to a CompletedOpener.
type CompletedOptions struct {
	// Job is the name of the job.
	Job string
	// Logger receives messages for the people who run the job, for example that the store waits
	// for another coordinator. A coordinator passes Options.Logger. Nil: messages are discarded.
	Logger *slog.Logger
}

// IDReserver is implemented by completed stores that hand out checkpoint IDs, so that the IDs of
// a job are unique across coordinators and attempts, also while a fenced coordinator still runs.
// Without it a coordinator counts on from the highest ID that it finds.
//
// Thread safety: safe for concurrent use.
type IDReserver interface {
	// ReserveIDs returns the first of n consecutive IDs that no other call, in any process,
	// returns for the job. first is at least atLeast and higher than every ID reserved before.
	// IDs reserved by a call that fails are not used.
	ReserveIDs(ctx context.Context, atLeast ID, n int) (first ID, err error)
}

// NewJobChecker is implemented by completed stores that know whether they have seen a job before. The
// coordinator then notices that it was given another store than the one in which the job's
// checkpoints are listed, or one that was emptied. It would otherwise start the job without state and
// collect the files of its checkpoints. It also refuses such a store for a job that has run with the default
// store.
type NewJobChecker interface {
	// IsNewJob reports whether no attempt of the job has ever begun in this store.
	IsNewJob(ctx context.Context) (bool, error)
}

// Entry records one complete checkpoint in the completed store.
type Entry struct {
	// ID is the number of the checkpoint.
	ID ID
	// Attempt is the attempt that committed the checkpoint.
	Attempt AttemptID
	// Size is the size of the metadata object in bytes.
	Size int64
	// Checksum is the xxh64 of the metadata object.
	Checksum uint64
	// Err is nil for a valid entry. If List could not read the entry, Err is the reason and all
	// other fields except ID are zero.
	Err error
}
