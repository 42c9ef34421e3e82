package lsm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// callingOnTableCreate returns a disk that calls the function in do once, before the next table is
// created, on the goroutine that creates the table.
func callingOnTableCreate(mem *vfstest.Mem) (disk vfs.FS, do *atomic.Pointer[func()]) {
	do = new(atomic.Pointer[func()])
	return vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
		if c.Op == vfstest.OpCreate && strings.HasSuffix(c.Name, directory.TableSuffix) {
			if f := do.Swap(nil); f != nil {
				(*f)()
			}
		}
		return nil
	}}), do
}

// oncePicker returns the stored pick once.
type oncePicker struct{ pick atomic.Pointer[Pick] }

func (p *oncePicker) Pick(Shape) *Pick { return p.pick.Swap(nil) }

// badger#2310, rocksdb 6.11: a deleted key came back, because the collector of old values raced
// with a compaction, or two compactions had the same inputs. Protection: each compaction holds
// compactor.running, and tables that are added to level 0 during a compaction are not inputs. The
// test fails if Compact or the worker does not hold the lock.
func TestBug29KeysDeletedDuringACompactionStayDeleted(t *testing.T) {
	for _, by := range []string{"Compact", "the worker"} {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		disk, do := callingOnTableCreate(mem)
		picker := &oncePicker{}
		o := Options{FS: disk, Budget: goldenBudget(t), Picker: picker}
		db, err := Open(context.Background(), "db", o)
		require.NoError(t, err)
		putAll(t, db, "a", "b", "c")
		flushed(t, db)
		putAll(t, db, "b")
		flushed(t, db)
		waitUntilIdle(t, db)
		locked := false
		deleteDuring := func() {
			locked = len(db.compactor.running) == 1
			err = errors.Join(db.Delete([]byte("b")), db.Flush(context.Background()), db.Delete([]byte("c")), db.Seal())
		}
		do.Store(&deleteDuring)
		if by == "Compact" {
			require.NoError(t, db.Compact(context.Background()))
		} else {
			pick := Pick{To: 2}
			for _, f := range treeOf(db).Levels[0] {
				pick.Files = append(pick.Files, f.Number)
			}
			picker.pick.Store(&pick)
			db.compactor.wake()
			waitUntilIdle(t, db)
		}
		require.NoError(t, err)
		require.True(t, locked, "%s does not hold the lock", by)
		require.Nil(t, do.Load())
		for range 2 {
			requireContent(t, db, map[string]string{"a": "of a"})
			require.NoError(t, db.Close())
			db, err = Open(context.Background(), "db", o)
			require.NoError(t, err)
			requireContent(t, db, map[string]string{"a": "of a"})
			require.NoError(t, db.Compact(context.Background()))
		}
		require.NoError(t, db.Close())
	}
}

// A compaction that contains a tombstone, but not the older entries that it hides, must keep the
// tombstone. Protection: a tombstone is dropped only if compaction.older has no entry for it. The
// test fails if compaction.older omits level 0 or the lower levels.
func TestBug29TombstonesAreDroppedWithTheKeysTheyDelete(t *testing.T) {
	for name, remove := range map[string]func(db *DB) error{
		"delete":        func(db *DB) error { return db.Delete([]byte("b/1")) },
		"delete prefix": func(db *DB) error { return db.DeletePrefix([]byte("b/")) },
		"delete range":  func(db *DB) error { return db.DeleteRange([]byte("b"), []byte("c")) },
	} {
		for below := range 4 {
			for to := range below + 1 {
				db := memoryStore(t, Options{Budget: goldenBudget(t), Picker: idle{}, Split: modelSplits[2], PartitionBytes: 1})
				putAll(t, db, "a/1", "b/1")
				flushed(t, db)
				if below > 0 {
					compactLevels(t, db, below, 0)
				}
				flushed(t, db, remove(db))
				flushed(t, db, db.Put([]byte("d/1"), nil))
				if below > 0 && to < below {
					compactLevels(t, db, to, 0)
				} else if below == 0 {
					compactRuns(t, db, 0, 1)
				}
				requireContent(t, db, map[string]string{"a/1": "of a/1", "d/1": ""})
				require.NoError(t, db.Compact(context.Background()), "%s, %d, %d", name, below, to)
				requireContent(t, db, map[string]string{"a/1": "of a/1", "d/1": ""})
			}
		}
	}
}

// compactRuns compacts the tables at the given indexes of level 0 into one run of level 0.
func compactRuns(t *testing.T, db *DB, indexes ...int) {
	t.Helper()
	db.compactor.running.Lock()
	defer db.compactor.running.Unlock()
	now := treeOf(db)
	pick := Pick{To: 0}
	for _, at := range indexes {
		pick.Files = append(pick.Files, now.Levels[0][at].Number)
	}
	require.NoError(t, db.compact(now, pick))
}

// cockroach#102176, rocksdb 7.10.0: tables of level 0 were in the wrong order, so reads found an old
// entry or an old tombstone instead of a newer one. Protection: SortLevel orders level 0 by the
// newest run in each table, and compactions keep that run number. The test fails if SortLevel orders
// by file number.
func TestBug32Level0IsInTheOrderOfRuns(t *testing.T) {
	writes := []func(db *DB) error{
		func(db *DB) error { return db.Put([]byte("k"), []byte("0")) },
		func(db *DB) error { return db.Delete([]byte("k")) },
		func(db *DB) error { return db.Put([]byte("k"), make([]byte, storyLarge)) }, // stored in its own file
		func(db *DB) error { return db.Put([]byte("k"), []byte("3")) },
		func(db *DB) error { return db.Append([]byte("k"), []byte("4")) },
	}
	for last := 1; last <= len(writes); last++ {
		for from := range last {
			for to := from + 2; to <= last; to++ {
				mem := vfstest.NewMem(vfstest.MemOptions{})
				o := Options{FS: mem, Budget: storyBudget(t), Picker: idle{}, Log: LogSynced}
				db, err := Open(context.Background(), "db", o)
				require.NoError(t, err)
				for i := range last {
					flushed(t, db, db.Put([]byte("other"), fmt.Append(nil, i)), writes[i](db))
				}
				want := map[string]string{"other": fmt.Sprint(last - 1)}
				switch last {
				case 1:
					want["k"] = "0"
				case 3:
					want["k"] = string(make([]byte, storyLarge))
				case 4:
					want["k"] = "3"
				case 5:
					want["k"] = "34"
				}
				requireContent(t, db, want)
				tables := tablesOf(db)[0]
				var indexes []int
				for at := tables - to; at < tables-from; at++ {
					indexes = append(indexes, at)
				}
				compactRuns(t, db, indexes...) // some adjacent tables, or all
				requireContent(t, db, want)
				require.NoError(t, db.Close())
				requireOpens(t, o, mem, want)
			}
		}
	}
}
