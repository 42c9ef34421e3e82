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
	opened map[string]int // how often, by base name
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
	return &countedFile{File: f, of: c}, nil
}

type countedFile struct {
	vfs.File
	of   *countingFS
	once sync.Once
}

func (f *countedFile) Close() error {
	f.once.Do(func() { f.of.open.Add(-1) })
	return f.File.Close()
}

// manyTables makes a store whose level 0 has so many tables, which overlap.
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

// All tables of a store were open as long as the store.
func TestOpenTablesAreBounded(t *testing.T) {
	const tables, most = 60, 7
	fsys := &countingFS{FS: vfstest.NewMem(vfstest.MemOptions{})}
	o := &Options{FS: fsys, BudgetBytes: 4 << 20, MaxOpenFiles: most}
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
	// One more for a moment, and one that a flush has opened while the owner had the lock.
	require.LessOrEqual(t, fsys.peak.Load(), int64(most+2))
	require.Equal(t, most, db.o.Budget.handles.OpenTables())

	require.NoError(t, db.Close())
	require.Zero(t, fsys.open.Load())
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	read()
	require.LessOrEqual(t, fsys.peak.Load(), int64(most+2))

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
	require.LessOrEqual(t, fsys.open.Load(), int64(most))

	require.NoError(t, db.Compact(context.Background()))
	waitForTables(t, db, 1)
	require.LessOrEqual(t, fsys.open.Load(), int64(1))
	read()
	require.NoError(t, db.Close())
	require.Zero(t, fsys.open.Load())
}

// A table that is used again and again is not opened again and again.
func TestTableInUseStaysOpen(t *testing.T) {
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

// Indexes and filters of all tables were in memory, whatever the budget.
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
	// During writes there are up to three memtables of a quarter of the budget in addition.
	require.LessOrEqual(t, db.o.Budget.slabs.Peak(), int64(2*limit))
	require.LessOrEqual(t, db.o.Budget.Used(), int64(limit+limit/8))
	require.NoError(t, db.Close())
	require.Zero(t, db.o.Budget.Used())
}

// A table that cannot be opened again is an error of the read, and nothing else.
func TestTableThatCannotBeOpenedAgainIsAnErrorOfTheRead(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db := manyTables(t, &Options{FS: mem, BudgetBytes: 4 << 20, MaxOpenFiles: 1}, 3)
	_, _, err := db.Get([]byte("k:002"), nil)
	require.NoError(t, err)
	oldest := db.dir.Join(directory.TableName(treeOf(db).Levels[0][2].Number))
	require.NoError(t, mem.Rename(oldest, oldest+".away"))
	for range 2 {
		_, _, err = db.Get([]byte("k:000"), nil)
		require.ErrorIs(t, err, ErrCorrupt)
		var of *TableError
		require.ErrorAs(t, err, &of)
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

func TestOpenFilesOfASharedBudgetAreLimitedThere(t *testing.T) {
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

// Check, and an Open that failed, closed tables without the lock that other stores of the
// budget take to close them: both did, and the process ended.
func TestTablesAreClosedOnceAlthoughOtherStoresNeedTheirPlaces(t *testing.T) {
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
