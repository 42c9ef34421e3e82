package vfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Bytes that NextData skips read as zeros, whatever the file system reports about its holes.
func TestNextDataSkipsNothingButZeros(t *testing.T) {
	const sizeBytes, writtenAt = 4 << 20, 3<<20 + 12345
	name := filepath.Join(t.TempDir(), "sparse")
	require.NoError(t, os.WriteFile(name, []byte("front"), 0o600))
	w, err := os.OpenFile(name, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = w.WriteAt([]byte("data"), writtenAt)
	require.NoError(t, err)
	require.NoError(t, w.Truncate(sizeBytes))
	require.NoError(t, w.Close())

	f, err := Real{}.Open(name)
	require.NoError(t, err)
	defer f.Close()
	require.Zero(t, NextData(f, 0, sizeBytes))
	for _, at := range []int64{1, 1 << 20, writtenAt - 1, writtenAt, writtenAt + 4, sizeBytes - 1, sizeBytes} {
		next := NextData(f, at, sizeBytes)
		require.GreaterOrEqual(t, next, at)
		require.LessOrEqual(t, next, int64(sizeBytes))
		skipped := make([]byte, next-at)
		_, err := f.ReadAt(skipped, at)
		require.NoError(t, err)
		require.Equal(t, make([]byte, len(skipped)), skipped, "from %d to %d", at, next)
	}

	created, err := Real{}.Create(filepath.Join(t.TempDir(), "created"))
	require.NoError(t, err)
	defer created.Close()
	_, err = created.Write([]byte("ab"))
	require.NoError(t, err)
	require.Zero(t, NextData(created, 0, 2), "the position of a file that is written stays")
	_, err = created.Write([]byte("cd"))
	require.NoError(t, err)
	size, err := created.Size()
	require.NoError(t, err)
	require.EqualValues(t, 4, size)
}
