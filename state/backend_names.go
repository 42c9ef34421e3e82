package state

import "github.com/weirstate/weir/state/backend"

// Types of package backend that programs use too. errors.go has the errors.
type (
	// Options are the options of every backend.
	Options = backend.Options
	// Limits are the maximum sizes of keys and values.
	Limits = backend.Limits
	// Keyspace is the range of key groups that a backend owns.
	Keyspace = backend.Keyspace
	// GroupRange is a contiguous range of key groups, both ends included.
	GroupRange = backend.GroupRange
	// ID identifies a state in composite keys and snapshots.
	ID = backend.ID
	// Domain selects the clock by which a timer fires.
	Domain = backend.Domain
	// TimerEntry is a timer in the form that backends store.
	TimerEntry = backend.TimerEntry
)

// The two domains of timers: see backend.Domain.
const (
	EventTime      = backend.EventTime      // the watermark advances it
	ProcessingTime = backend.ProcessingTime // the clock of the machine
)

// The maximum sizes of a composite key and of a value, in bytes. Exactly 2^31 is legal.
const (
	MaxKeySize   = backend.MaxKeySize   // of a composite key
	MaxValueSize = backend.MaxValueSize // of a value, list element or map value
)

// MaxKeyGroups is the largest legal Keyspace.MaxParallelism.
const MaxKeyGroups = backend.MaxKeyGroups

// WholeKeyspace returns the keyspace of the only subtask of a job: all key groups.
func WholeKeyspace(maxParallelism int) Keyspace { return backend.WholeKeyspace(maxParallelism) }

// SubtaskKeyspace returns the keyspace of one subtask, counted from 0, of a job with the given
// parallelism. Arguments out of range give a keyspace that Keyspace.Validate refuses. See
// backend.SubtaskKeyspace for the formula.
func SubtaskKeyspace(subtask, parallelism, maxParallelism int) Keyspace {
	return backend.SubtaskKeyspace(subtask, parallelism, maxParallelism)
}

// DefaultMaxParallelism returns a maximum parallelism for a job that starts at the given
// parallelism: 1.5 times as much, rounded up to a power of two, between 128 and MaxKeyGroups.
func DefaultMaxParallelism(parallelism int) int { return backend.DefaultMaxParallelism(parallelism) }

// KeyGroup returns the key group of a key, given the 64-bit hash of the key's encoding.
func KeyGroup(hash uint64, maxParallelism int) uint16 { return backend.KeyGroup(hash, maxParallelism) }
