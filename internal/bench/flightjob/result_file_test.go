package flightjob

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/bench/benchtest"
	"github.com/weirstate/weir/job"
)

func writeLines(t *testing.T, l *resultFile, lines ...string) {
	for _, line := range lines {
		require.NoError(t, l.Write(job.Event[string]{Value: line}))
	}
}

func TestRestoreOfTheSinkRemovesLinesAfterTheCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines.txt")
	l, err := openResultFile(path, nil)
	require.NoError(t, err)
	writeLines(t, l, "a", "bc")
	at, sync, err := l.Snapshot()
	require.NoError(t, err)
	require.NoError(t, sync())
	require.Equal(t, "a\nbc\n", benchtest.ContentOf(t, path), "Snapshot must write the buffer to the file")
	writeLines(t, l, "lost")
	_, _, err = l.Snapshot()
	require.NoError(t, err)
	require.NoError(t, l.Close(false))
	require.Equal(t, "a\nbc\nlost\n", benchtest.ContentOf(t, path))

	for range 2 {
		l, err = openResultFile(path, at)
		require.NoError(t, err)
		require.Equal(t, "a\nbc\n", benchtest.ContentOf(t, path))
		writeLines(t, l, "d")
		require.NoError(t, l.Close(true))
		require.Equal(t, "a\nbc\nd\n", benchtest.ContentOf(t, path))
	}
	l, err = openResultFile(path, nil)
	require.NoError(t, err)
	require.NoError(t, l.Close(true))
	require.Empty(t, benchtest.ContentOf(t, path), "without a checkpoint the file is emptied")
}

func TestRestoreOfTheSinkFailsIfLinesAreMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines.txt")
	l, err := openResultFile(path, nil)
	require.NoError(t, err)
	writeLines(t, l, "line")
	at, _, err := l.Snapshot()
	require.NoError(t, err)
	require.NoError(t, l.Close(false))

	require.NoError(t, os.Truncate(path, 4))
	for _, restored := range [][]byte{at, {}, at[1:], {0x80, 0, 0, 0, 0, 0, 0, 0}} {
		_, err = openResultFile(path, restored)
		require.ErrorIs(t, err, ErrResultFile)
	}
	require.Equal(t, "line", benchtest.ContentOf(t, path))
	require.NoError(t, os.Remove(path))
	_, err = openResultFile(path, at)
	require.ErrorIs(t, err, ErrResultFile)
}
