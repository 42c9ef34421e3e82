package lsm

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// partitionedOptions returns options with partitions of one byte and no compactions.
func partitionedOptions(mem vfs.FS) *Options {
	return &Options{FS: mem, PartitionBytes: 1, Split: modelSplits[2], Picker: idle{}, BudgetBytes: 4 << 20}
}

// describedStore opens a store and flushes one run for each key.
func describedStore(t *testing.T, o *Options, dir string, keys ...string) *DB {
	db, err := Open(context.Background(), dir, *o)
	require.NoError(t, err)
	for _, key := range keys {
		flushed(t, db, db.Append([]byte(key), []byte("x")), db.Append([]byte(keys[0]), []byte("y")))
	}
	return db
}

// pinnedTables returns the tables of the current state; they stay on disk until Close.
func pinnedTables(t *testing.T, db *DB) *Tables {
	v, err := db.View()
	require.NoError(t, err)
	tables, err := v.Tables(t.Context())
	require.NoError(t, err)
	require.NoError(t, v.Close())
	return tables
}

func TestRestoreFromADescriptionAndFiles(t *testing.T) {
	o := partitionedOptions(vfstest.NewMem(vfstest.MemOptions{}))
	db := describedStore(t, o, "db", "aa", "bb", "cc")
	require.NoError(t, db.Put([]byte("dd"), []byte("in memory")))
	tables := pinnedTables(t, db)
	require.NoError(t, db.Put([]byte("ee"), []byte("later")))
	d, err := ParseDescription(tables.Describe())
	require.NoError(t, err)
	require.ElementsMatch(t, tables.List(), d.Tables(nil, nil))
	require.Len(t, tables.List(), 4)

	var asked []uint64
	part := Part{To: []byte("d"), Description: d, Table: func(number uint64) string {
		asked = append(asked, number)
		return filepath.Join("db", fmt.Sprintf("%06d.sst", number))
	}}
	require.NoError(t, Restore(t.Context(), "to", []Part{part}, *o))
	var want []uint64
	for _, f := range d.Tables(nil, []byte("d")) {
		want = append(want, f.Number)
	}
	require.Equal(t, want, asked)
	require.Len(t, want, 3)
	require.NoError(t, tables.Close())
	require.NoError(t, db.Close())

	db, err = Open(context.Background(), "to", *o)
	require.NoError(t, err)
	requireContent(t, db, map[string]string{"aa": "xyyy", "bb": "x", "cc": "x"})
	require.NoError(t, db.Close())
}

func TestPinnedTablesStayOnDiskUntilClose(t *testing.T) {
	o := partitionedOptions(vfstest.NewMem(vfstest.MemOptions{}))
	db := describedStore(t, o, "db", "aa", "bb", "cc")
	tables := pinnedTables(t, db)
	require.NoError(t, db.Compact(context.Background()))
	for _, table := range tables.List() {
		f, err := tables.Open(table.Number)
		require.NoError(t, err)
		size, err := f.Size()
		require.NoError(t, err)
		require.Equal(t, table.Bytes, size)
		require.NoError(t, f.Close())
	}
	require.NoError(t, tables.Close())
	require.NoError(t, db.Close())
}

// A store that is split and joined many times, as by a job that changes its parallelism for years,
// must not run out of run numbers.
func TestRepeatedRestoresDoNotUseUpRunNumbers(t *testing.T) {
	o := partitionedOptions(vfstest.NewMem(vfstest.MemOptions{}))
	db := describedStore(t, o, "0", "aa", "bb", "cc")
	require.NoError(t, db.Close())
	for i := range 80 {
		from, to := fmt.Sprint(i), fmt.Sprint(i+1)
		parts := []Part{{Dir: from, To: []byte("b")}, {Dir: from, From: []byte("b")}}
		require.NoError(t, Restore(t.Context(), to, parts, *o), "round %d", i)
		c, _, err := manifest.Read(context.Background(), o.FS, to)
		require.NoError(t, err)
		require.EqualValues(t, 5, c.Flushed) // two of the three runs are in both parts
		require.Len(t, c.Tables, 5)
	}
	db, err := Open(context.Background(), "80", *o)
	require.NoError(t, err)
	requireContent(t, db, map[string]string{"aa": "xyyy", "bb": "x", "cc": "x"})
	require.NoError(t, db.Close())
}

func TestInvalidDescriptionsAreRefused(t *testing.T) {
	o := partitionedOptions(vfstest.NewMem(vfstest.MemOptions{}))
	db := describedStore(t, o, "db", "aa", "bb")
	tables := pinnedTables(t, db)
	whole := tables.Describe()
	require.NoError(t, tables.Close())
	require.NoError(t, db.Close())
	for n := range whole {
		_, err := ParseDescription(whole[:n])
		require.ErrorIs(t, err, ErrCorrupt, "%d bytes", n)
	}
	for name, change := range map[string]func(*manifest.Edit){
		"not a first edit": func(e *manifest.Edit) { e.First = false },
		"needs a log":      func(e *manifest.Edit) { e.FirstLog = e.NextFile - 1 },
		"number too high":  func(e *manifest.Edit) { e.NextFile, e.FirstLog = manifest.MaxFileNumber, manifest.MaxFileNumber },
		"unflushed run":    func(e *manifest.Edit) { e.Added[0].Meta.Run = e.Flushed + 1 },
		"removes a table":  func(e *manifest.Edit) { e.Removed = []manifest.Location{{Level: 0, Number: 1}} },
	} {
		e, err := manifest.DecodeEdit(whole)
		require.NoError(t, err)
		change(e)
		_, err = ParseDescription(e.Encode())
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}

func TestTablesStopsWaitingWhenTheContextEnds(t *testing.T) {
	db, err := Open(context.Background(), "db", *partitionedOptions(vfstest.NewMem(vfstest.MemOptions{})))
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("aa"), []byte("x")))
	db.manifest.Lock() // blocks the flusher
	v, err := db.View()
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() {
		_, err := v.Tables(ctx)
		ended <- err
	}()
	cancel(errWrongState)
	require.ErrorIs(t, <-ended, errWrongState)
	db.manifest.Unlock()
	require.NoError(t, v.Close())
	require.NoError(t, db.Close())
}
