package lsmstate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

const (
	manyGroups      = 4096
	unclaimedStates = 10
)

// unclaimedSnapshot returns a native snapshot with a row in each of many key groups, ten map states in
// some of them, and the timers of two services.
func unclaimedSnapshot(t *testing.T, s *shelf, fs vfs.FS) snapshot.Handle {
	b, k := manyGroupsOn(t, fs, "one")
	value, timers := valueOn(t, k), timersOn(t, k)
	gone, err := state.TimersOf(k, "gone")
	require.NoError(t, err)
	for group := range uint16(manyGroups) {
		require.NoError(t, k.SetKeyAndGroup(fmt.Sprint(group), group))
		require.NoError(t, value.Set("v"))
		if group%100 == 0 {
			require.NoError(t, timers.Register(state.EventTime, int64(group), nil))
			require.NoError(t, timers.Register(state.ProcessingTime, int64(group), nil))
			require.NoError(t, gone.Register(state.ProcessingTime, int64(group), nil))
		}
	}
	for i := range unclaimedStates {
		entries, err := state.MapOf(k, state.MapDescriptor[string, string]{
			Name: fmt.Sprint("unclaimed ", i), Key: codec.String[string](), Value: codec.String[string](),
		})
		require.NoError(t, err)
		for group := uint16(i); group < manyGroups; group += 500 {
			require.NoError(t, k.SetKeyAndGroup(fmt.Sprint(group), group))
			for key := range 20 {
				require.NoError(t, entries.Put(fmt.Sprint(key), "v"))
			}
		}
	}
	h, err := s.save(b, "whole", snapshot.Incremental)
	require.NoError(t, err)
	return h
}

func manyGroupsOn(t *testing.T, fs vfs.FS, dir string) (*Backend, *state.Keyed[string]) {
	b, err := Create(dir, Options{Options: state.Options{Keyspace: state.WholeKeyspace(manyGroups)}, FS: fs})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	k, err := state.NewKeyed(b, codec.String[string]())
	require.NoError(t, err)
	return b, k
}

// The number of rows that a restore reads does not grow with the product of key groups and states.
func TestUnclaimedStatesAreDroppedInOnePass(t *testing.T) {
	fs := newFS()
	s := newShelf(t, fs)
	h := unclaimedSnapshot(t, s, fs)
	disk := vfstest.NewFaulty(fs, vfstest.FaultyOptions{})
	b, k := manyGroupsOn(t, disk, "two")
	value, timers := valueOn(t, k), timersOn(t, k)
	before := disk.Count(vfstest.OpReadAt)
	_, err := snapshot.Restore(t.Context(), b, s, []snapshot.Handle{h}, snapshot.RestoreOptions{AllowUnclaimed: true})
	require.NoError(t, err)
	require.LessOrEqual(t, disk.Count(vfstest.OpReadAt)-before, 500)

	require.NoError(t, k.SetKeyAndGroup("4095", 4095))
	got, _, err := value.Get()
	require.NoError(t, err)
	require.Equal(t, "v", got)
	v := view1(t, b)
	require.Len(t, rowsOf(t, v), manyGroups+2*41)
	v.Close()
	for d, want := range map[state.Domain]int64{state.EventTime: 0, state.ProcessingTime: 0} {
		at, ok, err := timers.Next(d)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, want, at)
	}
	fired := 0
	require.NoError(t, timers.Advance(state.EventTime, 5000, func(state.Timer[string]) error { fired++; return nil }))
	require.Equal(t, 41, fired)

	restored, err := s.save(b, "restored", snapshot.Incremental)
	require.NoError(t, err)
	restored.States = h.States
	again, k := manyGroupsOn(t, fs, "three")
	valueOn(t, k)
	_, err = snapshot.Restore(t.Context(), again, s, []snapshot.Handle{restored}, snapshot.RestoreOptions{AllowUnclaimed: true})
	require.NoError(t, err)
}

// countdown is a context that ends after a number of calls of Err.
type countdown struct {
	context.Context
	looks atomic.Int64
	end   int64
	once  sync.Once
	done  chan struct{}
}

var errEnough = errors.New("enough")

func newCountdown(ctx context.Context, end int64) *countdown {
	return &countdown{Context: ctx, end: end, done: make(chan struct{})}
}

func (c *countdown) Done() <-chan struct{} { return c.done }

func (c *countdown) Err() error {
	if c.looks.Add(1) < c.end {
		return nil
	}
	c.once.Do(func() { close(c.done) })
	return errEnough
}

// A restore checks its context often and ends as soon as the context has ended.
func TestNativeRestoreEndsWithItsContext(t *testing.T) {
	fs := newFS()
	s := newShelf(t, fs)
	h := unclaimedSnapshot(t, s, fs)
	restore := func(end int64) (looks int64, err error) {
		ctx := newCountdown(t.Context(), end)
		b, k := manyGroupsOn(t, fs, "two")
		valueOn(t, k)
		timersOn(t, k)
		_, err = snapshot.Restore(ctx, b, s, []snapshot.Handle{h}, snapshot.RestoreOptions{AllowUnclaimed: true})
		require.NoError(t, b.Close())
		return ctx.looks.Load(), err
	}
	all, err := restore(1 << 60)
	require.NoError(t, err)
	// One check for each map and timer that is dropped, and for each timer that is loaded.
	require.GreaterOrEqual(t, all, int64(unclaimedStates*manyGroups/500+3*41))
	for _, end := range []int64{1, 2, 3, 5, 8, 20, all / 2, all - 50, all - 1} {
		looks, err := restore(end)
		require.ErrorIs(t, err, errEnough)
		require.LessOrEqual(t, looks, end+10, "looks after %d of %d", end, all)
	}
}
