package lsmstate

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// fullPlan is the plan of a disk that becomes full. From then on only removals succeed.
func fullPlan(full *bool) vfstest.Plan {
	return func(c vfstest.Call) error {
		switch c.Op {
		case vfstest.OpCreate, vfstest.OpWrite, vfstest.OpSync, vfstest.OpLink, vfstest.OpRename:
			if *full {
				return syscall.ENOSPC
			}
		}
		return nil
	}
}

// fillOn returns a new backend with rows in its memtables.
func fillOn(t *testing.T, disk vfs.FS) *Backend {
	b, err := Create(dir, Options{FS: disk})
	require.NoError(t, err)
	k, err := state.NewKeyed(b, codec.String[string]())
	require.NoError(t, err)
	value := valueOn(t, k)
	for i := range 100 {
		require.NoError(t, k.SetKey(fmt.Sprint(i)))
		require.NoError(t, value.Set(strings.Repeat("v", 100)))
	}
	return b
}

// Close discards all state, so it need not flush memtables.
func TestCloseWritesNothing(t *testing.T) {
	disk := vfstest.NewFaulty(newFS(), vfstest.FaultyOptions{})
	b := fillOn(t, disk)
	mutations := func() [4]int {
		return [4]int{disk.Count(vfstest.OpCreate), disk.Count(vfstest.OpWrite), disk.Count(vfstest.OpSync), disk.Count(vfstest.OpRename)}
	}
	before := mutations()
	require.NoError(t, b.Close())
	require.Equal(t, before, mutations(), "creates, writes, syncs and renames")
}

func TestCloseEmptiesAFullDisk(t *testing.T) {
	full := false
	mem := newFS()
	b := fillOn(t, vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: fullPlan(&full)}))
	full = true
	require.NoError(t, b.Close())
	require.Equal(t, []string{lockName, backendMarker}, namesIn(t, mem))
}

func TestARestoreOnAFullDiskLeavesNothing(t *testing.T) {
	mem := newFS()
	task := nativeOn(t, mem, "one", 0, 1, func(o *Options) { o.tune = inFiles })
	for i := range 100 {
		task.set(fmt.Sprint(i), strings.Repeat("x", 400))
	}
	s := newShelf(t, mem)
	h, err := s.save(task, "whole", snapshot.Incremental)
	require.NoError(t, err)
	full := false
	b, err := Create("broken", Options{
		Options: state.Options{Keyspace: state.WholeKeyspace(nativeGroups)},
		FS:      vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: fullPlan(&full)}),
	})
	require.NoError(t, err)
	k, err := state.NewKeyed(b, codec.String[string]())
	require.NoError(t, err)
	valueOn(t, k)
	listOn(t, k)
	full = true
	_, err = snapshot.Restore(t.Context(), b, s, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	require.ErrorIs(t, err, syscall.ENOSPC)
	names, err := mem.List("broken")
	require.NoError(t, err)
	require.Equal(t, []string{lockName, backendMarker}, names)
}
