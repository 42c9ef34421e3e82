package lsm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// Each test named TestBug reproduces a bug of another system: in this file and in
// peerbugs_recovery_test.go a bug with files, in the other peerbugs files a bug with runs. Its
// comment names the protection in this store; each test was seen to fail without that protection.

// watched is a disk that runs a check after each operation that changes it. The workers of the store
// change the disk concurrently, so mu lets one check run at a time.
type watched struct {
	vfs.FS
	watching atomic.Bool
	checks   atomic.Int64
	mu       sync.Mutex
	wrong    error // the first error of a check, guarded by mu
}

func watch(mem *vfstest.Mem, check func(n int64, op vfstest.Op, name string) error) *watched {
	w := &watched{}
	w.FS = vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: func(op vfstest.Op, name string) {
		if !w.watching.Load() {
			return
		}
		n := w.checks.Add(1)
		w.mu.Lock()
		defer w.mu.Unlock()
		if err := check(n, op, name); err != nil && w.wrong == nil {
			w.wrong = fmt.Errorf("after operation %d, %v of %s: %w", n, op, name, err)
		}
	}})
	w.watching.Store(true)
	return w
}

// requireNoFault ends the watch and requires more than leastChecks checks without an error.
func (w *watched) requireNoFault(t *testing.T, leastChecks int64) {
	t.Helper()
	w.watching.Store(false)
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NoError(t, w.wrong)
	require.Greater(t, w.checks.Load(), leastChecks)
}

// requireStory plays a story and simulates a crash after each file operation of the kinds ops.
func requireStory(t *testing.T, mode LogMode, steps []storyStep, ops ...vfstest.Op) {
	t.Helper()
	stride := density.Of[int64](t, 7, 1, 1)
	mem := vfstest.NewMem(vfstest.MemOptions{})
	var s *story
	disk := watch(mem, func(n int64, op vfstest.Op, _ string) error {
		if !slices.Contains(ops, op) || n%stride != 0 {
			return nil
		}
		for _, kept := range keptAfterACrash(n, 2) {
			crashed, p := s.promisedAfter(kept, mem)
			if err := p.verify(s.o, crashed); err != nil {
				return fmt.Errorf("%v kept: %w", kept.Keep, err)
			}
		}
		return nil
	})
	s = newStory(t, disk, mode, 64<<10)
	for i, step := range steps {
		require.NoError(t, step(s), "step %d", i)
		crashed, p := s.promisedAfter(vfstest.CrashOptions{}, mem)
		require.NoError(t, p.verify(s.o, crashed), "after step %d", i)
	}
	require.NoError(t, s.wrong)
	disk.requireNoFault(t, 30)
}

// pebble 79b311b, 077bb4f, 4e1e327: the marker that names the manifest was durable before the
// manifest. Protection: manifest.Begin syncs the manifest before it publishes CURRENT. The test fails
// if the sync comes after.
func TestBug19CurrentNamesADurableManifest(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	disk := watch(mem, func(n int64, _ vfstest.Op, _ string) error {
		for _, kept := range keptAfterACrash(n, 3) {
			crashed := mem.CrashClone(kept)
			for _, dir := range []string{"db", "copy", "half"} {
				if _, _, err := manifest.Read(context.Background(), crashed, dir); err != nil {
					return fmt.Errorf("%s, %v kept: %w", dir, kept.Keep, err)
				}
			}
		}
		return nil
	})
	o := &Options{FS: disk, Budget: goldenBudget(t), PartitionBytes: 1}
	for range 2 { // the first round creates the store, the second opens it
		db, err := Open(context.Background(), "db", *o)
		require.NoError(t, err)
		putAll(t, db, "a", "b")
		flushed(t, db)
		require.NoError(t, db.Compact(context.Background()))
		db.manifest.Lock()
		err = db.newManifest() // as after the manifest has grown
		db.manifest.Unlock()
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	require.NoError(t, db.Checkpoint(t.Context(), "copy"))
	require.NoError(t, Restore(t.Context(), "half", []Part{{Dir: "copy", From: []byte("b")}}, *o))
	require.NoError(t, db.Close())
	disk.requireNoFault(t, 50)
}

// rocksdb#10573, #5287, leveldb#195: the directory of CURRENT, or of linked tables, was not
// synced. After a crash a file's name was missing, or an old name was removed before the new name
// was durable. Protection: durable.MkdirAll, openLog, logLarge, manifest.Append and
// manifest.Create sync a name before any other file refers to it. The test fails without any
// one of the five.
func TestBug20NamesAreDurableBeforeTheyAreReferredTo(t *testing.T) {
	large := strings.Repeat("large", storyLarge/5+1)
	for _, mode := range allLogModes {
		requireStory(t, mode, []storyStep{
			open, put("a:1", "one"), flush, put("b:1", "two"), put("b:2", large), flush, checkpointTo("copies/1"),
			compact, put("c:1", "three"), reopen, restoreTo("copies/2", "copies/1", "copies/1"), put("a:1", "four"), closeStore,
		}, vfstest.OpCreate, vfstest.OpRename, vfstest.OpRemove, vfstest.OpLink, vfstest.OpSync, vfstest.OpSyncDir)
	}
}

// pebble 22657d7 (cockroach#127373): a background sync raced with writes and with another sync, so
// a write counted as durable that was not. Protection: wal.Writer.sync reads the size of the log
// before the fsync and records it as durable after the fsync. The test fails if the writer reads the
// size after the fsync, or records it before.
func TestBug25SyncCoversOnlyEarlierWrites(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	var armed atomic.Bool
	begun, ended := make(chan struct{}), make(chan struct{})
	resume := make(chan struct{})
	isLog := func(name string) bool { return strings.HasSuffix(name, directory.LogSuffix) }
	hold := func(at chan struct{}) {
		at <- struct{}{}
		<-resume
	}
	var first atomic.Bool
	o := Options{Log: LogSynced, Budget: storyBudget(t), MemtableBytes: 200, FS: vfstest.NewFaulty(mem, vfstest.FaultyOptions{
		Plan: func(c vfstest.Call) error {
			if c.Op == vfstest.OpSync && isLog(c.Name) && armed.Load() {
				first.Store(true)
				hold(begun)
			}
			return nil
		},
		After: func(op vfstest.Op, name string) {
			if op == vfstest.OpSync && isLog(name) && first.Swap(false) && armed.Swap(false) {
				hold(ended)
			}
		},
	})}
	db, err := Open(context.Background(), "db", o)
	require.NoError(t, err)
	put := func(key string) (done chan error) {
		done = make(chan error, 1)
		go func() { done <- db.Put([]byte(key), []byte("of "+key)) }()
		return done
	}

	armed.Store(true)
	one := put("one")
	<-begun // the first sync is held before it reaches the disk
	go func() {
		time.Sleep(10 * time.Millisecond) // a write that wrongly does not wait would return in this time
		resume <- struct{}{}
	}()
	db.lock.Lock()
	all := db.logs.w.Size()
	db.lock.Unlock()
	waited := make(chan error, 1)
	go func() { waited <- db.waitForSync(logEnd{db.logs.w, all}) }()
	select {
	case <-waited: // returned before the held sync
		requireSurvives(t, o, mem, "one")
		t.Fatal("a write returned before its sync")
	case <-ended:
	}
	two := put("two") // written after the fsync and before the writer records its result
	for db.logs.w.Size() == all {
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, db.logs.w.Flush())
	resume <- struct{}{}
	require.NoError(t, <-one)
	require.NoError(t, <-waited)
	requireSurvives(t, o, mem, "one")
	require.NoError(t, <-two)
	requireSurvives(t, o, mem, "two")
	require.NoError(t, db.Close())
}

// A write whose log was closed because the next log began is durable, and its wait must succeed.
// Protection: waitForSync. The test fails if waitForSync treats a log with a successor as failed.
func TestBug25WritesAreDurableAfterTheNextLogHasBegun(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := Options{Log: LogSynced, Budget: storyBudget(t), MemtableBytes: 200, FS: mem}
	db, err := Open(context.Background(), "db", o)
	require.NoError(t, err)
	db.lock.Lock() // like DB.write
	end, err := db.apply(run.Set, []byte("three"), []byte("of three"))
	db.lock.Unlock()
	require.NoError(t, err)
	db.lock.Lock()
	number := db.logs.number
	db.lock.Unlock()
	for followed := false; !followed; {
		require.NoError(t, db.Put([]byte("filling"), make([]byte, 150)))
		require.NoError(t, db.Seal())
		db.lock.Lock()
		followed = db.logs.number != number
		db.lock.Unlock()
	}
	require.ErrorIs(t, end.log.SyncTo(end.end), fs.ErrClosed)
	require.NoError(t, db.waitForSync(end))
	requireSurvives(t, o, mem, "three")
	require.NoError(t, db.Put([]byte("four"), nil))
	require.NoError(t, db.Close())
}

// requireSurvives simulates a crash and checks that the store still has key.
func requireSurvives(t *testing.T, o Options, mem *vfstest.Mem, key string) {
	t.Helper()
	crashed := mem.CrashClone(vfstest.CrashOptions{})
	require.NoError(t, checkOpens(o, crashed, map[string]string{key: "of " + key}), "%q is lost", key)
}

// rocksdb 6.16.0: a checkpoint of several column families lost data under concurrent writes. 5.1.0:
// a checkpoint did not sync the files that it copied. Protection: all states are in one tree, a view
// seals the memtable and pins its files, and target.copy syncs the copied files. The test fails if
// the view is not sealed, pins no file, or copies without a sync.
func TestBug26CheckpointIsOneMomentAndDurable(t *testing.T) {
	for _, mode := range allLogModes {
		for _, linked := range []bool{true, false} {
			mem := vfstest.NewMem(vfstest.MemOptions{})
			o := Options{Log: mode, Budget: storyBudget(t), MemtableBytes: 1 << 20, Split: storySplit, PartitionBytes: 1, FileBytes: 100, Picker: idle{}}
			var db *DB
			writes := 0
			write := func() error { // writes to several states in one batch
				writes++
				var b Batch
				b.Put([]byte("a:1"), fmt.Append(nil, writes))
				b.Put([]byte("b:1"), fmt.Append(nil, writes))
				b.Append([]byte("c:1"), []byte("."))
				return errors.Join(db.Apply(&b), db.Flush(context.Background()), db.Compact(context.Background()))
			}
			o.FS = vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
				if !strings.HasPrefix(c.Name, "/copy") {
					return nil
				}
				if err := write(); err != nil {
					return err
				}
				if c.Op == vfstest.OpLink && !linked {
					return syscall.EXDEV
				}
				return nil
			}})
			var err error
			db, err = Open(context.Background(), "db", o)
			require.NoError(t, err)
			for range 3 {
				require.NoError(t, write())
			}
			var b Batch
			b.Put([]byte("a:1"), []byte("active"))
			b.Put([]byte("b:1"), []byte("active"))
			require.NoError(t, db.Apply(&b))
			require.NoError(t, db.Checkpoint(t.Context(), "copy"))
			require.Greater(t, writes, 10)
			crashed := mem.CrashClone(vfstest.CrashOptions{})
			o.FS, o.Log = crashed, LogOff
			taken, err := Open(context.Background(), "copy", o)
			require.NoError(t, err)
			requireContent(t, taken, map[string]string{"a:1": "active", "b:1": "active", "c:1": "..."})
			require.NoError(t, taken.Close())
			require.NoError(t, db.Close())
		}
	}
}
