package storagetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

// locker returns the store as a Locker. It returns false for a store without locks, after a
// check that a coordinator works on it.
func locker(t *testing.T, h *harness, root string) (checkpoint.Locker, bool) {
	objects := h.open(t, root)
	l, ok := objects.(checkpoint.Locker)
	if !ok {
		require.NoError(t, newJob(t, objects).Close(), "without locks every coordinator is accepted")
	}
	return l, ok
}

func lockHasOneOwner(t *testing.T, h *harness) {
	root := h.root()
	one, ok := locker(t, h, root)
	if !ok {
		return
	}
	again := h.open(t, root).(checkpoint.Locker)
	lock, err := one.Lock(t.Context(), "job/lock")
	require.NoError(t, err)
	for _, store := range []checkpoint.Locker{one, again} {
		_, err = store.Lock(t.Context(), "job/lock")
		require.ErrorIs(t, err, checkpoint.ErrLocked)
		requireNames(t, err, "job/")
	}
	requireHeld(t, lock)
	other, err := again.Lock(t.Context(), "job2/lock")
	require.NoError(t, err, "another name is another lock")
	require.NoError(t, other.Close())
	requireHeld(t, lock)

	require.NoError(t, lock.Close())
	require.NoError(t, lock.Close(), "a second Close")
	next, err := again.Lock(t.Context(), "job/lock")
	require.NoError(t, err, "Close frees the lock")
	require.NoError(t, lock.Close(), "another owner has the lock now")
	_, err = one.Lock(t.Context(), "job/lock")
	require.ErrorIs(t, err, checkpoint.ErrLocked, "the earlier owner freed the lock of the next")
	requireHeld(t, next)
	require.NoError(t, next.Close())
}

// requireHeld fails the test if a lock says that it is lost.
func requireHeld(t testing.TB, lock any) {
	t.Helper()
	if checker, ok := lock.(checkpoint.LockChecker); ok {
		require.NoError(t, checker.Check(), "the lock is held")
	}
}

func lockIsNoObject(t *testing.T, h *harness) {
	root := h.root()
	store, ok := locker(t, h, root)
	if !ok {
		return
	}
	lock, err := store.Lock(t.Context(), "job/lock")
	require.NoError(t, err)
	objects := h.open(t, root)
	requireOnly(t, objects)
	put(t, objects, "job/a", nil)
	require.NoError(t, objects.Remove(t.Context(), "job/a"))
	requireHeld(t, lock)
	require.NoError(t, lock.Close())
	requireOnly(t, objects)
}
