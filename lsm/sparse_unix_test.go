//go:build unix

package lsm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// sparseStore returns the directory of a store after a crash. Its log ends with a hole of nearly
// 1 GiB, the largest tail that a crash may leave.
func sparseStore(t *testing.T) string {
	dir, crashed := t.TempDir(), filepath.Join(t.TempDir(), "crashed")
	db, err := Open(context.Background(), dir, Options{Log: LogSynced})
	require.NoError(t, err)
	for i := range 10 {
		require.NoError(t, db.Put([]byte(fmt.Sprint("key ", i)), []byte("value")))
	}
	require.NoError(t, os.CopyFS(crashed, os.DirFS(dir)))
	require.NoError(t, db.Close())
	require.NoError(t, os.Remove(filepath.Join(crashed, directory.LockName))) // Check must not create a lock file
	logs, err := filepath.Glob(filepath.Join(crashed, "*.log"))
	require.NoError(t, err)
	require.Len(t, logs, 1)
	require.NoError(t, os.Truncate(logs[0], 1<<30))
	f, err := vfs.Real{}.Open(logs[0])
	require.NoError(t, err)
	defer f.Close()
	if vfs.NextData(f, 4<<20, 1<<30) == 4<<20 {
		t.Skip("the file system does not report holes")
	}
	return crashed
}

// Check and Open must skip the hole: its first read takes seconds, since the system fills pages with
// zeros.
func TestNeitherCheckNorOpenReadsTheHoleOfALog(t *testing.T) {
	dir := sparseStore(t)
	disk := vfstest.NewFaulty(vfs.Real{}, vfstest.FaultyOptions{})
	o := &Options{Log: LogSynced, FS: disk}
	_, err := Check(t.Context(), dir, *o)
	require.NoError(t, err)
	require.LessOrEqual(t, disk.Count(vfstest.OpReadAt), 20)

	db, err := Open(context.Background(), dir, *o)
	require.NoError(t, err)
	require.LessOrEqual(t, disk.Count(vfstest.OpReadAt), 60)
	value, found, err := db.Get([]byte("key 9"), nil)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "value", string(value))
	require.NoError(t, db.Close())
}

// After its context ends, Check begins at most one more read.
func TestCheckStopsWhenItsContextEnds(t *testing.T) {
	enough := errors.New("cancelled by the test")
	dir := sparseStore(t)
	count := vfstest.NewFaulty(vfs.Real{}, vfstest.FaultyOptions{})
	_, err := Check(t.Context(), dir, Options{FS: count})
	require.NoError(t, err)
	for last := int64(1); last < int64(count.Count(vfstest.OpReadAt)); last++ {
		ctx, cancel := context.WithCancelCause(t.Context())
		var reads atomic.Int64
		disk := vfstest.NewFaulty(vfs.Real{}, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
			if c.Op == vfstest.OpReadAt && reads.Add(1) == last {
				cancel(enough)
			}
			return nil
		}})
		_, err := Check(ctx, dir, Options{FS: disk})
		require.ErrorIs(t, err, enough, "after read %d", last)
		require.LessOrEqual(t, reads.Load(), last+1)
	}
}
