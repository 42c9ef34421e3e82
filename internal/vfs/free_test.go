package vfs

import (
	"errors"
	"math"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFreeBytesOfMemIsItsLimitLessAllFiles(t *testing.T) {
	m := NewMem(MemOptions{MaxBytes: 100})
	f, err := m.Create("a")
	require.NoError(t, err)
	_, err = f.Write(make([]byte, 70))
	require.NoError(t, err)
	free, err := m.FreeBytes("/")
	require.NoError(t, err)
	require.EqualValues(t, 30, free)
	free, err = m.CrashClone(keepNothing).FreeBytes("/")
	require.NoError(t, err)
	require.EqualValues(t, 100, free, "the name was lost")
	free, err = NewMem(MemOptions{}).FreeBytes("/")
	require.NoError(t, err)
	require.EqualValues(t, int64(math.MaxInt64), free)
}

func TestFreeBytesOfTheSystem(t *testing.T) {
	free, err := Real{}.FreeBytes(t.TempDir())
	if errors.Is(err, errors.ErrUnsupported) {
		return // the documented answer where the system cannot say
	}
	require.NoError(t, err)
	require.Positive(t, free)
	_, err = Real{}.FreeBytes(filepath.Join(t.TempDir(), "none"))
	require.Error(t, err)
}

func TestSaturateNeverOverflows(t *testing.T) {
	require.EqualValues(t, 12, saturate(3, 4))
	require.EqualValues(t, int64(math.MaxInt64), saturate(1<<62, 4096))
	require.Zero(t, saturate(math.MaxUint64-7, 4096), "below zero")
}

// A SyncDir that could not open the directory gives nothing up; one that could not
// sync it does, and says so.
func TestSyncDirTellsWhatWasNotOpenedFromWhatWasNotSynced(t *testing.T) {
	for _, c := range []struct {
		err, cause error
		final      bool
	}{{syscall.EIO, syscall.EIO, true}, {NotOpened(syscall.EMFILE), syscall.EMFILE, false}} {
		m := NewMem(MemOptions{})
		faulty := NewFaulty(m, FaultyOptions{Plan: FailNth(0, c.err, OpSyncDir)})
		writeFile(t, faulty, "a", "1")
		err := faulty.SyncDir("/")
		require.ErrorIs(t, err, c.cause)
		require.Equal(t, c.final, errors.Is(err, ErrUnsynced), "%v", err)
		require.NoError(t, faulty.SyncDir("/"))
		_, kept := tree(t, m.CrashClone(keepNothing))["a"]
		require.Equal(t, !c.final, kept)
	}
}
