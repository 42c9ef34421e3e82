package state

import "github.com/weirstate/weir/state/backend"

// A program opens its backend with these and reads them in errors; they are those of
// package backend.
type (
	// Options are what every backend is opened with.
	Options = backend.Options
	// Limits bounds what a backend accepts.
	Limits = backend.Limits
	// Keyspace is the part of all keys that one backend instance owns.
	Keyspace = backend.Keyspace
	// GroupRange is a contiguous range of key groups, both ends included.
	GroupRange = backend.GroupRange
	// ID identifies a state in composite keys and snapshots.
	ID = backend.ID
	// Domain tells by which clock a timer fires.
	Domain = backend.Domain
	// TimerEntry is a timer as a backend sees it.
	TimerEntry = backend.TimerEntry
)

// The two domains of timers.
const (
	EventTime      = backend.EventTime
	ProcessingTime = backend.ProcessingTime
)

// The largest key and value, in bytes; exactly 2^31 is legal.
const (
	MaxKeySize   = backend.MaxKeySize
	MaxValueSize = backend.MaxValueSize
)

// MaxKeyGroups is the largest maximum parallelism.
const MaxKeyGroups = backend.MaxKeyGroups

// WholeKeyspace is the keyspace of a job with a single subtask.
func WholeKeyspace(maxParallelism int) Keyspace { return backend.WholeKeyspace(maxParallelism) }

// SubtaskKeyspace is the keyspace of one subtask of a job with the given
// parallelism: groups ceil(i·max/p) to ((i+1)·max-1)/p, as Flink divides them.
// Keyspace.Validate tells whether the arguments made sense.
func SubtaskKeyspace(subtask, parallelism, maxParallelism int) Keyspace {
	return backend.SubtaskKeyspace(subtask, parallelism, maxParallelism)
}

// DefaultMaxParallelism is the maximum parallelism to take for a job that
// starts at the given parallelism: half as much again, rounded up to a power
// of two, between 128 and MaxKeyGroups.
func DefaultMaxParallelism(parallelism int) int { return backend.DefaultMaxParallelism(parallelism) }

// KeyGroup is the group of a key by the 64-bit hash of its encoding: the top
// half of the hash scaled to the number of groups.
func KeyGroup(hash uint64, maxParallelism int) uint16 { return backend.KeyGroup(hash, maxParallelism) }
