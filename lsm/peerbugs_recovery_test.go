package lsm

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// crashedBeforeFlush returns the disk after a crash of a store with several logs, its options and its
// content. Only the first run is in the tree.
func crashedBeforeFlush(t *testing.T) (crashed *vfstest.Mem, o Options, want map[string]string) {
	t.Helper()
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o = Options{FS: mem, Log: LogSynced, MemtableBytes: 300, BudgetBytes: 256 << 20, Split: storySplit}
	db, err := Open(context.Background(), "db", o)
	require.NoError(t, err)
	o.Budget, o.BudgetBytes = storyBudget(t), 0
	want = map[string]string{"a:flushed": "of a:flushed"}
	putAll(t, db, "a:flushed")
	flushed(t, db)
	db.manifest.Lock() // blocks the flusher
	for i := range 12 {
		key, value := fmt.Sprintf("%c:%d", 'a'+i%3, i), strings.Repeat(fmt.Sprint(i), 80)
		require.NoError(t, db.Put([]byte(key), []byte(value)))
		want[key] = value
	}
	large := strings.Repeat("l", int(maxMemtableEntry)) // stored in its own file
	require.NoError(t, db.Put([]byte("b:large"), []byte(large)))
	require.NoError(t, db.DeletePrefix([]byte("c:")))
	want["b:large"] = large
	for key := range want {
		if key[0] == 'c' {
			delete(want, key)
		}
	}
	crashed = mem.CrashClone(vfstest.CrashOptions{})
	db.manifest.Unlock()
	require.NoError(t, db.Close())
	names, err := crashed.List("db")
	require.NoError(t, err)
	require.Greater(t, len(directory.LogNumbers(names, 1)), 3)
	return crashed, o, want
}

// requireOpens opens a store, checks that its content is want, and closes it.
func requireOpens(t *testing.T, o Options, fsys vfs.FS, want map[string]string) {
	t.Helper()
	o.FS = fsys
	db, err := Open(context.Background(), "db", o)
	require.NoError(t, err)
	requireContent(t, db, want)
	require.NoError(t, db.Close())
}

// checkOpens is requireOpens for other goroutines than the test's. It ignores keys that are not in
// want.
func checkOpens(o Options, fsys vfs.FS, want map[string]string) error {
	o.FS = fsys
	db, err := Open(context.Background(), "db", o)
	if err != nil {
		return err
	}
	for key, value := range want {
		got, found, err := db.Get([]byte(key), nil)
		if err != nil || !found || string(got) != value {
			return errors.Join(fmt.Errorf("value of %q is lost or changed (found %v)", key, found), err, db.Close())
		}
	}
	return db.Close()
}

// rocksdb#9634, #9922, and a fix of 7.3.0: a second crash, during the recovery from the first, left
// an inconsistent store, or recovery had removed logs before the tree had their entries.
// Protection: recover declares logs unneeded only after all their runs are in the tree, and removes
// files after that. The test fails if recover writes the edit with the new first log before the
// replay.
func TestBug22RecoveryMayCrashTwice(t *testing.T) {
	crashed, o, want := crashedBeforeFlush(t)
	stride := density.Of[int64](t, 8, 1, 1)
	var again int64
	crashing := func(mem *vfstest.Mem, every int64, then func(n int64, crashed *vfstest.Mem) error) {
		disk := watch(mem, func(n int64, _ vfstest.Op, _ string) error {
			if n%max(every, stride) != 0 {
				return nil
			}
			for _, kept := range keptAfterACrash(n, 1) {
				if err := then(n, mem.CrashClone(kept)); err != nil {
					return fmt.Errorf("%v kept: %w", kept.Keep, err)
				}
			}
			return nil
		})
		require.NoError(t, checkOpens(o, disk, want))
		disk.requireNoFault(t, 40)
	}
	crashing(crashed.CrashClone(vfstest.CrashOptions{}), 1, func(_ int64, crashed *vfstest.Mem) error { return checkOpens(o, crashed, want) })
	var once []*vfstest.Mem
	crashing(crashed.CrashClone(vfstest.CrashOptions{}), 4, func(_ int64, crashed *vfstest.Mem) error {
		once = append(once, crashed)
		return nil
	})
	for i, mem := range once {
		disk := watch(mem, func(n int64, _ vfstest.Op, _ string) error {
			if (n+int64(i))%5 != 0 {
				return nil
			}
			again++
			return checkOpens(o, mem.CrashClone(keptAfterACrash(n, 1)[again%3]), want)
		})
		require.NoError(t, checkOpens(o, disk, want))
		disk.watching.Store(false)
		require.NoError(t, disk.wrong)
	}
	require.Greater(t, again, density.Of[int64](t, 50, 100, 100))
}

// rocksdb#7784, #6316: after recovery on a full disk a store could not be opened, even when there
// was space again: recovery crashed each time, or the manifest was truncated. Protection: Open writes
// only new files, and treats unfinished files as leftovers. The test fails if Open removes leftovers
// before it has recovered.
func TestBug22FullDiskDuringRecoveryDoesNotDamageTheStore(t *testing.T) {
	crashed, o, want := crashedBeforeFlush(t)
	var used int64
	names, err := crashed.List("db")
	require.NoError(t, err)
	for _, name := range names {
		info, err := crashed.Stat("db/" + name)
		require.NoError(t, err)
		used += info.Size()
	}
	full := 0
	for free, done := int64(0), false; !done; free += 97 {
		mem := vfstest.NewMem(vfstest.MemOptions{MaxBytes: used + free + 4<<10})
		copyFiles(t, mem, "db", crashed, "db")
		writeFile(t, mem, "other", make([]byte, 4<<10))
		o.FS = mem
		for range 3 {
			db, err := Open(context.Background(), "db", o)
			if done = err == nil; done {
				requireContent(t, db, want)
				_ = db.Close() // may fail: there may be no space for its last flush
				continue
			}
			full++
			require.ErrorIs(t, err, syscall.ENOSPC, "%d bytes free", free)
		}
		larger := vfstest.NewMem(vfstest.MemOptions{}) // a disk with space
		copyFiles(t, larger, "db", mem, "db")
		requireOpens(t, o, larger, want)
		require.NoError(t, mem.Remove("other"))
	}
	require.Greater(t, full, 20)
}

// pebble#984, rocksdb#7621: a file got the number of another file, which was named by an edit that
// recovery did not see. Protection: recover uses only numbers above those of all files in the
// directory. The test fails if recover takes the next number from the manifest alone.
func TestBug24FileNumbersAreNeverReused(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := Options{Log: LogSynced, MemtableBytes: 200, Budget: storyBudget(t), Picker: idle{}}
	var moments []*vfstest.Mem
	disk := watch(mem, func(int64, vfstest.Op, string) error {
		moments = append(moments, mem.CrashClone(vfstest.CrashOptions{Keep: 1}))
		return nil
	})
	o.FS = disk
	db, err := Open(context.Background(), "db", o)
	require.NoError(t, err)
	for i := range 3 {
		putAll(t, db, fmt.Sprint(i))
		flushed(t, db)
	}
	require.NoError(t, db.Put([]byte("large"), make([]byte, storyLarge)))
	require.NoError(t, db.Close())
	disk.requireNoFault(t, 50)

	for moment, crashed := range moments {
		names, _ := crashed.List("db")
		highest := uint64(0)
		for _, name := range names {
			highest = max(highest, directory.NumberOf(name))
		}
		o.FS = vfstest.NewFaulty(crashed, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
			if number := directory.NumberOf(filepath.Base(c.Name)); c.Op == vfstest.OpCreate && number > 0 {
				if number <= highest {
					return fmt.Errorf("file number %d is reused", number)
				}
				highest = number
			}
			return nil
		}})
		for range 2 {
			db, err := Open(context.Background(), "db", o)
			require.NoError(t, err, "moment %d", moment)
			putAll(t, db, "more")
			require.NoError(t, db.Close())
		}
	}
}
