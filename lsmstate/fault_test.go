package lsmstate

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

var faultStride = flag.Int("lsmstate.faultstride", 0, "number of operations between two failing operations of the disk; 0 for the default of WEIR_TESTS")

// If an operation of the disk fails, some call may return an error, but none returns a wrong result.
func TestFailingDiskCausesErrorsAndNoWrongResults(t *testing.T) {
	stride := *faultStride
	if stride == 0 {
		stride = density.Of(t, 61, 17, 1)
	}
	for name, plan := range map[string]func(int, error, ...vfstest.Op) vfstest.Plan{"once": vfstest.FailNth, "for ever": vfstest.FailFrom} {
		for _, tierBytes := range []int64{0, 1, 8 << 10} {
			t.Run(fmt.Sprintf("%s, tier of %d bytes", name, tierBytes), func(t *testing.T) {
				reached := true
				for n := 0; reached; n += stride {
					inner := newFS()
					disk := vfstest.NewFaulty(inner, vfstest.FaultyOptions{Plan: plan(n, syscall.EIO)})
					err := faultyStory(t, disk, tierBytes)
					require.True(t, err == nil || errors.Is(err, syscall.EIO), "operation %d: %v", n, err)
					reached = disk.Count() > n
				}
			})
		}
	}
}

// faultyStory reads and writes a backend until the first error, and returns it.
func faultyStory(t *testing.T, fs vfs.FS, tierBytes int64) (err error) {
	o := Options{Options: oneGroup(), FS: fs, tune: inFiles, timersPerGroup: 2, Tier: tierBytes > 0, tierBytes: tierBytes}
	b, err := Create(dir, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	k, err := state.NewKeyed(b, codec.String[string]())
	require.NoError(t, err)
	value, err := state.ValueOf(k, state.ValueDescriptor[string]{Name: "value", Codec: codec.String[string]()})
	if err != nil { // the tree could not be opened
		return err
	}
	list, entries, timers := listOn(t, k), mapOn(t, k), timersOn(t, k)
	const keys, rounds = 8, 12
	next := int64(0)
	for round := range rounds {
		text := fmt.Sprint(round, strings.Repeat("x", 50))
		for key := range keys {
			require.NoError(t, k.SetKey(fmt.Sprint(key)))
			if err := errors.Join(value.Set(text), list.Add(text), entries.Put(text, text)); err != nil {
				return err
			}
			if err := timers.Register(state.EventTime, int64(round*keys+key), nil); err != nil {
				return err
			}
		}
		err := timers.Advance(state.EventTime, int64(round*keys+3), func(timer state.Timer[string]) error {
			require.Equal(t, next, timer.Timestamp)
			next++
			return nil
		})
		if err == nil {
			err = checkFaulty(t, k, value, list, entries, round+1)
		}
		if err == nil {
			err = checkRows(t, b, keys*(2+round+1)+(round+1)*keys-int(next))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkFaulty reads a key after a number of rounds.
func checkFaulty(t *testing.T, k *state.Keyed[string], value state.ValueState[string], list state.ListState[string],
	entries state.MapState[string, string], rounds int) error {
	require.NoError(t, k.SetKey("5"))
	text := fmt.Sprint(rounds-1, strings.Repeat("x", 50))
	got, _, err := value.Get()
	if err != nil {
		return err
	}
	require.Equal(t, text, got)
	elements, err := list.Get()
	if err != nil {
		return err
	}
	require.Len(t, elements, rounds)
	for round := range rounds {
		text := fmt.Sprint(round, strings.Repeat("x", 50))
		got, _, err := entries.Get(text)
		if err != nil {
			return err
		}
		require.Equal(t, text, got)
	}
	n, err := entries.Len()
	if err == nil {
		require.Equal(t, rounds, n)
	}
	return err
}

func checkRows(t *testing.T, b *Backend, want int) error {
	v, err := b.View()
	if err != nil {
		return err
	}
	defer v.Close()
	n := 0
	err = v.Rows(0, func(_, _ []byte) error { n++; return nil })
	if err == nil {
		require.Equal(t, want, n)
	}
	return err
}

// If the disk fails during a restore, by copies or by links, the restore returns an error or the rows
// are right. The snapshot is unchanged and can be restored on another disk.
func TestFailingDiskDuringARestoreLosesNothing(t *testing.T) {
	for name, links := range map[string]bool{"copied": false, "linked": true} {
		for _, failure := range []error{syscall.EIO, syscall.ENOSPC} {
			t.Run(fmt.Sprint(name, " ", failure), func(t *testing.T) {
				mem := newFS()
				task := nativeOn(t, mem, "one", 0, 1, func(o *Options) { o.tune = inFiles })
				for i := range 100 {
					task.set(fmt.Sprint(i), strings.Repeat("x", 400))
				}
				s := newShelf(t, mem)
				h, err := s.save(task, "whole", snapshot.Incremental)
				require.NoError(t, err)
				s.links = links
				failed := 0
				for n := 0; ; n++ {
					var armed atomic.Bool // set when the backend is open
					disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: armedPlan(&armed, vfstest.FailFrom(n, failure))})
					err := restoreOn(t, disk, s, h, &armed)
					if err == nil {
						break
					}
					require.ErrorIs(t, err, failure, "operation %d", n)
					failed++
					require.NoError(t, mem.RemoveAll("broken"))
				}
				require.Greater(t, failed, 10)
				q := nativeOn(t, mem, "two", 0, 1, nil)
				require.NoError(t, q.restore(s, h))
				got, _ := q.get("99")
				require.Len(t, got, 400)
			})
		}
	}
}

// armedPlan is a plan that has no effect before it is armed.
func armedPlan(armed *atomic.Bool, plan vfstest.Plan) vfstest.Plan {
	return func(c vfstest.Call) error {
		if !armed.Load() {
			return nil
		}
		return plan(c)
	}
}

// restoreOn restores on a disk that fails once it is armed.
func restoreOn(t *testing.T, disk vfs.FS, s *shelf, h snapshot.Handle, armed *atomic.Bool) error {
	o := Options{Options: state.Options{Keyspace: state.WholeKeyspace(nativeGroups)}, FS: disk}
	setTier(&o, tierOf(t, "broken"))
	b, err := Create("broken", o)
	require.NoError(t, err)
	k, err := state.NewKeyed(b, codec.String[string]())
	require.NoError(t, err)
	value := valueOn(t, k)
	listOn(t, k)
	armed.Store(true)
	_, err = snapshot.Restore(t.Context(), b, s, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	armed.Store(false)
	if err == nil {
		require.NoError(t, k.SetKey("99"))
		got, _, err := value.Get()
		require.NoError(t, err)
		require.Len(t, got, 400)
	}
	_ = b.Close() // it may fail, as the disk did
	return err
}
