package lsm

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs/vfstest"
)

// If the newest entry is an append in memory, Has does not read the older entries on the disk. It
// allocates nothing, and succeeds for values above the limit.
func TestHasStopsAtTheNewestEntry(t *testing.T) {
	disk := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{})
	db, err := Open(context.Background(), "db", Options{FS: disk, Budget: storyBudget(t), Picker: idle{}, MaxValueSize: 100})
	require.NoError(t, err)
	key := []byte("key")
	for range 3 {
		require.NoError(t, db.Append(key, bytes.Repeat([]byte("v"), 90)))
		require.NoError(t, db.Flush(context.Background()))
	}
	require.NoError(t, db.Append(key, []byte("newest")))
	reads := disk.Count(vfstest.OpReadAt)
	allocs := testing.AllocsPerRun(10, func() {
		found, err := db.Has(key)
		require.NoError(t, err)
		require.True(t, found)
	})
	if !modelUnderRace {
		require.Zero(t, allocs)
	}
	require.Equal(t, reads, disk.Count(vfstest.OpReadAt))
	_, _, err = db.Get(key, nil)
	require.ErrorIs(t, err, ErrTooLarge)
	require.Greater(t, disk.Count(vfstest.OpReadAt), reads, "Get must read the older entries")
	require.NoError(t, db.Delete(key))
	found, err := db.Has(key)
	require.NoError(t, err)
	require.False(t, found)
	require.NoError(t, db.Close())
}

func TestExistenceLookupEndsAtTheFirstEntry(t *testing.T) {
	var l run.Lookup
	l.OnlyExistence()
	require.True(t, l.AddTransient(run.Append, []byte("v")), "an append must end the lookup")
	require.True(t, l.Exists())
	l.Reset()
	require.False(t, l.AddTransient(run.Append, []byte("v")))
}
