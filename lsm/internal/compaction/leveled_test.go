package compaction

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// sortedLevel returns tables of a level above 0 that divide the keys a to z, with numbers from
// first on.
func sortedLevel(first uint64, sizes ...int64) (tables []Table) {
	for i, size := range sizes {
		from, to := fmt.Sprintf("%c", 'a'+i), fmt.Sprintf("%c", 'a'+i+1)
		tables = append(tables, Table{Number: first + uint64(i), Bytes: size, From: []byte(from), To: []byte(to)})
	}
	return tables
}

// With these options level 1 may have 400 bytes, level 2 may have 4,000.
func TestLeveledPicksTheLevelThatExceedsItsSizeTheMost(t *testing.T) {
	s := Shape{MemtableBytes: 100, FileBytes: 100}
	s.Levels[1], s.Levels[2] = sortedLevel(10, 100, 100, 100), sortedLevel(20, 1000, 1000, 1000)
	require.Nil(t, NewLeveled().Pick(s), "no level is due")

	s.Levels[1] = sortedLevel(10, 100, 200, 100)
	require.Equal(t, &Pick{Files: []uint64{11, 21}, To: 2}, NewLeveled().Pick(s),
		"level 1 is due; table 11 has the least bytes to rewrite for each of its own")

	s.Levels[2] = sortedLevel(20, 2000, 2000, 2001)
	require.Equal(t, &Pick{Files: []uint64{20}, To: 3}, NewLeveled().Pick(s), "level 2 exceeds its size the most")
}

func TestLeveledJoinsSmallRunsWithinLevel0(t *testing.T) {
	s := Shape{MemtableBytes: 100, FileBytes: 100}
	all := func(sizes ...int64) []Table {
		tables := level0(sizes...).Levels[0]
		for i := range tables {
			tables[i].From, tables[i].To = []byte("a"), []byte("z")
		}
		return tables
	}
	s.Levels[0], s.Levels[1] = all(10, 10, 10, 10), sortedLevel(10, 100, 100)
	require.Equal(t, &Pick{Files: []uint64{4, 3, 2, 1}, To: 0}, NewLeveled().Pick(s))
	s.Levels[0] = all(100, 100, 100, 100)
	require.Equal(t, &Pick{Files: []uint64{4, 3, 2, 1, 10, 11}, To: 1, Share: 0.5}, NewLeveled().Pick(s), "in halves")
	s.Levels[0] = all(100, 100, 100, 100, 100, 100, 100, 100)
	require.Zero(t, NewLeveled().Pick(s).Share, "level 0 has twice as many runs as it should")
}
