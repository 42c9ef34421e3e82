package backend

import (
	"fmt"
	"math/bits"
)

// MaxKeyGroups is the largest maximum parallelism: a key group is the first
// two bytes of every composite key, and the top half is kept free.
const MaxKeyGroups = 1 << 15

// Keyspace is the part of all keys that one backend instance owns.
type Keyspace struct {
	// MaxParallelism is the number of key groups of the whole job, 1 to
	// MaxKeyGroups. It is part of what a snapshot records and cannot change
	// over the life of a job.
	MaxParallelism int
	// Groups is the range that this instance owns.
	Groups GroupRange
}

// GroupRange is a contiguous range of key groups, both ends included.
type GroupRange struct{ First, Last uint16 }

// Contains says whether the range holds the group.
func (r GroupRange) Contains(group uint16) bool { return r.First <= group && group <= r.Last }

// Len is the number of groups in the range.
func (r GroupRange) Len() int { return int(r.Last) - int(r.First) + 1 }

// String is "first-last".
func (r GroupRange) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

// WholeKeyspace is the keyspace of a job with a single subtask.
func WholeKeyspace(maxParallelism int) Keyspace {
	return SubtaskKeyspace(0, 1, maxParallelism)
}

// SubtaskKeyspace is the keyspace of one subtask of a job with the given
// parallelism: groups ceil(i·max/p) to ((i+1)·max-1)/p, as Flink divides them.
// Keyspace.Validate tells whether the arguments made sense.
func SubtaskKeyspace(subtask, parallelism, maxParallelism int) Keyspace {
	if subtask < 0 || parallelism <= subtask || parallelism > maxParallelism || maxParallelism > MaxKeyGroups {
		return Keyspace{MaxParallelism: maxParallelism, Groups: GroupRange{First: 1, Last: 0}}
	}
	return Keyspace{
		MaxParallelism: maxParallelism,
		Groups: GroupRange{
			First: uint16((subtask*maxParallelism + parallelism - 1) / parallelism),
			Last:  uint16(((subtask+1)*maxParallelism - 1) / parallelism),
		},
	}
}

// Validate returns ErrInvalidOption if MaxParallelism is out of range, or if Groups is empty or
// reaches beyond the last key group.
func (s Keyspace) Validate() error {
	if s.MaxParallelism < 1 || s.MaxParallelism > MaxKeyGroups {
		return fmt.Errorf("Keyspace.MaxParallelism is %d, want 1 to %d: %w", s.MaxParallelism, MaxKeyGroups, ErrInvalidOption)
	}
	if s.Groups.First > s.Groups.Last || int(s.Groups.Last) >= s.MaxParallelism {
		return fmt.Errorf("Keyspace.Groups is %v, want a range within 0-%d: %w", s.Groups, s.MaxParallelism-1, ErrInvalidOption)
	}
	return nil
}

// DefaultMaxParallelism is the maximum parallelism to take for a job that
// starts at the given parallelism: half as much again, rounded up to a power
// of two, between 128 and MaxKeyGroups.
func DefaultMaxParallelism(parallelism int) int {
	wanted := max(1, min(parallelism, MaxKeyGroups))
	wanted += wanted / 2
	return min(max(1<<bits.Len(uint(wanted-1)), 128), MaxKeyGroups)
}

// KeyGroup is the group of a key by the 64-bit hash of its encoding: the top
// half of the hash scaled to the number of groups.
func KeyGroup(hash uint64, maxParallelism int) uint16 {
	return uint16((hash >> 32) * uint64(maxParallelism) >> 32)
}
