package wal

import (
	"bytes"
	"context"
	"io/fs"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

func TestRecordAboveTheLimitIsRefused(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	w, err := Create(mem, logName, Options{MaxRecordBytes: 10})
	require.NoError(t, err)
	_, err = w.Append(make([]byte, 6), make([]byte, 5))
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorContains(t, err, "11 bytes, limit 10")
	require.EqualValues(t, headerBytes, w.Size())
	_, err = w.Append(make([]byte, 6), make([]byte, 4))
	require.NoError(t, err)
	require.NoError(t, w.Close(true))
	records, _, _, err := read(mem)
	require.NoError(t, err)
	require.Len(t, records, 1)
}

func TestSyncBeyondTheEndIsRefused(t *testing.T) {
	w, err := Create(vfstest.NewMem(vfstest.MemOptions{}), logName, Options{})
	require.NoError(t, err)
	require.ErrorIs(t, w.SyncTo(w.Size()+1), ErrPosition)
	require.NoError(t, w.SyncTo(w.Size()))
	require.NoError(t, w.SyncTo(-1))
	require.NoError(t, w.Close(false))
}

func TestClosedLogRefusesCalls(t *testing.T) {
	for _, clean := range []bool{false, true} {
		w, err := Create(vfstest.NewMem(vfstest.MemOptions{}), logName, Options{})
		require.NoError(t, err)
		require.NoError(t, w.Close(clean))
		_, err = w.Append(nil)
		require.ErrorIs(t, err, fs.ErrClosed)
		require.ErrorIs(t, w.Flush(), fs.ErrClosed)
		require.ErrorIs(t, w.SyncTo(0), fs.ErrClosed)
		require.NoError(t, w.Close(clean))
	}
}

func TestCreateDoesNotOverwriteALog(t *testing.T) {
	mem := memOf(t, []byte("a log"))
	_, err := Create(mem, logName, Options{})
	require.ErrorIs(t, err, fs.ErrExist)
	require.Equal(t, "a log", string(content(t, mem)))
}

// A read of a record that spans many frames allocates memory for the record and for the smaller
// buffers from which the record grew.
func TestLargeRecordUsesBoundedMemory(t *testing.T) {
	const size = 40 << 20
	mem := vfstest.NewMem(vfstest.MemOptions{})
	w, err := Create(mem, logName, Options{})
	require.NoError(t, err)
	record := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	_, err = w.Append(record[:1<<20], record[1<<20:])
	require.NoError(t, err)
	require.NoError(t, w.Close(true))
	before := allocatedBytes()
	_, err = Read(context.Background(), mem, logName, func(got []byte, end int64) error {
		require.True(t, bytes.Equal(record, got))
		return nil
	})
	require.NoError(t, err)
	require.Less(t, allocatedBytes()-before, uint64(8*size))
}

func allocatedBytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
