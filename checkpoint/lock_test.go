package checkpoint

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// A cleaner of old files removes the lock file of a running job. Another process still does not
// get the job.
func TestLockOfAJobOutlivesItsFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // Windows does not remove a locked file
	}
	root := t.TempDir()
	first, err := NewFiles(root)
	require.NoError(t, err)
	lock, err := first.Lock(t.Context(), "job/lock")
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(root, "job", ".lock")))
	second, err := NewFiles(root)
	require.NoError(t, err)
	_, err = second.Lock(t.Context(), "job/lock")
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, lock.Close())
	lock, err = second.Lock(t.Context(), "job/lock")
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}
