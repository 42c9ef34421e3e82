package lsmstate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/internal/durable"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/statetest"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// All snapshots of the random operations of statetest are native. They overlap, are canceled, and are
// restored at other parallelisms, and the operations continue on the restored backends.
func TestNativeSnapshotsConform(t *testing.T) {
	for _, mode := range []snapshot.Mode{snapshot.Full, snapshot.Incremental} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			for range 6 {
				statetest.RandomNative(t, opener(Options{}), mode, 600)
				statetest.RandomNative(t, opener(Options{tune: inFiles, timersPerGroup: 2}), mode, 600)
			}
		})
	}
}

// randomText returns a text that does not compress.
func randomText(rng *rand.Rand, size int) string {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rng.UintN(256))
	}
	return string(b)
}

// largeTask returns a task with some megabytes in several tables.
func largeTask(t *testing.T, fs vfs.FS, dir string) *nativeTask {
	n := nativeOn(t, fs, dir, 0, 1, func(o *Options) {
		setTier(o, min(o.tierBytes<<18, 256<<10)) // none or 256 KiB; each spill is a table
		o.tune = func(o *lsm.Options) { o.MemtableBytes, o.FileBytes = 256<<10, 128<<10 }
	})
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 3000 {
		n.set(fmt.Sprint(i), randomText(rng, 1000))
	}
	return n
}

func TestIncrementalSnapshotWritesOnlyNewTables(t *testing.T) {
	mem := newFS()
	n, s := largeTask(t, mem, "one"), newShelf(t, mem)
	require.NoError(t, n.db.Compact(context.Background())) // makes new tables
	first, err := s.save(n, "first", snapshot.Incremental)
	require.NoError(t, err)
	full := s.written
	require.Greater(t, full, int64(3_000_000))
	require.Equal(t, first.Bytes(), full)
	s.confirm(first)
	for i := range 30 {
		n.set(fmt.Sprint(i), "changed")
	}
	second, err := s.save(n, "second", snapshot.Incremental)
	require.NoError(t, err)
	require.Less(t, s.written, full/5)
	require.Greater(t, second.Bytes(), full/2)
	q := nativeOn(t, mem, "two", 0, 1, nil)
	require.NoError(t, q.restore(s, second))
	for i := range 3000 {
		v, ok := q.get(fmt.Sprint(i))
		require.True(t, ok)
		require.Equal(t, i < 30, v == "changed")
	}
}

// FLINK-25395: the files of a snapshot that was never confirmed may have been removed with it.
// Protection: a snapshot refers only to files that Confirmed returns.
func TestFilesThatWereNeverConfirmedAreWrittenAgain(t *testing.T) {
	mem := newFS()
	n, s := largeTask(t, mem, "one"), newShelf(t, mem)
	lost, err := s.save(n, "lost", snapshot.Incremental)
	require.NoError(t, err)
	for _, f := range lost.Files {
		require.NoError(t, s.Remove(f.Name))
	}
	h, err := s.save(n, "second", snapshot.Incremental)
	require.NoError(t, err)
	require.NoError(t, nativeOn(t, mem, "two", 0, 1, nil).restore(s, h))
}

func TestFullSnapshotSharesNothing(t *testing.T) {
	mem := newFS()
	n, s := largeTask(t, mem, "one"), newShelf(t, mem)
	first, err := s.save(n, "first", snapshot.Incremental)
	require.NoError(t, err)
	s.confirm(first)
	h, err := s.save(n, "full", snapshot.Full)
	require.NoError(t, err)
	require.Greater(t, len(h.Files), 3)
	for _, f := range h.Files {
		require.True(t, strings.HasPrefix(f.Name, "full") && !f.Shared, f.Name)
	}
}

// The backend compacts the tables of a view before the view is written.
func TestSnapshotPinsItsTables(t *testing.T) {
	mem := newFS()
	n, s := largeTask(t, mem, "one"), newShelf(t, mem)
	v, err := n.View()
	require.NoError(t, err)
	for i := range 3000 {
		n.set(fmt.Sprint(i), "after")
	}
	require.NoError(t, n.db.Compact(context.Background()))
	files, err := v.(snapshot.NativeView).WriteNative(t.Context(), s, "late", func(int64) {})
	require.NoError(t, err)
	v.Close()
	q := nativeOn(t, mem, "two", 0, 1, nil)
	require.NoError(t, q.restore(s, snapshot.Handle{Keyspace: v.Keyspace(), States: v.States(), Format: nativeFormat, Files: files}))
	got, _ := q.get("7")
	require.Len(t, got, 1000)
}

// After a change of parallelism a deleted key may still be in a table of a subtask that no longer owns
// the key. Protection: clips.
func TestDeletedKeysNeverComeBack(t *testing.T) {
	for _, links := range []bool{false, true} {
		mem := newFS()
		s := newShelf(t, mem)
		s.links = links
		one := nativeOn(t, mem, "one", 0, 1, nil)
		for i := range 100 {
			one.set(fmt.Sprint(i), "v")
		}
		h, err := s.save(one, "one", snapshot.Incremental)
		require.NoError(t, err)
		s.confirm(h)
		var handles []snapshot.Handle
		for i := range 2 {
			n := nativeOn(t, mem, fmt.Sprint("half", i), i, 2, nil)
			require.NoError(t, n.restore(s, h))
			for key := range 100 {
				if key%3 > 0 && n.owns(fmt.Sprint(key)) {
					require.NoError(t, n.value.Clear())
				}
			}
			half, err := s.save(n, fmt.Sprint("half", i), snapshot.Incremental)
			require.NoError(t, err)
			handles = append(handles, half)
		}
		again := nativeOn(t, mem, "again", 0, 1, nil)
		require.NoError(t, again.restore(s, handles...))
		for key := range 100 {
			_, ok := again.get(fmt.Sprint(key))
			require.Equal(t, key%3 == 0, ok, "key %d", key)
		}
		v := view1(t, again.Backend)
		require.Len(t, rowsOf(t, v), 34)
		v.Close()
	}
}

// A restore writes no rows.
func TestRestoresRewriteNoTable(t *testing.T) {
	mem := newFS()
	n, s := largeTask(t, mem, "one"), newShelf(t, mem)
	h, err := s.save(n, "first", snapshot.Incremental)
	require.NoError(t, err)
	s.links = true
	for i, space := range []struct{ subtask, parallelism int }{{0, 1}, {0, 2}, {1, 2}} {
		disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
			if c.Op == vfstest.OpWrite && strings.HasSuffix(c.Name, ".sst") {
				return errors.New("a table is written")
			}
			return nil
		}})
		q := nativeOn(t, disk, fmt.Sprint("to", i), space.subtask, space.parallelism, nil)
		require.NoError(t, q.restore(s, h))
	}
}

// Rows of a restored list come before the rows of later appends. Protection: descriptions record the
// counters of appends.
func TestAppendsFollowTheRestoredElementsOfAList(t *testing.T) {
	mem := newFS()
	s := newShelf(t, mem)
	n := nativeOn(t, mem, "one", 0, 1, nil)
	require.NoError(t, n.keyed.SetKey("k"))
	var want []string
	for i := range 6 {
		want = append(want, fmt.Sprint(i)+strings.Repeat("x", 600<<10))
		require.NoError(t, n.list.Add(want[i]))
	}
	h, err := s.save(n, "first", snapshot.Incremental)
	require.NoError(t, err)
	q := nativeOn(t, mem, "two", 0, 1, nil)
	require.NoError(t, q.restore(s, h))
	require.NoError(t, q.keyed.SetKey("k"))
	require.NoError(t, q.list.Add("last"))
	got, err := q.list.Get()
	require.NoError(t, err)
	require.Len(t, got, 7)
	require.Equal(t, "last", got[6])
}

func TestUnclaimedStateIsNotInLaterSnapshots(t *testing.T) {
	mem := newFS()
	s := newShelf(t, mem)
	n := nativeOn(t, mem, "one", 0, 1, nil)
	entries, timers := mapOn(t, n.keyed), timersOn(t, n.keyed)
	n.set("k", "v")
	require.NoError(t, entries.Put("a", "b"))
	require.NoError(t, timers.Register(state.EventTime, 5, nil))
	h, err := s.save(n, "first", snapshot.Incremental)
	require.NoError(t, err)

	q := nativeOn(t, mem, "two", 0, 1, nil)
	_, err = snapshot.Restore(t.Context(), q.Backend, s, []snapshot.Handle{h}, snapshot.RestoreOptions{AllowUnclaimed: true})
	require.NoError(t, err)
	got, _ := q.get("k")
	require.Equal(t, "v", got)
	v := view1(t, q.Backend)
	require.Len(t, rowsOf(t, v), 1)
	v.Close()
	second, err := s.save(q, "second", snapshot.Incremental)
	require.NoError(t, err)
	second.States = h.States // pretends that the state was always declared
	r := nativeOn(t, mem, "three", 0, 1, nil)
	entries, timers = mapOn(t, r.keyed), timersOn(t, r.keyed)
	require.NoError(t, r.restore(s, second))
	require.NoError(t, r.keyed.SetKey("k"))
	empty, err := entries.IsEmpty()
	require.NoError(t, err)
	require.True(t, empty)
	_, ok, err := timers.Next(state.EventTime)
	require.NoError(t, err)
	require.False(t, ok)
}

// damagedFiles lists what may happen to a file of a snapshot.
var damagedFiles = map[string]struct {
	change func(t *testing.T, s *shelf, name, other string)
	want   []error // the restore must return one of them
}{
	"missing": {func(t *testing.T, s *shelf, name, _ string) {
		require.NoError(t, s.Remove(name))
	}, []error{fs.ErrNotExist}},
	"truncated": {func(t *testing.T, s *shelf, name, _ string) {
		replaceFile(t, s, name, func(b []byte) []byte { return b[:len(b)-1] })
	}, []error{snapshot.ErrMismatch}},
	"foreign": {func(t *testing.T, s *shelf, name, other string) {
		content := contentOf(t, s, other)
		replaceFile(t, s, name, func([]byte) []byte { return content })
	}, []error{snapshot.ErrMismatch, snapshot.ErrCorrupt}},
	"other identity": {func(t *testing.T, s *shelf, name, _ string) {
		replaceFile(t, s, name, func(b []byte) []byte { b[20] ^= 1; return b })
	}, []error{snapshot.ErrCorrupt, snapshot.ErrMismatch}},
}

func contentOf(t *testing.T, s *shelf, name string) []byte {
	o, err := s.Open(t.Context(), name)
	require.NoError(t, err)
	size, err := o.Size()
	require.NoError(t, err)
	b := make([]byte, size)
	_, err = o.ReadAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, o.Close())
	return b
}

func replaceFile(t *testing.T, s *shelf, name string, change func([]byte) []byte) {
	b := change(contentOf(t, s, name))
	require.NoError(t, s.Remove(name))
	f, err := s.Create(t.Context(), name)
	require.NoError(t, err)
	_, err = f.Write(b)
	require.NoError(t, err)
	require.NoError(t, f.Commit())
}

func TestDamagedFilesAreNamedAndNothingIsDeleted(t *testing.T) {
	for name, damage := range damagedFiles {
		for _, links := range []bool{false, true} {
			for at := range 2 {
				mem := newFS()
				n, s := largeTask(t, mem, "one"), newShelf(t, mem)
				s.links = links
				h, err := s.save(n, "first", snapshot.Incremental)
				require.NoError(t, err)
				file := h.Files[at*2].Name
				damage.change(t, s, file, h.Files[1].Name)
				before, err := s.List()
				require.NoError(t, err)
				q := nativeOn(t, mem, "two", 0, 1, nil)
				err = q.restore(s, h)
				require.ErrorContains(t, err, fmt.Sprintf("%q", file), "%s, links %v", name, links)
				require.True(t, errors.Is(err, damage.want[0]) || errors.Is(err, damage.want[len(damage.want)-1]), "%s: %v", name, err)
				require.ErrorIs(t, q.keyed.SetKey("k"), state.ErrClosed)
				after, err := s.List()
				require.NoError(t, err)
				require.Equal(t, before, after)
			}
		}
	}
}

// The copy of a table finds a damaged byte in its middle before any row is read.
func TestCopiedTablesAreVerifiedCompletely(t *testing.T) {
	mem := newFS()
	n, s := largeTask(t, mem, "one"), newShelf(t, mem)
	h, err := s.save(n, "first", snapshot.Incremental)
	require.NoError(t, err)
	replaceFile(t, s, h.Files[2].Name, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	err = nativeOn(t, mem, "two", 0, 1, nil).restore(s, h)
	require.ErrorIs(t, err, snapshot.ErrCorrupt)
	require.ErrorContains(t, err, fmt.Sprintf("%q", h.Files[2].Name))
}

// lateShelf loses a file after it was opened and before it is read.
type lateShelf struct {
	*shelf
	name string
}

func (s lateShelf) Open(ctx context.Context, name string) (snapshot.Object, error) {
	o, err := s.shelf.Open(ctx, name)
	if name == s.name && err == nil {
		return lostObject{o}, nil
	}
	return o, err
}

type lostObject struct{ snapshot.Object }

func (lostObject) ReadAt([]byte, int64) (int, error) { return 0, fs.ErrNotExist }

func TestErrorNamesAFileThatIsLostWhileItIsRead(t *testing.T) {
	mem := newFS()
	n, s := largeTask(t, mem, "one"), newShelf(t, mem)
	h, err := s.save(n, "first", snapshot.Incremental)
	require.NoError(t, err)
	for _, f := range []snapshot.FileRef{h.Files[0], h.Files[3]} {
		q := nativeOn(t, mem, "two", 0, 1, nil)
		err := q.restore(lateShelf{s, f.Name}, h)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorContains(t, err, fmt.Sprintf("%q", f.Name))
	}
}

// If the disk becomes full or fails, the snapshot returns an error that names a file or a table. The
// next snapshot is complete.
func TestDiskThatFailsDuringASnapshotLosesNothing(t *testing.T) {
	for _, failure := range []error{syscall.ENOSPC, syscall.EIO} {
		failed := 0
		for n := 0; ; n++ {
			mem := newFS()
			task := nativeOn(t, mem, "one", 0, 1, func(o *Options) { o.tune = inFiles })
			for i := range 300 {
				task.set(fmt.Sprint(i), strings.Repeat("x", 400))
			}
			disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: vfstest.FailFrom(n, failure)})
			s := newShelf(t, mem)
			broken := &shelf{fs: disk}
			var err error
			broken.Directory, err = snapshot.DirectoryOn(disk, shelfDir)
			if err == nil {
				_, err = broken.save(task, "broken", snapshot.Incremental)
			}
			if err == nil {
				require.Greater(t, failed, 3)
				break
			}
			require.ErrorIs(t, err, failure)
			failed++
			h, err := s.save(task, "whole", snapshot.Incremental)
			require.NoError(t, err)
			q := nativeOn(t, mem, "two", 0, 1, nil)
			require.NoError(t, q.restore(s, h))
			got, _ := q.get("299")
			require.Len(t, got, 400)
		}
	}
}

// FLINK-28984: a snapshot that is canceled at any write must leave no running goroutine and no
// unfinished file.
func TestCanceledSnapshotLeavesNoUnfinishedFile(t *testing.T) {
	for n := 0; ; n += 5 {
		mem := newFS()
		task := largeTask(t, mem, "one")
		ctx, cancel := context.WithCancel(t.Context())
		disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
			if c.N == n {
				cancel()
			}
			return nil
		}})
		s := &shelf{fs: disk, name: "canceled"}
		var err error
		s.Directory, err = snapshot.DirectoryOn(disk, shelfDir)
		require.NoError(t, err)
		v := view1(t, task.Backend)
		_, err = v.(snapshot.NativeView).WriteNative(ctx, s, "canceled", func(int64) {})
		v.Close()
		cancel()
		if err == nil {
			require.Greater(t, n, 20)
			return
		}
		require.ErrorIs(t, err, context.Canceled)
		names, err := mem.List(shelfDir)
		require.NoError(t, err)
		for _, name := range names {
			_, unfinished := durable.DraftOf(name)
			require.False(t, unfinished, name)
		}
	}
}

func TestRestoreRemovesItsStagingDirectory(t *testing.T) {
	mem := newFS()
	n, s := largeTask(t, mem, "one"), newShelf(t, mem)
	h, err := s.save(n, "first", snapshot.Incremental)
	require.NoError(t, err)
	q := nativeOn(t, mem, "two", 0, 1, nil)
	require.NoError(t, q.restore(s, h))
	names, err := mem.List("two")
	require.NoError(t, err)
	require.Equal(t, []string{lockName, backendMarker, treeName}, names)
	_, err = mem.Stat(filepath.Join("two", stagingName))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestFormatsOfOtherBackendsAreRefused(t *testing.T) {
	mem := newFS()
	s := newShelf(t, mem)
	space := state.Options{Keyspace: state.WholeKeyspace(nativeGroups)}
	heap, err := heapstate.NewHash(space)
	require.NoError(t, err)
	_, err = s.save(heap, "heap", snapshot.Full)
	require.ErrorIs(t, err, snapshot.ErrFormat)
	n := nativeOn(t, mem, "one", 0, 1, nil)
	n.set("k", "v")
	h, err := s.save(n, "native", snapshot.Full)
	require.NoError(t, err)
	h.States = nil
	_, err = snapshot.Restore(t.Context(), heap, s, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	require.ErrorIs(t, err, snapshot.ErrFormat)
	require.True(t, heap.Empty() && !heap.Registry().Closed())
	first, second := h, h
	first.Keyspace, second.Keyspace = state.SubtaskKeyspace(0, 2, nativeGroups), state.SubtaskKeyspace(1, 2, nativeGroups)
	second.Format = "other"
	q := nativeOn(t, mem, "two", 0, 1, nil)
	require.ErrorIs(t, q.restore(s, first, second), snapshot.ErrFormat)
	require.NoError(t, q.keyed.SetKey("k"), "it is as it was")
}

// The marks of its timers would hide restored timers, and its views need its tree.
func TestRestoreRefusesAUsedBackend(t *testing.T) {
	mem := newFS()
	n, s := largeTask(t, mem, "one"), newShelf(t, mem)
	h, err := s.save(n, "first", snapshot.Full)
	require.NoError(t, err)
	q := nativeOn(t, mem, "two", 0, 1, nil)
	timers := timersOn(t, q.keyed)
	require.NoError(t, q.keyed.SetKey("k"))
	require.NoError(t, timers.Register(state.EventTime, 1, nil))
	require.Len(t, fire(t, timers, 1), 1)
	require.True(t, q.Empty())
	require.ErrorIs(t, q.restore(s, h), state.ErrNotEmpty)
}

// A compaction may read a mark while the task raises it.
func TestMarkOfACompactionDoesNotChange(t *testing.T) {
	mem := newFS()
	open := func(dir string) (*nativeTask, *state.Timers[string]) {
		n := nativeOn(t, mem, dir, 0, 1, nil)
		return n, timersOn(t, n.keyed)
	}
	n, timers := open("one")
	require.NoError(t, n.keyed.SetKey("k"))
	for i := range int64(3) {
		require.NoError(t, timers.Register(state.EventTime, i, nil))
	}
	require.Len(t, fire(t, timers, 0), 1)
	s := newShelf(t, mem)
	h, err := s.save(n, "first", snapshot.Full)
	require.NoError(t, err)
	q, timers := open("two")
	require.NoError(t, q.restore(s, h))
	var read, was []string
	for _, m := range q.firedTimers.marks {
		if mark := m.Load(); mark != nil {
			read = append(read, mark.row)
			was = append(was, strings.Clone(mark.row))
			defer func() { require.Contains(t, was, mark.row) }()
		}
	}
	require.Len(t, read, 1)
	require.Len(t, fire(t, timers, 1), 1)
}

// bursting is a target whose files panic when they are written.
type bursting struct {
	*shelf
	open atomic.Int32
}

func (b *bursting) Share(ctx context.Context, suffix string) (snapshot.File, snapshot.FileRef, error) {
	f, ref, err := b.shelf.Share(ctx, suffix)
	if err != nil { // the panic of another file ended the context
		return nil, ref, err
	}
	b.open.Add(1)
	return &burst{f, b}, ref, nil
}

type burst struct {
	snapshot.File
	target *bursting
}

func (*burst) Write([]byte) (int, error) { panic("no more") }

func (b *burst) Abort() error {
	b.target.open.Add(-1)
	return b.File.Abort()
}

func TestTargetThatPanicsLeavesNoUnfinishedFile(t *testing.T) {
	mem := newFS()
	n, b := largeTask(t, mem, "one"), &bursting{shelf: newShelf(t, mem)}
	r, err := snapshot.Start(context.Background(), n, b, snapshot.Options{
		Name: "first", Mode: snapshot.Incremental, Synchronous: true,
	})
	require.NoError(t, err)
	_, err = r.Wait()
	require.ErrorIs(t, err, snapshot.ErrPanic)
	require.Zero(t, b.open.Load())
}
