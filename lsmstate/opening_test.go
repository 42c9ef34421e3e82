package lsmstate

import (
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs/vfstest"
)

// The declaration returns the errors of opening the tree and can be tried again. No operation on a
// state opens the tree.
func TestTheDeclarationOfAStateOpensTheTree(t *testing.T) {
	for name, declare := range map[string]func(k *state.Keyed[string]) error{
		"value": func(k *state.Keyed[string]) error {
			_, err := state.ValueOf(k, state.ValueDescriptor[string]{Name: "first", Codec: codec.String[string]()})
			return err
		},
		"timers": func(k *state.Keyed[string]) error { _, err := state.TimersOf(k, "first"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			var armed atomic.Bool
			disk := vfstest.NewFaulty(newFS(), vfstest.FaultyOptions{Plan: armedPlan(&armed, vfstest.FailFrom(0, syscall.EIO))})
			b, k := backendOn(t, disk, Options{Options: oneGroup()})
			_, _, err := b.Get([]byte("key"))
			require.ErrorIs(t, err, backend.ErrInvalid, "a row before any state")
			armed.Store(true)
			require.ErrorIs(t, declare(k), syscall.EIO)
			armed.Store(false)
			require.NoError(t, declare(k))
			value := valueOn(t, k)
			require.NoError(t, k.SetKey("key"))
			armed.Store(true)
			before := disk.Count()
			_, ok, err := value.Get()
			require.NoError(t, err)
			require.False(t, ok)
			require.Equal(t, before, disk.Count(), "operations of the disk")
			armed.Store(false)
		})
	}
}

// A restore replaces a tree to which nothing was written. Views of the old tree stay empty.
func TestRestoreDiscardsAnUnusedTree(t *testing.T) {
	mem := newFS()
	task, s := nativeOn(t, mem, "one", 0, 1, nil), newShelf(t, mem)
	task.set("key", "value")
	h, err := s.save(task, "first", snapshot.Incremental)
	require.NoError(t, err)

	other := nativeOn(t, mem, "two", 0, 1, nil)
	_, ok := other.get("key")
	require.False(t, ok)
	v, err := other.View()
	require.NoError(t, err)
	defer v.Close()
	require.NoError(t, other.restore(s, h))
	got, ok := other.get("key")
	require.True(t, ok)
	require.Equal(t, "value", got)
	for group := range uint16(nativeGroups) {
		require.NoError(t, v.Rows(group, func(_, _ []byte) error { t.Error("a row of the restored tree"); return nil }))
	}

	used := nativeOn(t, mem, "three", 0, 1, nil)
	used.set("key", "value")
	require.NoError(t, used.value.Clear())
	require.ErrorIs(t, used.restore(s, h), backend.ErrNotEmpty)
}
