package lsm

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// countingFS counts the tables that are open for reading.
type countingFS struct {
	vfs.FS
	open, peak atomic.Int64

	mu     sync.Mutex
	opened map[string]int // number of opens by base name
}

func (c *countingFS) Open(name string) (vfs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil || !strings.HasSuffix(filepath.Base(name), directory.TableSuffix) {
		return f, err
	}
	c.mu.Lock()
	if c.opened == nil {
		c.opened = make(map[string]int)
	}
	c.opened[filepath.Base(name)]++
	c.mu.Unlock()
	n := c.open.Add(1)
	for p := c.peak.Load(); n > p && !c.peak.CompareAndSwap(p, n); p = c.peak.Load() {
	}
	return &countedFile{File: f, fs: c}, nil
}

type countedFile struct {
	vfs.File
	fs   *countingFS
	once sync.Once
}

func (f *countedFile) Close() error {
	f.once.Do(func() { f.fs.open.Add(-1) })
	return f.File.Close()
}

// manyTables makes a store with a number of overlapping tables in level 0.
func manyTables(t *testing.T, o *Options, tables int) *DB {
	t.Helper()
	o.Picker, o.Split = idle{}, colon
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	for i := range tables {
		require.NoError(t, db.Append([]byte("a:all"), []byte{byte(i)}))
		require.NoError(t, db.Put(fmt.Appendf(nil, "k:%03d", i), fmt.Appendf(nil, "value %d", i)))
		require.NoError(t, db.Flush(context.Background()))
	}
	return db
}

// Regression test: a store kept all its tables open.
func TestOpenTablesAreBounded(t *testing.T) {
	const tables, maxOpen = 60, 7
	fsys := &countingFS{FS: vfstest.NewMem(vfstest.MemOptions{})}
	o := &Options{FS: fsys, BudgetBytes: 4 << 20, MaxOpenFiles: maxOpen}
	db := manyTables(t, o, tables)
	read := func() {
		for i := range tables {
			value, found, err := db.Get(fmt.Appendf(nil, "k:%03d", i), nil)
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, fmt.Sprintf("value %d", i), string(value))
		}
		value, _, err := db.Get([]byte("a:all"), nil) // a piece in each table
		require.NoError(t, err)
		require.Len(t, value, tables)
		for i, b := range value {
			require.Equal(t, byte(i), b)
		}
	}
	read()
	// A read may exceed the limit by the table that it opens, and a flush by its new table.
	require.LessOrEqual(t, fsys.peak.Load(), int64(maxOpen+2))
	require.Equal(t, maxOpen, db.o.Budget.handles.OpenTables())

	require.NoError(t, db.Close())
	require.Zero(t, fsys.open.Load())
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	read()
	require.LessOrEqual(t, fsys.peak.Load(), int64(maxOpen+2))

	// Tables of an iterator stay open.
	it, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	require.True(t, it.Next())
	require.Equal(t, int64(tables), fsys.open.Load())
	read()
	n := 1
	for it.Next() {
		n++
	}
	require.Equal(t, tables+1, n)
	require.NoError(t, it.Close())
	read()
	require.LessOrEqual(t, fsys.open.Load(), int64(maxOpen))

	require.NoError(t, db.Compact(context.Background()))
	waitForTables(t, db, 1)
	require.LessOrEqual(t, fsys.open.Load(), int64(1))
	read()
	require.NoError(t, db.Close())
	require.Zero(t, fsys.open.Load())
}

// A table that is read often stays open, although other tables need its place.
func TestFrequentlyReadTableStaysOpen(t *testing.T) {
	fsys := &countingFS{FS: vfstest.NewMem(vfstest.MemOptions{})}
	db, err := Open(context.Background(), "db", Options{FS: fsys, BudgetBytes: 4 << 20, MaxOpenFiles: 3, Picker: idle{}})
	require.NoError(t, err)
	keys := []string{"a", "b", "c", "d", "e"}
	for _, key := range keys {
		require.NoError(t, db.Put([]byte(key), nil))
		require.NoError(t, db.Flush(context.Background()))
	}
	for i := range 200 {
		for _, key := range []string{"a", keys[1+i%4]} {
			_, found, err := db.Get([]byte(key), nil)
			require.NoError(t, err)
			require.True(t, found)
		}
	}
	files := treeOf(db).Levels[0]
	require.LessOrEqual(t, fsys.opened[directory.TableName(files[4].Number)], 3)
	require.Greater(t, fsys.opened[directory.TableName(files[0].Number)], 20)
	require.NoError(t, db.Close())
}

// Regression test: the indexes and filters of all tables were in memory, regardless of the budget.
func TestIndexesAndFiltersKeepWithinTheBudget(t *testing.T) {
	density.InCampaigns(t)
	const limit = 4 << 20
	db, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{}), BudgetBytes: limit, FileBytes: 64 << 10, FilterBits: 64, BlockBytes: 512, MemtableBytes: 1 << 20})
	require.NoError(t, err)
	const keys = 600_000 // 4.8 MB of filters
	for i := range keys {
		require.NoError(t, db.Put(fmt.Appendf(nil, "%07d", i*7919%keys), nil))
	}
	require.NoError(t, db.Flush(context.Background()))
	for i := 0; i < keys; i += 101 {
		_, found, err := db.Get(fmt.Appendf(nil, "%07d", i), nil)
		require.NoError(t, err)
		require.True(t, found)
	}
	// During writes, up to three memtables of 1/4 of the budget are in memory too.
	require.LessOrEqual(t, db.o.Budget.slabs.Peak(), int64(2*limit))
	require.LessOrEqual(t, db.o.Budget.Used(), int64(limit+limit/8))
	require.NoError(t, db.Close())
	require.Zero(t, db.o.Budget.Used())
}

// If a table cannot be reopened, only the read fails. A later read succeeds when the file is back.
func TestTableThatCannotBeReopenedFailsOnlyTheRead(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db := manyTables(t, &Options{FS: mem, BudgetBytes: 4 << 20, MaxOpenFiles: 1}, 3)
	_, _, err := db.Get([]byte("k:002"), nil)
	require.NoError(t, err)
	oldest := db.dir.Join(directory.TableName(treeOf(db).Levels[0][2].Number))
	require.NoError(t, mem.Rename(oldest, oldest+".away"))
	for range 2 {
		_, _, err = db.Get([]byte("k:000"), nil)
		require.ErrorIs(t, err, ErrCorrupt)
		var tableErr *TableError
		require.ErrorAs(t, err, &tableErr)
	}
	it, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	require.False(t, it.Next())
	require.ErrorIs(t, it.Err(), ErrCorrupt)
	require.NoError(t, it.Close())
	require.NoError(t, mem.Rename(oldest+".away", oldest))
	_, found, err := db.Get([]byte("k:000"), nil)
	require.NoError(t, err)
	require.True(t, found)
	require.NoError(t, db.Close())
}

func TestSharedBudgetLimitsOpenFilesOfAllStores(t *testing.T) {
	_, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{}), Budget: goldenBudget(t), MaxOpenFiles: 3})
	require.ErrorIs(t, err, ErrInvalidOption)
	_, err = Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{}), MaxOpenFiles: -1})
	require.ErrorIs(t, err, ErrInvalidOption)

	fsys := &countingFS{FS: vfstest.NewMem(vfstest.MemOptions{})}
	budget := NewBudget(4 << 20)
	budget.LimitOpenFiles(5)
	var open []*DB
	for i := range 8 {
		db, err := Open(context.Background(), fmt.Sprint("db", i), Options{FS: fsys, Budget: budget, Picker: idle{}})
		require.NoError(t, err)
		open = append(open, db)
		for n := range 4 {
			require.NoError(t, db.Put([]byte{byte(n)}, []byte{byte(i)}))
			require.NoError(t, db.Flush(context.Background()))
		}
	}
	for range 3 {
		for i, db := range open {
			for n := range 4 {
				value, _, err := db.Get([]byte{byte(n)}, nil)
				require.NoError(t, err)
				require.Equal(t, []byte{byte(i)}, value)
			}
		}
	}
	require.LessOrEqual(t, fsys.peak.Load(), int64(6))
	for _, db := range open {
		require.NoError(t, db.Close())
	}
	require.NoError(t, budget.Close())
}

// Regression test: Check and a failed Open closed tables without the lock that other stores of the budget
// hold to close them. Some tables were closed twice, and the process crashed.
func TestTablesAreClosedOnceWhenOtherStoresEvictThem(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	require.NoError(t, manyTables(t, &Options{FS: mem, BudgetBytes: 4 << 20}, 60).Close())
	b := NewBudget(4 << 20)
	b.LimitOpenFiles(30)
	o := &Options{FS: mem, Budget: b, Split: colon}
	other := manyTables(t, &Options{FS: vfstest.NewMem(vfstest.MemOptions{}), Budget: b}, 60)
	var ended atomic.Bool
	var group sync.WaitGroup
	group.Go(func() {
		for i := 0; !ended.Load(); i++ {
			_, _, err := other.Get(fmt.Appendf(nil, "k:%03d", i%60), nil)
			require.NoError(t, err)
		}
	})
	for range 30 {
		_, err := Check(t.Context(), "db", *o)
		require.NoError(t, err)
	}
	ended.Store(true)
	group.Wait()
	require.NoError(t, other.Close())
	require.NoError(t, b.Close())
}
