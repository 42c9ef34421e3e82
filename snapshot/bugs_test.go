package snapshot_test

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs/vfstest"
)

// The tests of this file are for bugs that other systems had. Each names the protection that it
// tests, and was seen to fail without it.

// FLINK-6207, FLINK-37463: the task and the asynchronous half of a snapshot shared a serializer
// that has a buffer. Protection: codecs are safe for concurrent use; the struct codec takes its
// buffer from a pool.
func TestBug15TaskAndSnapshotShareNothingThroughACodec(t *testing.T) {
	type pair struct{ first, second int64 }
	var armed atomic.Bool
	inside, goOn := make(chan struct{}), make(chan struct{})
	first := codec.Func("first", 1,
		func(dst []byte, v int64) ([]byte, error) {
			if armed.CompareAndSwap(true, false) {
				close(inside)
				<-goOn
			}
			return binary.BigEndian.AppendUint64(dst, uint64(v)), nil
		},
		func(src []byte) (int64, error) { return int64(binary.BigEndian.Uint64(src)), nil })
	pairs := codec.Struct("pair", 1,
		codec.Field("first", func(p *pair) *int64 { return &p.first }, first),
		codec.Field("second", func(p *pair) *int64 { return &p.second }, codec.Int[int64]()))
	open := func() (*heapstate.Backend, *state.Keyed[string], state.ValueState[pair]) {
		b, err := heapstate.NewHash(state.Options{Keyspace: eightGroups})
		require.NoError(t, err)
		k, err := state.NewKeyed(b, codec.String[string]())
		require.NoError(t, err)
		v, err := state.ValueOf(k, state.ValueDescriptor[pair]{Name: "pair", Codec: pairs})
		require.NoError(t, err)
		require.NoError(t, k.SetKey("key"))
		return b, k, v
	}
	backend, _, value := open()
	require.NoError(t, value.Set(pair{1, 1}))
	d := directoryOn(t, vfstest.NewMem(vfstest.MemOptions{}))
	armed.Store(true)
	r, err := snapshot.Start(context.Background(), backend, d, snapshot.Options{})
	require.NoError(t, err)
	<-inside // the snapshot is between two fields
	for i := range int64(10) {
		require.NoError(t, value.Set(pair{2 + i, 2 + i}))
	}
	close(goOn)
	h, err := r.Wait()
	require.NoError(t, err)
	restored, _, value := open()
	_, err = snapshot.Restore(context.Background(), restored, d, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	require.NoError(t, err)
	got, ok, err := value.Get()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, pair{1, 1}, got)
}

// FLINK-9269, FLINK-9263: a state that was registered during a snapshot became part of the snapshot
// by half. Protection: a view has its own list of states and pins their content, both in one step
// in the task's goroutine.
func TestBug16StateRegisteredDuringASnapshotIsInTheNextOne(t *testing.T) {
	j := smallJob(t)
	d := directoryOn(t, vfstest.NewMem(vfstest.MemOptions{}))
	before, states := content(t, j.backend), j.backend.Registry().States()
	gate, open := held(d)
	r, err := snapshot.Start(context.Background(), j.backend, gate, snapshot.Options{Name: "before"})
	require.NoError(t, err)
	for _, name := range []string{"a", "more", "states", "z"} { // their ids are between, before and after the others
		late, err := state.ValueOf(j.keyed, state.ValueDescriptor[int64]{Name: name, Codec: codec.Int[int64]()})
		require.NoError(t, err)
		require.NoError(t, j.keyed.SetKey("user\x0000"))
		require.NoError(t, late.Set(1))
	}
	close(open)
	h, err := r.Wait()
	require.NoError(t, err)
	require.Equal(t, states, h.States)
	require.Equal(t, before, content(t, restore(t, eightGroups, d, h).backend))

	next := take(t, j.backend, d, "after")
	require.Len(t, next.States, len(states)+4)
	require.Equal(t, h.Rows+4, next.Rows)
}
