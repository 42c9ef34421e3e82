package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/job"
)

func writeLines(t *testing.T, l *lineFile, lines ...string) {
	for _, line := range lines {
		require.NoError(t, l.Write(job.Event[string]{Value: line}))
	}
}

func TestSinkCutsOffWhatWasWrittenAfterTheCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines.txt")
	l, err := openLines(path, nil)
	require.NoError(t, err)
	writeLines(t, l, "a", "bc")
	at, sync, err := l.Snapshot()
	require.NoError(t, err)
	require.NoError(t, sync())
	require.Equal(t, "a\nbc\n", contentOf(t, path), "a checkpoint must not hold what is only in the process")
	writeLines(t, l, "lost")
	_, _, err = l.Snapshot()
	require.NoError(t, err)
	require.NoError(t, l.Close(false))
	require.Equal(t, "a\nbc\nlost\n", contentOf(t, path))

	for range 2 {
		l, err = openLines(path, at)
		require.NoError(t, err)
		require.Equal(t, "a\nbc\n", contentOf(t, path))
		writeLines(t, l, "d")
		require.NoError(t, l.Close(true))
		require.Equal(t, "a\nbc\nd\n", contentOf(t, path))
	}
	l, err = openLines(path, nil)
	require.NoError(t, err)
	require.NoError(t, l.Close(true))
	require.Empty(t, contentOf(t, path), "a job that begins anew begins with no lines")
}

func TestSinkRefusesACheckpointWhoseLinesAreGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines.txt")
	l, err := openLines(path, nil)
	require.NoError(t, err)
	writeLines(t, l, "line")
	at, _, err := l.Snapshot()
	require.NoError(t, err)
	require.NoError(t, l.Close(false))

	require.NoError(t, os.Truncate(path, 4))
	for _, restored := range [][]byte{at, {}, at[1:], {0x80, 0, 0, 0, 0, 0, 0, 0}} {
		_, err = openLines(path, restored)
		require.ErrorIs(t, err, errLines)
	}
	require.Equal(t, "line", contentOf(t, path))
	require.NoError(t, os.Remove(path))
	_, err = openLines(path, at)
	require.ErrorIs(t, err, errLines)
}
