package backend

import (
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

// The assignment of keys to groups is part of the format. Another implementation of xxh64
// (python-xxhash) computed the numbers.
func TestKeyGroupsOfKnownKeysNeverChange(t *testing.T) {
	for _, row := range []struct {
		key            string
		maxParallelism int
		group          uint16
	}{
		{"", 128, 119}, {"JFK", 128, 119}, {"JFK", 32768, 30685}, {"LAX", 128, 66}, {"a", 1, 0},
	} {
		require.Equal(t, row.group, KeyGroup(xxhash.Sum64String(row.key), row.maxParallelism), row.key)
	}
	require.Equal(t, ID(0xe2de17c0), IDOf("flights"))
}

func TestKeyGroupIsAlwaysBelowMaxParallelism(t *testing.T) {
	for _, maxParallelism := range []int{1, 2, 3, 127, 128, MaxKeyGroups} {
		require.Equal(t, uint16(0), KeyGroup(0, maxParallelism))
		require.Equal(t, uint16(maxParallelism-1), KeyGroup(^uint64(0), maxParallelism))
	}
}

func TestSubtasksDivideTheKeyGroups(t *testing.T) {
	for _, maxParallelism := range []int{1, 2, 7, 128, 1000, MaxKeyGroups} {
		for parallelism := 1; parallelism <= min(maxParallelism, 130); parallelism++ {
			next := 0
			for i := range parallelism {
				s := SubtaskKeyspace(i, parallelism, maxParallelism)
				require.NoError(t, s.Validate())
				require.Equal(t, next, int(s.Groups.First))
				next = int(s.Groups.Last) + 1
			}
			require.Equal(t, maxParallelism, next)
		}
	}
}

func TestInvalidKeyspacesAreRefused(t *testing.T) {
	for _, s := range []Keyspace{
		{}, SubtaskKeyspace(0, 2, 1), SubtaskKeyspace(-1, 1, 128), SubtaskKeyspace(1, 1, 128),
		SubtaskKeyspace(0, 1, MaxKeyGroups+1), {MaxParallelism: 128, Groups: GroupRange{3, 2}},
		{MaxParallelism: 128, Groups: GroupRange{0, 128}}, {MaxParallelism: -1},
	} {
		require.ErrorIs(t, s.Validate(), ErrInvalid, "%+v", s)
		require.NotErrorIs(t, s.Validate(), ErrInvalidOption, "files have keyspaces too")
	}
}

func TestDefaultMaxParallelismIsThatOfFlink(t *testing.T) {
	for parallelism, want := range map[int]int{-1: 128, 0: 128, 1: 128, 85: 128, 86: 256, 128: 256, 20000: 32768, 1 << 30: 32768} {
		require.Equal(t, want, DefaultMaxParallelism(parallelism), "parallelism %d", parallelism)
	}
}
