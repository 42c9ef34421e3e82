package sstable

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

var errDisk = errors.New("disk")

// Each operation of the file fails in turn. The reader must return its error and no wrong result.
func TestReadErrorsAreReturned(t *testing.T) {
	m := damagedModel(S2)
	o := damagedOptions
	o.Compression = S2
	data, _ := written(t, m, o)
	for _, cached := range []bool{false, true} {
		for n := 1; ; n++ {
			budget := slab.NewBudget(0)
			r := ReaderOptions{Split: m.split, Budget: budget, Lock: newCacheLock()}
			var cache *Cache
			if cached {
				cache = NewCache(budget, 512)
				r.Cache = cache
			}
			disk := vfstest.NewMem(vfstest.MemOptions{})
			f, err := disk.Create("table")
			require.NoError(t, err)
			_, err = f.Write(data)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			faulty := vfstest.NewFaulty(disk, vfstest.FaultyOptions{Plan: vfstest.FailNth(n, errDisk, vfstest.OpReadAt, vfstest.OpSize)})
			f, err = faulty.Open("table")
			require.NoError(t, err)
			failures := readAll(t, f, &m, r)
			if cached {
				cache.Close()
			}
			require.Zero(t, budget.Used())
			if failures == 0 {
				require.Greater(t, n, 20)
				break
			}
			require.Equal(t, 1, failures)
		}
	}
}

// readAll reads all entries of a file in each way, and returns the number of failed calls.
func readAll(t *testing.T, f vfs.File, m *model, o ReaderOptions) (failures int) {
	failed := func(err error) bool {
		if err != nil {
			require.ErrorIs(t, err, errDisk)
			require.NotErrorIs(t, err, ErrCorrupt)
			failures++
		}
		return err != nil
	}
	table, err := Open(f, o)
	if failed(err) {
		_, err := f.Size()
		require.Error(t, err, "Open must close the file after an error")
		return failures
	}
	for _, key := range keysOf(m) {
		var p run.LookupKey
		var found run.Lookup
		m.split.Prepare(&p, key)
		last, err := table.Get(&p, &found)
		if failed(err) {
			continue
		}
		kind, want, wantLast := m.get(key)
		require.Equal(t, wantLast, last)
		require.Equal(t, kind.HasValue(), found.Exists())
		if value, err := found.AppendTo(nil); !failed(err) {
			require.Equal(t, len(want), len(value))
		}
		_, err = table.Hides(&p)
		failed(err)
	}
	for _, io := range []IteratorOptions{{}, {Cached: true}, {Readahead: 300}} {
		it := table.Iterator(io)
		n := 0
		for ; it.Next(); n++ {
			_, err := it.Entry().Value.AppendTo(nil)
			failed(err)
		}
		if !failed(it.Err()) {
			require.Equal(t, len(m.entries), n)
		} else {
			require.False(t, it.Seek(nil))
		}
	}
	failed(table.Verify(t.Context(), nil))
	require.NoError(t, table.Close())
	return failures
}

// After a failed write, all later calls of the writer return its error.
func TestWriteErrorsAreReturned(t *testing.T) {
	m := damagedModel(None)
	m.entries[1].Value.Bytes = make([]byte, 3*writeBytes)
	for n := 1; ; n++ {
		faulty := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{Plan: vfstest.FailNth(n, errDisk, vfstest.OpWrite, vfstest.OpSync)})
		f, err := faulty.Create("table")
		require.NoError(t, err)
		w := NewWriter(f, WriterOptions{Split: m.split})
		for i := range m.entries {
			if err = w.Add(&m.entries[i]); err != nil {
				require.ErrorIs(t, err, errDisk)
				require.ErrorIs(t, w.AddRange(run.Range{}), errDisk)
			}
		}
		_, err = w.Finish()
		if err == nil {
			require.Greater(t, n, 3)
			break
		}
		require.ErrorIs(t, err, errDisk)
		_, again := w.Finish()
		require.ErrorIs(t, again, errDisk)
	}
}
