package lsmstate

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/vfs"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

var faultStride = flag.Int("lsmstate.faultstride", 17, "after how many operations of the disk the next one fails")

// An operation of the disk that fails is an error of some call or of none, and never
// a wrong answer.
func TestADiskThatFailsMakesErrorsAndNoWrongAnswers(t *testing.T) {
	for name, plan := range map[string]func(int, error, ...vfs.Op) vfs.Plan{"once": vfs.FailNth, "for ever": vfs.FailFrom} {
		t.Run(name, func(t *testing.T) {
			reached := true
			for n := 0; reached; n += *faultStride {
				inner := newFS()
				disk := vfs.NewFaulty(inner, vfs.FaultyOptions{Plan: plan(n, syscall.EIO)})
				err := faultyStory(t, disk)
				require.True(t, err == nil || errors.Is(err, syscall.EIO), "operation %d: %v", n, err)
				reached = disk.Count() > n
			}
		})
	}
}

// faultyStory works on a backend until the first error, which it returns.
func faultyStory(t *testing.T, fs vfs.FS) (err error) {
	o := Options{Options: oneGroup(), FS: fs, tune: inFiles, knownOfGroup: 2}
	b, err := Open(dir, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	k, err := state.NewKeyed(b, codec.String[string]())
	require.NoError(t, err)
	value, list, entries, timers := valueOn(t, k), listOn(t, k), mapOn(t, k), timersOn(t, k)
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

// checkFaulty reads one key after so many rounds.
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
	defer v.Release()
	n := 0
	err = v.Rows(0, func(_, _ []byte) error { n++; return nil })
	if err == nil {
		require.Equal(t, want, n)
	}
	return err
}
