package majors_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm"

	"example.org/outside/majors"
)

func TestRunsBecomeLevelOne(t *testing.T) {
	dir := t.TempDir()
	compacted := make(chan lsm.CompactionInfo, 100)
	db, err := lsm.Open(context.Background(), dir, lsm.Options{
		Picker: majors.Picker{Runs: 3},
		Events: lsm.Events{
			Compacted:        func(i lsm.CompactionInfo) { compacted <- i },
			CompactionFailed: func(err error) { t.Errorf("compaction: %v", err) },
		},
	})
	require.NoError(t, err)
	for round := range 6 {
		for i := range 1000 {
			require.NoError(t, db.Put(fmt.Appendf(nil, "key %d", i*7919%1000), fmt.Appendf(nil, "round %d", round)))
		}
		require.NoError(t, db.Flush(context.Background()))
	}
	info := <-compacted
	require.Equal(t, 1, info.To)
	require.GreaterOrEqual(t, info.FilesRead, 3)
	for i := range 1000 {
		value, found, err := db.Get(fmt.Appendf(nil, "key %d", i), nil)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, "round 5", string(value))
	}
	for level, m := range db.Metrics().Levels {
		require.True(t, level <= 1 || m.Files == 0, "level %d has %d files", level, m.Files)
	}
	require.NoError(t, db.Close())
	_, err = lsm.Check(context.Background(), dir, lsm.Options{})
	require.NoError(t, err)
}
