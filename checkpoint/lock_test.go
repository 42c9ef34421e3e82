package checkpoint

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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

// requireStopped checks that a coordinator has stopped because its lock is lost.
func requireStopped(t *testing.T, r *rig, a *Attempt) {
	t.Helper()
	r.runQueued()
	require.Contains(t, r.events, "fail")
	require.ErrorIs(t, r.failure(), ErrLockLost)
	_, err := a.Trigger()
	require.ErrorIs(t, err, ErrLockLost)
	_, err = r.Begin(context.Background(), r, oneTask)
	require.ErrorIs(t, err, ErrLockLost)
	require.ErrorIs(t, err, ErrLocked)
	_, err = r.Collect(context.Background(), false)
	require.ErrorIs(t, err, ErrLockLost)
	require.ErrorIs(t, r.Discard(context.Background()), ErrLockLost)
	require.ErrorIs(t, r.Close(), ErrLockLost)
}

// failure returns the reason of the first Fail.
func (r *rig) failure() error {
	of := 0
	for _, event := range r.events {
		switch {
		case event == "fail":
			return r.reasons[of]
		case strings.HasPrefix(event, "aborted"):
			of++
		}
	}
	return nil
}

func TestLostLockIsNotBlamedOnAFile(t *testing.T) {
	require.EqualError(t, ErrLockLost, "the lock of the job was lost") // it may have been a session
}
