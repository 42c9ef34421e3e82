package vfs

import (
	"io"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// writeFile creates a file and leaves it closed, unsynced.
func writeFile(t *testing.T, fsys FS, name, content string) {
	t.Helper()
	f, err := fsys.Create(name)
	require.NoError(t, err)
	_, err = f.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func readFile(t *testing.T, fsys FS, name string) string {
	t.Helper()
	f, err := fsys.Open(name)
	require.NoError(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	return string(b)
}

// requireError checks that err is target, in an error with the name of the file.
func requireError(t *testing.T, err, target error) {
	t.Helper()
	require.ErrorIs(t, err, target)
	switch err.(type) {
	case *fs.PathError, *os.LinkError:
	default:
		require.Failf(t, "no names", "%T: %v", err, err)
	}
}
