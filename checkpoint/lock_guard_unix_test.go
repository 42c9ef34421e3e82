//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package checkpoint

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
)

// losses are the ways in which a running job can lose its folder.
var losses = map[string]func(t *testing.T, folder string){
	"moved":   func(t *testing.T, folder string) { require.NoError(t, os.Rename(folder, folder+".bak")) },
	"removed": func(t *testing.T, folder string) { require.NoError(t, os.RemoveAll(folder)) },
	"without its lock": func(t *testing.T, folder string) {
		require.NoError(t, os.Remove(filepath.Join(folder, ".lock")))
	},
}

// lossRig returns a coordinator on a directory, after ids complete checkpoints.
func lossRig(t *testing.T, root string, ids int) (*rig, *Attempt) {
	r := newRig(t, Options{Storage: storageWithout(t, filesIn(t, root)), TolerableFailures: 9})
	a := r.begin()
	for range ids {
		r.completeShared(a, 1)
	}
	r.events, r.reasons = nil, nil
	return r, a
}

// The folder of a running job is moved or removed, and another process starts the job in its
// place. The first coordinator must not touch the folder of the second.
func TestJobWhoseFolderWasMovedTouchesNothingOfTheNextOwner(t *testing.T) {
	for how, lose := range losses {
		if how == "without its lock" {
			continue // no other process gets the lock then
		}
		for _, when := range []string{"before the checkpoint", "before the commit", "before the end of an aborted one"} {
			t.Run(how+" "+when, func(t *testing.T) {
				root := t.TempDir()
				first, a := lossRig(t, root, 2)
				var u *Upload
				var handle *snapshot.Handle
				if when != "before the checkpoint" {
					u = a.Upload(first.trigger(a), "op", 0)
					handle = first.write(u, u.Name(), 100)
				}
				lose(t, filepath.Join(root, "job"))
				second, b := lossRig(t, root, 1)
				before := diskOf(t, root)

				switch when {
				case "before the checkpoint":
					u = a.Upload(first.trigger(a), "op", 0)
					_, _, err := u.Share(u.Context(), "1")
					require.ErrorIs(t, err, ErrLockLost)
				case "before the commit":
					require.NoError(t, u.Acknowledge(handle, nil))
				default:
					u.Decline(errTest)
				}
				requireStopped(t, first, a)
				require.Equal(t, before, diskOf(t, root))

				second.completeShared(b, 2)
				require.NoError(t, second.Close())
				third, _ := lossRig(t, root, 0)
				require.Equal(t, []ID{2}, third.ids())
				require.NoError(t, third.Close())
			})
		}
	}
}

// Even without another process nothing is made again.
func TestJobFolderThatIsGoneIsNotMadeAgainByItsOwner(t *testing.T) {
	for how, lose := range losses {
		t.Run(how, func(t *testing.T) {
			root := t.TempDir()
			r, a := lossRig(t, root, 2)
			u := a.Upload(r.trigger(a), "op", 0)
			_, _, err := u.Share(u.Context(), "1")
			require.NoError(t, err)
			lose(t, filepath.Join(root, "job"))
			before := diskOf(t, root)
			_, _, err = u.Share(u.Context(), "2")
			require.ErrorIs(t, err, ErrLockLost)
			require.ErrorContains(t, err, filepath.Join("job", ".lock"))
			require.NotContains(t, err.Error(), ErrLocked.Error())
			requireStopped(t, r, a)
			require.Equal(t, before, diskOf(t, root))
		})
	}
}

func TestEveryChangeOfAJobChecksItsLock(t *testing.T) {
	ctx := context.Background()
	root := t.TempDir()
	s, err := openEntries(ctx, filesIn(t, root), "job")
	require.NoError(t, err)
	putObject(t, s.objects, "job/chk-1/1-op-0", "1")
	file, err := s.objects.Create(ctx, "job/chk-1/1-op-1")
	require.NoError(t, err)
	number, err := s.Begin(ctx)
	require.NoError(t, err)
	require.NoError(t, s.Commit(ctx, Entry{ID: 1, Attempt: number}))

	require.NoError(t, os.Remove(filepath.Join(root, "job", ".lock")))
	before := diskOf(t, root)
	_, err = s.Begin(ctx)
	require.ErrorIs(t, err, ErrLockLost)
	require.ErrorIs(t, s.Commit(ctx, Entry{ID: 2, Attempt: number}), ErrLockLost)
	require.ErrorIs(t, s.Remove(ctx, 1), ErrLockLost)
	_, err = s.objects.Create(ctx, "job/chk-2/1-op-0")
	require.ErrorIs(t, err, ErrLockLost)
	require.ErrorIs(t, s.objects.Remove(ctx, "job/chk-1/1-op-0"), ErrLockLost)
	require.ErrorIs(t, file.Commit(), ErrLockLost)
	require.Equal(t, before, diskOf(t, root))
	require.NoError(t, file.Abort())
	require.NoError(t, s.Close())
}

// The lock is checked before a change, not in the same step. A change that fails because the
// lock was lost in between returns ErrLockLost.
func TestChangeThatFailsAfterTheLockIsLostReturnsErrLockLost(t *testing.T) {
	ctx := context.Background()
	for _, op := range []string{"create", "remove"} {
		root := t.TempDir()
		objects := &faultyObjects{Objects: filesIn(t, root)}
		s, err := openEntries(ctx, leased{objects, &lease{}}, "job")
		require.NoError(t, err)
		objects.fail = func(is, _ string) error {
			if is != op {
				return nil
			}
			s.lock.(*lease).over = true
			return errTest
		}
		switch op {
		case "create":
			_, err = s.objects.Create(ctx, "job/chk-1/1-op-0")
		default:
			err = s.objects.Remove(ctx, "job/chk-1/1-op-0")
		}
		require.ErrorIs(t, err, ErrLockLost)
		require.ErrorIs(t, err, errTest)
	}
}

// leased are objects of a third party with a lock that can expire.
type leased struct {
	Objects
	lock *lease
}

func (l leased) Lock(context.Context, string) (io.Closer, error) { return l.lock, nil }

type lease struct{ over bool }

func (l *lease) Close() error { return nil }

func (l *lease) Check() error {
	if l.over {
		return ErrLockLost
	}
	return nil
}

// A storage of a third party reports a lost lock through LockChecker.
func TestLockOfAThirdPartyCanBeLost(t *testing.T) {
	objects := leased{unlimited(), &lease{}}
	r := newRig(t, Options{Storage: storageWithout(t, objects)})
	a := r.begin()
	r.completeShared(a, 1)
	r.events, r.reasons = nil, nil
	before := r.names()
	u := a.Upload(r.trigger(a), "op", 0)
	objects.lock.over = true
	require.NoError(t, u.Acknowledge(nil, nil))
	requireStopped(t, r, a)
	require.Equal(t, before, r.names())
}
