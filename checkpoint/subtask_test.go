package checkpoint

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// counter is the backend of a subtask with a count for each key.
type counter struct {
	*heapstate.Backend
	keyed *state.Keyed[int64]
	count state.ValueState[int64]
}

func newCounter(t *testing.T, subtask, parallelism int) *counter {
	t.Helper()
	backend, err := heapstate.NewHash(state.Options{Keyspace: state.SubtaskKeyspace(subtask, parallelism, 128)})
	require.NoError(t, err)
	keyed, err := state.NewKeyed(backend, codec.Int[int64]())
	require.NoError(t, err)
	count, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "count", Codec: codec.Int[int64]()})
	require.NoError(t, err)
	return &counter{backend, keyed, count}
}

// eachKey calls f with each key that belongs to the subtask.
func eachKey(t *testing.T, subtask, parallelism int, f func(key int64)) {
	for key := range int64(100) {
		group, err := state.KeyGroupOf(codec.Int[int64](), key, 128)
		require.NoError(t, err)
		if state.SubtaskOf(group, parallelism, 128) == subtask {
			f(key)
		}
	}
}

func TestSnapshotsOfTwoSubtasksAreRestoredByAnyNumber(t *testing.T) {
	for _, parallelism := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(parallelism), func(t *testing.T) {
			r := newRig(t, Options{})
			a := r.begin(Subtasks{"count", 2}, Subtasks{"bare", 1})
			require.NoError(t, a.Restore(t.Context(), newCounter(t, 0, 2), "count"), "there is nothing to restore")
			id := r.trigger(a)
			for i := range 2 {
				c := newCounter(t, i, 2)
				eachKey(t, i, 2, func(key int64) {
					require.NoError(t, c.keyed.SetKey(key))
					require.NoError(t, c.count.Set(key*10))
				})
				running, err := a.Upload(id, "count", i).Snapshot(c, snapshot.Options{Name: "ignored"}, []byte{byte(i)})
				require.NoError(t, err)
				require.NotZero(t, running.Pause())
			}
			require.NoError(t, a.Upload(id, "bare", 0).Acknowledge(nil, nil))
			r.writers.Wait()
			r.requireEvents("trigger 1 on 0", "complete 1")

			a = r.begin(Subtasks{"count", parallelism}, Subtasks{"bare", 1})
			o, _ := a.Restored().Operator("count")
			require.Equal(t, []byte{1}, o.Parts[1].Data)
			require.NoError(t, a.Restore(t.Context(), newCounter(t, 0, 1), "bare"), "it left no state")
			for i := range parallelism {
				c := newCounter(t, i, parallelism)
				require.NoError(t, a.Restore(t.Context(), c, "count"))
				eachKey(t, i, parallelism, func(key int64) {
					require.NoError(t, c.keyed.SetKey(key))
					n, ok, err := c.count.Get()
					require.NoError(t, err)
					require.True(t, ok, key)
					require.Equal(t, key*10, n)
				})
			}
		})
	}
}

func TestRestoreNamesOperatorAndCheckpoint(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin()
	c := newCounter(t, 0, 1)
	_, err := a.Upload(r.trigger(a), "op", 0).Snapshot(c, snapshot.Options{}, nil)
	require.NoError(t, err)
	r.writers.Wait()
	r.runQueued()
	a = r.begin()
	backend, err := heapstate.NewHash(state.Options{Keyspace: state.WholeKeyspace(128)}) // without the state
	require.NoError(t, err)
	err = a.Restore(t.Context(), backend, "op")
	require.ErrorIs(t, err, state.ErrUnknownState)
	require.ErrorContains(t, err, `operator "op" of checkpoint 1: `)

	r.o.AllowUnclaimed = true
	require.NoError(t, a.Restore(t.Context(), backend, "op"))
}

// A misspelled operator must not be taken for one without state.
func TestRestoreRefusesOperatorsThatTheAttemptDoesNotHave(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin()
	for range 2 {
		err := a.Restore(t.Context(), newCounter(t, 0, 1), "po")
		require.ErrorIs(t, err, ErrInvalidOption)
		require.ErrorContains(t, err, `operator "po"`)
		_, err = a.Upload(r.trigger(a), "op", 0).Snapshot(newCounter(t, 0, 1), snapshot.Options{}, nil)
		require.NoError(t, err)
		r.writers.Wait()
		r.runQueued()
		a = r.begin()
	}
}

// viewless is a backend whose View fails.
type viewless struct{ *counter }

func (viewless) View() (snapshot.View, error) { return nil, errTest }

func TestSnapshotThatFailsDeclinesTheCheckpoint(t *testing.T) {
	r := newRig(t, Options{TolerableFailures: 9})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	running, err := u.Snapshot(viewless{newCounter(t, 0, 1)}, snapshot.Options{}, nil)
	require.ErrorIs(t, err, errTest)
	require.Nil(t, running)
	r.requireEvents("trigger 1 on 0", "aborted 1")
	r.requireReason(errTest)
	_, err = u.Snapshot(newCounter(t, 0, 1), snapshot.Options{}, nil)
	require.ErrorIs(t, err, errTest, "the checkpoint is over")

	r.objects = &faultyObjects{Objects: r.objects, fail: func(string, string) error { return errTest }}
	r.o.Storage.inlineBytes = 0
	_, err = a.Upload(r.trigger(a), "op", 0).Snapshot(newCounter(t, 0, 1), snapshot.Options{}, nil)
	require.NoError(t, err, "the files are written later")
	r.writers.Wait()
	r.requireEvents("trigger 2 on 0", "aborted 2")
	r.requireReason(errTest)
	require.NoError(t, r.Close())
}

// The write of a snapshot hangs until Close ends its context.
func TestCloseWaitsForSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := NewCoordinator(t.Context(), Options{Job: "job", Storage: storageOn(t, unlimited())})
		require.NoError(t, err)
		c.o.Storage.inlineBytes = 0
		var u *Upload
		writing := false
		c.objects = &faultyObjects{Objects: c.objects, fail: func(op, _ string) error {
			if op == "create" {
				writing = true
				<-u.Context().Done()
				return context.Cause(u.Context())
			}
			return nil
		}}
		a, err := c.Begin(t.Context(), &bubbleJob{}, oneTask)
		require.NoError(t, err)
		id, err := a.Trigger()
		require.NoError(t, err)
		u = a.Upload(id, "op", 0)
		running, err := u.Snapshot(newCounter(t, 0, 1), snapshot.Options{}, nil)
		require.NoError(t, err)
		synctest.Wait()
		require.True(t, writing)
		require.NoError(t, c.Close())
		select {
		case <-running.Done():
		default:
			require.Fail(t, "the snapshot runs after Close")
		}
		_, err = running.Wait()
		require.ErrorIs(t, err, ErrEnded)
		_, err = u.Snapshot(newCounter(t, 0, 1), snapshot.Options{}, nil)
		require.ErrorIs(t, err, ErrEnded)
	})
}

func TestSnapshotCopiesTheCallersData(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin()
	data := []byte("offset 7")
	_, err := a.Upload(r.trigger(a), "op", 0).Snapshot(newCounter(t, 0, 1), snapshot.Options{}, data)
	require.NoError(t, err)
	copy(data, bytes.Repeat([]byte{'x'}, len(data)))
	r.writers.Wait()
	r.runQueued()
	o, _ := r.begin().Restored().Operator("op")
	require.Equal(t, "offset 7", string(o.Parts[0].Data))
}
