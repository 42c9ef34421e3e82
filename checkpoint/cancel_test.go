package checkpoint

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
)

// A storage hangs; a canceled job must end all the same. If the entry was written, the
// checkpoint is complete.
func TestCancelGivesUpACheckpointThatIsBeingCommitted(t *testing.T) {
	for name, complete := range map[string]bool{"/chk-1/_metadata": false, "/completed/": true} {
		objects := &faultyObjects{Objects: unlimited()}
		r := newRig(t, Options{Storage: storageOn(t, objects)})
		a := r.begin()
		id := r.trigger(a)
		objects.fail = func(op, object string) error {
			if op == "create" && strings.Contains(object, name) {
				r.Cancel()
			}
			return nil
		}
		require.NoError(t, a.Upload(id, "op", 0).Acknowledge(nil, []byte("data")))
		r.runQueued()
		if complete {
			require.Equal(t, []string{"trigger 1 on 0", "complete 1"}, r.events)
		} else {
			require.Contains(t, r.events, "aborted 1")
			r.requireReason(ErrEnded)
		}
		_, err := a.Trigger()
		require.ErrorIs(t, err, ErrEnded)
		objects.fail = nil
		_, next := r.restart()
		require.Equal(t, complete, next.Restored() != nil)
	}
}

// hanging are objects whose Remove hangs until its context ends.
type hanging struct{ Objects }

func (h hanging) Remove(ctx context.Context, name string) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// Files of an aborted checkpoint may stay as orphans for the next attempt.
func TestCancelDoesNotWaitForRemovals(t *testing.T) {
	objects := unlimited()
	r := newRig(t, Options{Storage: storageOn(t, hanging{objects})})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	r.write(u, u.Name(), 1<<20)
	r.Cancel()
	r.requireEvents("trigger 1 on 0", "aborted 1")
	require.NoError(t, r.Close())
	require.Contains(t, r.logged, "files of an aborted checkpoint remain")

	next := newRig(t, Options{Storage: storageOn(t, objects)})
	require.NotEmpty(t, next.names())
	next.begin()
	require.Empty(t, next.names())
}

// canceling is a file whose commit calls cancel after it is done.
type canceling struct {
	snapshot.File
	cancel func()
}

func (f canceling) Commit() error {
	defer f.cancel()
	return f.File.Commit()
}

// cancelingObjects are hanging objects that create canceling files.
type cancelingObjects struct {
	hanging
	cancel func()
}

func (o *cancelingObjects) Create(ctx context.Context, name string) (snapshot.File, error) {
	file, err := o.hanging.Create(ctx, name)
	return canceling{file, o.cancel}, err
}

// The writer removes a file whose commit ended after its checkpoint.
func TestCancelDoesNotWaitForTheRemovalOfAFileThatCameTooLate(t *testing.T) {
	objects := &cancelingObjects{hanging: hanging{unlimited()}, cancel: func() {}}
	r := newRig(t, Options{Storage: storageOn(t, objects)})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	objects.cancel = r.Cancel
	file, err := u.Create(u.Context(), u.Name())
	require.NoError(t, err)
	_, err = file.Write(make([]byte, 1<<20))
	require.NoError(t, err)
	committed := make(chan error, 1)
	go func() { committed <- file.Commit() }()
	require.ErrorIs(t, <-committed, ErrEnded, "the commit does not wait for the storage")
}

// Removals have stopped, so that checkpoints of a new attempt would never be removed.
func TestNoAttemptBeginsAfterCancel(t *testing.T) {
	for _, begun := range []bool{false, true} {
		r := newRig(t, Options{})
		if begun {
			r.begin()
		}
		r.Cancel()
		_, err := r.Begin(t.Context(), r, oneTask)
		require.ErrorIs(t, err, ErrClosed)
		require.NoError(t, r.Close())
	}
}
