package backend

import (
	"fmt"
	"math/bits"
)

// Key groups
//
// Problem: each subtask of an operator stores the state of a part of the keys. When the
// parallelism changes, state must move between subtasks. Assigning keys directly by
// hash % parallelism would move nearly every key, and finding the keys to move would need a scan
// of all state.
//
// Idea (Flink's): hash each key to one of a fixed number of key groups, and assign contiguous
// ranges of key groups to subtasks. State is stored, snapshotted and moved by key group; rows
// start with their key group, so a range of groups is a range of rows.
//
//	key ──codec──► encoding ──xxh64──► hash ──KeyGroup──► group ──SubtaskOf──► subtask
//
//	group = (upper 32 bits of hash × MaxParallelism) >> 32
//
//	MaxParallelism = 8        groups   0  1  2  3  4  5  6  7
//	parallelism 2                     [ subtask 0 ][ subtask 1 ]
//	parallelism 3                     [  0   ][   1   ][   2  ]     0-2, 3-5, 6-7
//
//	subtask i of p owns   ceil(i × max / p)  to  ((i+1) × max - 1) / p
//	group g belongs to    g × p / max
//
// Invariant: at each parallelism from 1 to MaxParallelism, each group belongs to exactly one
// subtask, and each subtask owns at least one group; SubtaskOf and SubtaskKeyspace agree.
// Invariant: MaxParallelism and the hash never change over the life of a job. A snapshot records
// MaxParallelism, and a restore refuses another one (ErrMaxParallelism).
//
// Cost: MaxParallelism limits the parallelism that the job can ever have. A few hundred groups
// per subtask cost little: a portable snapshot has an index entry of 22 bytes for each group with
// rows.
//
// The scaling by multiplication (Lemire's fast range) uses the upper half of the hash. Hash
// indexes should use the lower half, since the upper bits are nearly equal within few groups.

// MaxKeyGroups is the largest MaxParallelism. A key group takes the first two bytes of each
// composite key; the upper half of their values is reserved.
const MaxKeyGroups = 1 << 15

// Keyspace is the range of key groups that one backend owns.
type Keyspace struct {
	// MaxParallelism is the number of key groups of the whole job, 1 to MaxKeyGroups. It
	// cannot change over the life of a job.
	MaxParallelism int
	// Groups is the range of key groups that this backend owns.
	Groups GroupRange
}

// GroupRange is a contiguous range of key groups.
type GroupRange struct {
	// First and Last are the first and the last key group of the range, both included.
	First, Last uint16
}

// Contains reports whether the range contains a group.
func (r GroupRange) Contains(group uint16) bool { return r.First <= group && group <= r.Last }

// Len returns the number of groups in the range.
func (r GroupRange) Len() int { return int(r.Last) - int(r.First) + 1 }

// String returns "first-last".
func (r GroupRange) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

// WholeKeyspace returns the keyspace of the only subtask of a job: all key groups.
func WholeKeyspace(maxParallelism int) Keyspace {
	return SubtaskKeyspace(0, 1, maxParallelism)
}

// SubtaskKeyspace returns the keyspace of one subtask, counted from 0, of a job with the given
// parallelism: groups ceil(i × max / p) to ((i+1) × max - 1) / p. Arguments out of range give a
// keyspace that Keyspace.Validate refuses.
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

// Validate returns ErrInvalid if MaxParallelism is out of range, or if Groups is empty or reaches
// beyond the last key group.
func (s Keyspace) Validate() error { return s.validate(ErrInvalid) }

// validate is Validate with another error. A keyspace may be an option or come from a file: an
// error about a file must not be ErrInvalidOption.
func (s Keyspace) validate(kind error) error {
	if s.MaxParallelism < 1 || s.MaxParallelism > MaxKeyGroups {
		return fmt.Errorf("Keyspace.MaxParallelism is %d, want 1 to %d: %w", s.MaxParallelism, MaxKeyGroups, kind)
	}
	if s.Groups.First > s.Groups.Last || int(s.Groups.Last) >= s.MaxParallelism {
		return fmt.Errorf("Keyspace.Groups is %v, want a range within 0-%d: %w", s.Groups, s.MaxParallelism-1, kind)
	}
	return nil
}

// DefaultMaxParallelism returns a maximum parallelism for a job that starts at the given
// parallelism: 1.5 times as much, rounded up to a power of two, between 128 and MaxKeyGroups.
func DefaultMaxParallelism(parallelism int) int {
	wanted := max(1, min(parallelism, MaxKeyGroups))
	wanted += wanted / 2
	return min(max(1<<bits.Len(uint(wanted-1)), 128), MaxKeyGroups)
}

// KeyGroup returns the key group of a key, given xxh64 of its encoding: the upper half of the hash
// scaled to the number of groups.
func KeyGroup(hash uint64, maxParallelism int) uint16 {
	return uint16((hash >> 32) * uint64(maxParallelism) >> 32)
}
