package lsm

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/internal/vfs"
)

// The tests of this file stand for bugs that other systems had in what they do
// with files; those of the other files named peerbugs stand for bugs in what they
// do with runs. Each names the protection that it guards, and was seen to fail
// without it.

// watched is a disk that is looked at after each operation that changes it, by one
// goroutine at a time: the store's workers change it too. The first error is kept.
type watched struct {
	vfs.FS
	looking atomic.Bool
	looks   atomic.Int64
	mu      sync.Mutex
	wrong   error
}

func watch(mem *vfs.Mem, look func(n int64, op vfs.Op, name string) error) *watched {
	w := &watched{}
	w.FS = vfs.NewFaulty(mem, vfs.FaultyOptions{After: func(op vfs.Op, name string) {
		if !w.looking.Load() {
			return
		}
		n := w.looks.Add(1)
		w.mu.Lock()
		defer w.mu.Unlock()
		if err := look(n, op, name); err != nil && w.wrong == nil {
			w.wrong = fmt.Errorf("after operation %d, %v of %s: %w", n, op, name, err)
		}
	}})
	w.looking.Store(true)
	return w
}

// requireRight ends the watch, which must have seen a few things.
func (w *watched) requireRight(t *testing.T, looks int64) {
	t.Helper()
	w.looking.Store(false)
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NoError(t, w.wrong)
	require.Greater(t, w.looks.Load(), looks)
}

// requireStory plays a story with crashes after some of its operations.
func requireStory(t *testing.T, mode LogMode, steps []storyStep, ops ...vfs.Op) {
	t.Helper()
	mem := vfs.NewMem(vfs.MemOptions{})
	var s *story
	disk := watch(mem, func(n int64, op vfs.Op, _ string) error {
		if !slices.Contains(ops, op) || modelUnderRace && n%raceStride != 0 {
			return nil
		}
		for _, kept := range keptAfterACrash(n, 2) {
			left, p := s.promised(func() *vfs.Mem { return mem.CrashClone(kept) })
			if err := p.verify(s.o, left); err != nil {
				return fmt.Errorf("%v kept: %w", kept.Keep, err)
			}
		}
		return nil
	})
	s = newStory(disk, mode, 64<<10)
	for i, step := range steps {
		require.NoError(t, step(s), "step %d", i)
		left, p := s.promised(func() *vfs.Mem { return mem.CrashClone(vfs.CrashOptions{}) })
		require.NoError(t, p.verify(s.o, left), "after step %d", i)
	}
	require.NoError(t, s.wrong)
	disk.requireRight(t, 30)
}

// pebble 79b311b, 077bb4f, 4e1e327: the marker that names the manifest was durable
// before the manifest. Protection: writeManifest syncs the manifest before it
// publishes CURRENT. Fails if it does so after.
func TestBug19CurrentNamesAManifestThatIsThere(t *testing.T) {
	mem := vfs.NewMem(vfs.MemOptions{})
	disk := watch(mem, func(n int64, _ vfs.Op, _ string) error {
		for _, kept := range keptAfterACrash(n, 3) {
			left := mem.CrashClone(kept)
			for _, dir := range []string{"db", "copy", "half"} {
				if _, _, err := readCatalog(left, dir); err != nil {
					return fmt.Errorf("%s, %v kept: %w", dir, kept.Keep, err)
				}
			}
		}
		return nil
	})
	o := &Options{FS: disk, Budget: goldenBudget, PartitionBytes: 1}
	for range 2 { // it is made, and opened
		db, err := Open("db", o)
		require.NoError(t, err)
		putAll(t, db, "a", "b")
		flushed(t, db)
		require.NoError(t, db.Compact())
		db.manifest.mu.Lock()
		err = db.newManifest() // it has grown
		db.manifest.mu.Unlock()
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
	db, err := Open("db", o)
	require.NoError(t, err)
	require.NoError(t, db.Checkpoint(t.Context(), "copy"))
	require.NoError(t, Restore(t.Context(), "half", []Part{{Dir: "copy", From: []byte("b")}}, o))
	require.NoError(t, db.Close())
	disk.requireRight(t, 50)
}

// rocksdb#10573, #5287, leveldb#195: directories were not synced, that of CURRENT
// or that of tables which came from elsewhere, and a name was gone, or an old one
// gone before the new one was there. Protection: MkdirAllSync, openLog, logLarge,
// writeEdit and writeManifest sync names before anything speaks of them. Fails
// without any one of the five.
func TestBug20NamesAreDurableBeforeAnythingSpeaksOfThem(t *testing.T) {
	large := strings.Repeat("large", storyLarge/5+1)
	for _, mode := range allLogModes {
		requireStory(t, mode, []storyStep{
			open, put("a:1", "one"), flush, put("b:1", "two"), put("b:2", large), flush, checkpointTo("copies/1"),
			compact, put("c:1", "three"), reopen, restoreTo("copies/2", "copies/1", "copies/1"), put("a:1", "four"), closeStore,
		}, vfs.OpCreate, vfs.OpRename, vfs.OpRemove, vfs.OpLink, vfs.OpSync, vfs.OpSyncDir)
	}
}

// unflushed is what a crash leaves of a store with some logs, of which no run is
// in the tree but the first, and what is in it.
func unflushed(t *testing.T) (left *vfs.Mem, o Options, want map[string]string) {
	t.Helper()
	mem := vfs.NewMem(vfs.MemOptions{})
	o = Options{FS: mem, Log: LogSynced, MemtableBytes: 300, BudgetBytes: 256 << 20, Split: storySplit}
	db, err := Open("db", &o)
	require.NoError(t, err)
	o.Budget, o.BudgetBytes = storyBudget, 0
	want = map[string]string{"a:flushed": "of a:flushed"}
	putAll(t, db, "a:flushed")
	flushed(t, db)
	db.manifest.mu.Lock() // the flusher gets no further
	for i := range 12 {
		key, value := fmt.Sprintf("%c:%d", 'a'+i%3, i), strings.Repeat(fmt.Sprint(i), 80)
		require.NoError(t, db.Put([]byte(key), []byte(value)))
		want[key] = value
	}
	large := strings.Repeat("l", int(maxMemtableEntry)) // in a file of its own
	require.NoError(t, db.Put([]byte("b:large"), []byte(large)))
	require.NoError(t, db.DeletePrefix([]byte("c:")))
	want["b:large"] = large
	for key := range want {
		if key[0] == 'c' {
			delete(want, key)
		}
	}
	left = mem.CrashClone(vfs.CrashOptions{})
	db.manifest.mu.Unlock()
	require.NoError(t, db.Close())
	names, err := left.List("db")
	require.NoError(t, err)
	require.Greater(t, len(logNumbers(names, 1)), 3)
	return left, o, want
}

// requireOpens opens a store, which must have what is wanted.
func requireOpens(t *testing.T, o Options, fsys vfs.FS, want map[string]string) {
	t.Helper()
	o.FS = fsys
	db, err := Open("db", &o)
	require.NoError(t, err)
	requireContent(t, db, want)
	require.NoError(t, db.Close())
}

// opens is requireOpens outside of a test's goroutine. It looks at no other keys.
func opens(o Options, fsys vfs.FS, want map[string]string) error {
	o.FS = fsys
	db, err := Open("db", &o)
	if err != nil {
		return err
	}
	for key, value := range want {
		got, found, err := db.Get([]byte(key), nil)
		if err != nil || !found || string(got) != value {
			return errors.Join(fmt.Errorf("%q, found %v, is not what it was", key, found), err, db.Close())
		}
	}
	return db.Close()
}

// rocksdb#9634, #9922, and a fix of 7.3.0: a second crash, during the recovery
// from the first, left a store that was inconsistent, or whose logs were removed
// before the tree had what is in them. Protection: recover says that no log is
// needed when all runs are in the tree, and removes files after that. Fails if
// the edit with the new first log comes before the replay.
func TestBug22RecoveryMayCrashTwice(t *testing.T) {
	left, o, want := unflushed(t)
	var again int64
	crashing := func(mem *vfs.Mem, every int64, then func(n int64, left *vfs.Mem) error) {
		disk := watch(mem, func(n int64, _ vfs.Op, _ string) error {
			if n%every != 0 || modelUnderRace && n%8 != 0 {
				return nil
			}
			for _, kept := range keptAfterACrash(n, 1) {
				if err := then(n, mem.CrashClone(kept)); err != nil {
					return fmt.Errorf("%v kept: %w", kept.Keep, err)
				}
			}
			return nil
		})
		require.NoError(t, opens(o, disk, want))
		disk.requireRight(t, 40)
	}
	crashing(left.CrashClone(vfs.CrashOptions{}), 1, func(_ int64, left *vfs.Mem) error { return opens(o, left, want) })
	var once []*vfs.Mem
	crashing(left.CrashClone(vfs.CrashOptions{}), 4, func(_ int64, left *vfs.Mem) error {
		once = append(once, left)
		return nil
	})
	for i, mem := range once {
		disk := watch(mem, func(n int64, _ vfs.Op, _ string) error {
			if (n+int64(i))%5 != 0 {
				return nil
			}
			again++
			return opens(o, mem.CrashClone(keptAfterACrash(n, 1)[again%3]), want)
		})
		require.NoError(t, opens(o, disk, want))
		disk.looking.Store(false)
		require.NoError(t, disk.wrong)
	}
	if !modelUnderRace {
		require.Greater(t, again, int64(100))
	}
}

// rocksdb#7784, #6316: a full disk made a store that could not be opened any more,
// also when there was space again: recovery crashed each time, or the manifest was
// cut in its middle. Protection: what Open writes are new files, and what it does
// not finish is a leftover. Fails if Open removes leftovers before it has
// recovered.
func TestBug22FullDiskDuringRecoveryIsNoDamage(t *testing.T) {
	left, o, want := unflushed(t)
	var used int64
	names, err := left.List("db")
	require.NoError(t, err)
	for _, name := range names {
		info, err := left.Stat("db/" + name)
		require.NoError(t, err)
		used += info.Size()
	}
	full := 0
	for free, done := int64(0), false; !done; free += 97 {
		mem := vfs.NewMem(vfs.MemOptions{MaxBytes: used + free + 4<<10})
		copyFiles(t, mem, "db", left, "db")
		writeFile(t, mem, "other", make([]byte, 4<<10))
		o.FS = mem
		for range 3 {
			db, err := Open("db", &o)
			if done = err == nil; done {
				requireContent(t, db, want)
				_ = db.Close() // it may not have the space for its end
				continue
			}
			full++
			require.ErrorIs(t, err, syscall.ENOSPC, "%d bytes free", free)
		}
		left := vfs.NewMem(vfs.MemOptions{}) // there is space
		copyFiles(t, left, "db", mem, "db")
		requireOpens(t, o, left, want)
		require.NoError(t, mem.Remove("other"))
	}
	require.Greater(t, full, 20)
}

// pebble#984, rocksdb#7621: a file got a number that another one had, of which an
// edit spoke that nobody had seen. Protection: recover gives out no number that a
// file in the directory has. Fails if it goes by the manifest alone.
func TestBug24NumbersAreNeverUsedAgain(t *testing.T) {
	mem := vfs.NewMem(vfs.MemOptions{})
	o := Options{Log: LogSynced, MemtableBytes: 200, Budget: storyBudget, Picker: idle{}}
	var lives []*vfs.Mem
	disk := watch(mem, func(int64, vfs.Op, string) error {
		lives = append(lives, mem.CrashClone(vfs.CrashOptions{Keep: 1}))
		return nil
	})
	o.FS = disk
	db, err := Open("db", &o)
	require.NoError(t, err)
	for i := range 3 {
		putAll(t, db, fmt.Sprint(i))
		flushed(t, db)
	}
	require.NoError(t, db.Put([]byte("large"), make([]byte, storyLarge)))
	require.NoError(t, db.Close())
	disk.requireRight(t, 50)

	for moment, left := range lives {
		names, _ := left.List("db")
		highest := uint64(0)
		for _, name := range names {
			highest = max(highest, fileNumber(name))
		}
		o.FS = vfs.NewFaulty(left, vfs.FaultyOptions{Plan: func(c vfs.Call) error {
			if number := fileNumber(filepath.Base(c.Name)); c.Op == vfs.OpCreate && number > 0 {
				if number <= highest {
					return fmt.Errorf("number %d is used again", number)
				}
				highest = number
			}
			return nil
		}})
		for range 2 {
			db, err := Open("db", &o)
			require.NoError(t, err, "moment %d", moment)
			putAll(t, db, "more")
			require.NoError(t, db.Close())
		}
	}
}

// pebble 22657d7 (cockroach#127373): a sync in the background raced with what was
// written, and with another sync, so that a write counted as durable which was not.
// Protection: wal.Writer.sync takes down what was written before it began, after it
// has ended. Fails if it takes down what is written when it ends, or does so before
// it syncs.
func TestBug25SyncCountsForWhatWasWrittenBeforeIt(t *testing.T) {
	mem := vfs.NewMem(vfs.MemOptions{})
	var armed atomic.Bool
	begun, ended := make(chan struct{}), make(chan struct{})
	goOn := make(chan struct{})
	isLog := func(name string) bool { return strings.HasSuffix(name, logSuffix) }
	hold := func(at chan struct{}) {
		at <- struct{}{}
		<-goOn
	}
	var first atomic.Bool
	o := Options{Log: LogSynced, Budget: storyBudget, MemtableBytes: 200, FS: vfs.NewFaulty(mem, vfs.FaultyOptions{
		Plan: func(c vfs.Call) error {
			if c.Op == vfs.OpSync && isLog(c.Name) && armed.Load() {
				first.Store(true)
				hold(begun)
			}
			return nil
		},
		After: func(op vfs.Op, name string) {
			if op == vfs.OpSync && isLog(name) && first.Swap(false) && armed.Swap(false) {
				hold(ended)
			}
		},
	})}
	db, err := Open("db", &o)
	require.NoError(t, err)
	put := func(key string) (done chan error) {
		done = make(chan error, 1)
		go func() { done <- db.Put([]byte(key), []byte("of "+key)) }()
		return done
	}

	armed.Store(true)
	one := put("one")
	<-begun // its sync has not begun on the disk
	go func() {
		time.Sleep(10 * time.Millisecond) // or whoever does not wait for it would not be seen
		goOn <- struct{}{}
	}()
	db.owner.Lock()
	all := db.log.Size()
	db.owner.Unlock()
	waited := make(chan error, 1)
	go func() { waited <- logEnd{db.log, all, db}.sync() }()
	select {
	case <-waited: // it did not wait for the sync that is held
		requireSurvives(t, o, mem, "one")
		t.Fatal("a write waits for no sync and is durable")
	case <-ended:
	}
	two := put("two") // after the sync has ended on the disk, before that is taken down
	for db.log.Size() == all {
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, db.log.Flush())
	goOn <- struct{}{}
	require.NoError(t, <-one)
	require.NoError(t, <-waited)
	requireSurvives(t, o, mem, "one")
	require.NoError(t, <-two)
	requireSurvives(t, o, mem, "two")
	require.NoError(t, db.Close())
}

// The same of a sync of a log that another one follows meanwhile. Protection:
// logEnd.sync. Fails if it takes a log that was followed for one that failed.
func TestBug25WritesCountWhenTheirLogIsFollowed(t *testing.T) {
	mem := vfs.NewMem(vfs.MemOptions{})
	o := Options{Log: LogSynced, Budget: storyBudget, MemtableBytes: 200, FS: mem}
	db, err := Open("db", &o)
	require.NoError(t, err)
	db.owner.Lock() // as write does
	end, err := db.apply(run.Set, []byte("three"), []byte("of three"))
	db.owner.Unlock()
	require.NoError(t, err)
	db.owner.Lock()
	number := db.logNumber
	db.owner.Unlock()
	for followed := false; !followed; {
		require.NoError(t, db.Put([]byte("filling"), make([]byte, 150)))
		require.NoError(t, db.Seal())
		db.owner.Lock()
		followed = db.logNumber != number
		db.owner.Unlock()
	}
	require.ErrorIs(t, end.log.SyncTo(end.end), fs.ErrClosed)
	require.NoError(t, end.sync())
	requireSurvives(t, o, mem, "three")
	require.NoError(t, db.Put([]byte("four"), nil))
	require.NoError(t, db.Close())
}

// requireSurvives crashes a store, which must have a key then.
func requireSurvives(t *testing.T, o Options, mem *vfs.Mem, key string) {
	t.Helper()
	left := mem.CrashClone(vfs.CrashOptions{})
	require.NoError(t, opens(o, left, map[string]string{key: "of " + key}), "%q is gone", key)
}

// rocksdb 6.16.0: a checkpoint of several column families, which were written to
// meanwhile, lost data. 5.1.0: files that a checkpoint copies were not synced.
// Protection: all states are one tree, a view pins its files, and target.copy syncs
// what it copies. Fails if the view is not sealed, pins nothing, or copies without
// a sync.
func TestBug26CheckpointIsOneMomentAndDurable(t *testing.T) {
	for _, mode := range allLogModes {
		for _, linked := range []bool{true, false} {
			mem := vfs.NewMem(vfs.MemOptions{})
			o := Options{Log: mode, Budget: storyBudget, MemtableBytes: 1 << 20, Split: storySplit, PartitionBytes: 1, FileBytes: 100, Picker: idle{}}
			var db *DB
			writes := 0
			write := func() error { // to two states at a time
				writes++
				var b Batch
				b.Put([]byte("a:1"), fmt.Append(nil, writes))
				b.Put([]byte("b:1"), fmt.Append(nil, writes))
				b.Append([]byte("c:1"), []byte("."))
				return errors.Join(db.Apply(&b), db.Flush(), db.Compact())
			}
			o.FS = vfs.NewFaulty(mem, vfs.FaultyOptions{Plan: func(c vfs.Call) error {
				if !strings.HasPrefix(c.Name, "copy") {
					return nil
				}
				if err := write(); err != nil {
					return err
				}
				if c.Op == vfs.OpLink && !linked {
					return syscall.EXDEV
				}
				return nil
			}})
			var err error
			db, err = Open("db", &o)
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
			left := mem.CrashClone(vfs.CrashOptions{})
			o.FS, o.Log = left, LogOff
			taken, err := Open("copy", &o)
			require.NoError(t, err)
			requireContent(t, taken, map[string]string{"a:1": "active", "b:1": "active", "c:1": "..."})
			require.NoError(t, taken.Close())
			require.NoError(t, db.Close())
		}
	}
}
