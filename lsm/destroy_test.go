package lsm

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// otherSplit is a Split with another name than WholeKey.
var otherSplit = Split{Name: "other", Func: func(key []byte) int { return len(key) }}

func TestDestroyRemovesOnlyFilesOfTheStore(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := &Options{FS: mem, Log: LogSynced}
	db, err := Open(context.Background(), "store", *o)
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("key"), []byte("value")))
	require.NoError(t, db.Flush(context.Background()))
	require.ErrorIs(t, Destroy("store", *o), ErrLocked)
	crashed := mem.CrashClone(vfstest.CrashOptions{Keep: 1})
	require.NoError(t, db.Close())
	for _, name := range []string{"store/notes", "store/CURRENT.tmp", "store/000009.sst.lost"} {
		f, err := crashed.Create(name)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	err = Destroy("store", Options{FS: crashed})
	require.ErrorIs(t, err, ErrNotStore)
	require.ErrorContains(t, err, "store has an entry notes")
	names, err := crashed.List("store")
	require.NoError(t, err)
	require.Equal(t, []string{"notes"}, names)
	require.NoError(t, crashed.Remove("store/notes"))
	require.NoError(t, Destroy("store", Options{FS: crashed}))
	_, err = crashed.Lstat("store")
	require.Error(t, err)
	require.NoError(t, Destroy("store", Options{FS: crashed}))
}

func TestSplitOfReturnsTheNameOfTheSplit(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	for dir, split := range map[string]Split{"a": WholeKey, "b": otherSplit} {
		db, err := Open(context.Background(), dir, Options{FS: mem, Split: split})
		require.NoError(t, err)
		require.NoError(t, db.Close())
		name, err := SplitOf(context.Background(), dir, Options{FS: mem})
		require.NoError(t, err)
		require.Equal(t, split.Name, name)
	}
	f, err := mem.Create("b/photo.jpg")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = SplitOf(context.Background(), "b", Options{FS: mem})
	require.ErrorIs(t, err, ErrNotStore)
	require.NoError(t, mem.MkdirAll("empty"))
	_, err = SplitOf(context.Background(), "empty", Options{FS: mem})
	require.ErrorIs(t, err, ErrNotStore)
}
