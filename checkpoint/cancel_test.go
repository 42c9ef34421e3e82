package checkpoint

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A storage that hangs must not keep a job from ending that was canceled. One that has
// the entry all the same has the checkpoint.
func TestCancelGivesUpWhatIsBeingCommitted(t *testing.T) {
	for name, complete := range map[string]bool{"/chk-1/_metadata": false, "/completed/": true} {
		objects := &moody{Objects: unlimited()}
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
		r.settle()
		if complete {
			require.Equal(t, []string{"trigger 1 on 0", "complete 1"}, r.told)
		} else {
			require.Contains(t, r.told, "aborted 1")
			r.requireReason(ErrEnded)
		}
		_, err := a.Trigger()
		require.ErrorIs(t, err, ErrEnded)
		objects.fail = nil
		_, next := r.restart()
		require.Equal(t, complete, next.Restored() != nil)
	}
}

// hanging are objects that are removed and listed when the context has ended.
type hanging struct{ Objects }

func (h hanging) Remove(ctx context.Context, name string) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// What an aborted checkpoint wrote may stay as orphans, for the next attempt.
func TestCancelDoesNotWaitForRemovals(t *testing.T) {
	objects := unlimited()
	r := newRig(t, Options{Storage: storageOn(t, hanging{objects})})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	r.write(u, u.Name(), 1<<20)
	r.Cancel()
	r.requireTold("trigger 1 on 0", "aborted 1")
	require.NoError(t, r.Close())
	require.Contains(t, r.logged, "files of an aborted checkpoint remain")

	next := newRig(t, Options{Storage: storageOn(t, objects)})
	require.NotEmpty(t, next.names())
	next.begin()
	require.Empty(t, next.names())
}
