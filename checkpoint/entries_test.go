package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

func openStore(t testing.TB, objects Objects) Completed {
	t.Helper()
	s, err := openEntries(context.Background(), objects, "job")
	require.NoError(t, err)
	return s
}

func beginAttempt(t testing.TB, s Completed) AttemptID {
	t.Helper()
	number, err := s.Begin(context.Background())
	require.NoError(t, err)
	return number
}

func listEntries(t testing.TB, s Completed) []Entry {
	t.Helper()
	listed, err := s.List(context.Background())
	require.NoError(t, err)
	return listed
}

func TestSecondOpenerIsLockedOutUntilClose(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		ctx := context.Background()
		s := openStore(t, objects)
		_, err := openEntries(ctx, objects, "job")
		require.ErrorIs(t, err, ErrLocked)
		other, err := openEntries(ctx, objects, "other")
		require.NoError(t, err)
		require.NoError(t, other.Close())
		require.NoError(t, s.Commit(ctx, Entry{ID: 1, Attempt: beginAttempt(t, s)}))
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
		s = openStore(t, objects)
		require.Len(t, listEntries(t, s), 1, "Close removes nothing")
	})
}

func TestClosedStoreRefusesAllCalls(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		ctx := context.Background()
		s := openStore(t, objects)
		require.NoError(t, s.Close())
		_, err := s.Begin(ctx)
		require.ErrorIs(t, err, ErrClosed)
		_, err = s.List(ctx)
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, s.Commit(ctx, Entry{ID: 1, Attempt: 1}), ErrClosed)
		require.ErrorIs(t, s.Remove(ctx, 1), ErrClosed)
		require.Empty(t, namesOf(t, objects, ""))
	})
}

func TestCommitRefusesEntriesOutOfRange(t *testing.T) {
	s := openStore(t, filesOn(t, vfstest.NewMem(vfstest.MemOptions{})))
	for _, e := range []Entry{
		{}, {ID: 1}, {Attempt: 1}, {ID: 1, Attempt: 1, Size: -1}, {ID: 1, Attempt: 1, Size: maxMetadataBytes + 1},
		{ID: maxNumber + 1, Attempt: 1}, {ID: 1, Attempt: maxNumber + 1},
	} {
		require.ErrorIs(t, s.Commit(context.Background(), e), ErrInvalid)
	}
	require.NoError(t, s.Commit(context.Background(), Entry{ID: maxNumber, Attempt: maxNumber, Size: maxMetadataBytes, Checksum: ^uint64(0)}))
	require.Len(t, listEntries(t, s), 1)
}

func TestBeginRemovesTheRecordsOfEarlierAttempts(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		s := openStore(t, objects)
		for want := range AttemptID(12) {
			require.Equal(t, want+1, beginAttempt(t, s))
			require.Equal(t, []string{fmt.Sprintf("job/attempts/%019d", want+1)}, namesOf(t, objects, "job/attempts/"))
		}
	})
}

func TestBeginReturnsANumberAboveAllRecords(t *testing.T) {
	objects := filesOn(t, vfstest.NewMem(vfstest.MemOptions{}))
	_, err := objects.Create(context.Background(), "job/attempts/0000000000000000041") // unfinished, as after a crash
	require.NoError(t, err)
	for _, name := range []string{"9", "000000000000000099", "0000000000000000x99", "00000000000000000099", "0000000000000000000"} {
		putObject(t, objects, "job/attempts/"+name, "")
	}
	require.Equal(t, AttemptID(42), beginAttempt(t, openStore(t, objects)))

	putObject(t, objects, "full/attempts/9999999999999999999", "")
	s, err := openEntries(context.Background(), objects, "full")
	require.NoError(t, err)
	_, err = s.Begin(context.Background())
	require.ErrorIs(t, err, ErrCorrupt)
}

// After a Create that failed the record may exist. The number is not tried again.
func TestNumberWhoseRecordMayExistIsSkipped(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	faulty := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: vfstest.FailNth(0, syscall.EIO, vfstest.OpLink)})
	s := openStore(t, filesOn(t, faulty))
	_, err := s.Begin(context.Background())
	require.ErrorIs(t, err, syscall.EIO)
	require.Equal(t, AttemptID(2), beginAttempt(t, s))
}

// late is a store of objects in which another process creates each object first, left times.
type late struct {
	lockingObjects
	t    *testing.T
	left int
}

func (l *late) Create(ctx context.Context, name string) (snapshot.File, error) {
	if l.left > 0 {
		l.left--
		putObject(l.t, l.lockingObjects, name, "")
	}
	return l.lockingObjects.Create(ctx, name)
}

func TestNumberThatAnotherProcessTookIsSkipped(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		require.Equal(t, AttemptID(4), beginAttempt(t, openStore(t, &late{objects, t, 3})))
	})
}

// FLINK-5940: a damaged entry blocked recovery. List returns it with an error, together with
// the others, and keeps it: removing such entries caused FLINK-7783.
func TestDamagedEntryIsReportedAndKept(t *testing.T) {
	forEachObjects(t, func(t *testing.T, objects lockingObjects) {
		sound := Entry{ID: 7, Attempt: 3, Size: 100, Checksum: 12345}
		data := sound.Encode()
		require.Len(t, data, entryBytes)
		name := func(id int) string { return fmt.Sprintf("job/completed/%019d", id) }
		next := slices.Clone(data)
		next[9] = 2
		damaged := map[int][]byte{8: data, 9: nil, 10: make([]byte, entryBytes), 11: make([]byte, 5000), 12: append(slices.Clone(data), 0)}
		for i := range data {
			damaged[100+i] = slices.Clone(data)
			damaged[100+i][i] ^= 1 << (i % 8)
			damaged[200+i] = data[:i]
		}
		for id, content := range damaged {
			putObject(t, objects, name(id), string(content))
		}
		putObject(t, objects, name(7), string(data))
		putObject(t, objects, name(50), string(reseal(next)))
		for _, foreign := range []string{"7", "0000000000000000000", "000000000000000008", "0000000000000000008.x", "x/0000000000000000008"} {
			putObject(t, objects, "job/completed/"+foreign, "foreign")
		}

		before := namesOf(t, objects, "")
		s := openStore(t, objects)
		for _, e := range listEntries(t, s) {
			switch e.ID {
			case 7:
				require.Equal(t, sound, e)
				continue
			case 50:
				require.ErrorIs(t, e.Err, ErrVersion)
			default:
				require.Contains(t, damaged, int(e.ID))
				require.ErrorIs(t, e.Err, ErrCorrupt, "%d", e.ID)
			}
			require.Equal(t, Entry{ID: e.ID, Err: e.Err}, e)
			delete(damaged, int(e.ID))
		}
		require.Empty(t, damaged)
		require.NoError(t, s.Close())
		require.Equal(t, before, namesOf(t, objects, ""))
	})
}

// FLINK-7783: a checkpoint was dropped because its store could not be reached for a moment. An
// error that is not about the content fails the whole List.
func TestTransientErrorIsNeverTakenForDamage(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	s := openStore(t, filesOn(t, mem))
	require.NoError(t, s.Commit(context.Background(), Entry{ID: 1, Attempt: 1}))
	for _, op := range []vfstest.Op{vfstest.OpList, vfstest.OpStat, vfstest.OpOpen, vfstest.OpSize, vfstest.OpReadAt} {
		files := filesOn(t, mem)
		faulty := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: vfstest.FailNth(0, syscall.EIO, op)})
		files.watch.FS = faulty
		s := &entries{objects: files, layout: layout{"job"}}
		_, err := s.List(context.Background())
		require.ErrorIs(t, err, syscall.EIO, "%v", op)
		require.NotErrorIs(t, err, ErrCorrupt)
		require.Len(t, listEntries(t, s), 1)
	}
}

// storeCourse runs a sequence of operations on a completed store and records their results. An
// operation that fails is tried again once.
type storeCourse struct {
	given          []AttemptID
	begun, done    map[ID]Entry // Commit was called; Commit returned nil
	leaving, gone  map[ID]bool  // Remove was called; Remove returned nil
	failures, ends int
}

func (c *storeCourse) run(fsys vfs.FS) error {
	ctx := context.Background()
	c.begun, c.done = make(map[ID]Entry), make(map[ID]Entry)
	c.leaving, c.gone = make(map[ID]bool), make(map[ID]bool)
	var files *Files
	var s Completed
	if err := c.try(func() (err error) { files, err = FilesOn(fsys, "root"); return err }); err != nil {
		return err
	}
	if err := c.try(func() (err error) { s, err = openEntries(ctx, files, "job"); return err }); err != nil {
		return err
	}
	defer s.Close()
	for id := ID(1); id <= 4; id++ {
		if id%2 == 1 {
			if err := c.try(func() error { return c.begin(ctx, s) }); err != nil {
				return err
			}
		}
		e := Entry{ID: id, Attempt: c.given[len(c.given)-1], Size: 3, Checksum: uint64(id)}
		if c.try(func() error { return writeObject(ctx, files, metadataOf(id), []byte("abc")) }) != nil {
			continue
		}
		c.begun[id] = e
		if c.try(func() error { return s.Commit(ctx, e) }) != nil {
			continue // the entry may exist: its files must stay
		}
		c.done[id] = e
		for old := range maps.Keys(c.done) {
			if old == id || c.gone[old] {
				continue
			}
			c.leaving[old] = true
			if c.try(func() error { return s.Remove(ctx, old) }) == nil {
				c.gone[old] = true
				_ = c.try(func() error { return files.Remove(ctx, metadataOf(old)) })
			}
		}
	}
	c.ends++
	return nil
}

func metadataOf(id ID) string { return layout{"job"}.metadata(id) }

func (c *storeCourse) begin(ctx context.Context, s Completed) error {
	number, err := s.Begin(ctx)
	if err == nil {
		c.given = append(c.given, number)
	}
	return err
}

func (c *storeCourse) try(f func() error) (err error) {
	for range 2 {
		if err = f(); err == nil {
			return nil
		}
		c.failures++
	}
	return err
}

// check checks the completed store after a crash. Every committed entry exists unless its
// removal has begun. No entry exists that was not begun or is removed. Each entry has its
// metadata.
func (c *storeCourse) check(fsys vfs.FS) error {
	ctx := context.Background()
	files, err := FilesOn(fsys, "root")
	if err != nil {
		return err
	}
	s, err := openEntries(ctx, files, "job")
	if err != nil {
		return err
	}
	defer s.Close()
	listed, err := s.List(ctx)
	if err != nil {
		return err
	}
	seen := make(map[ID]bool)
	for _, e := range listed {
		seen[e.ID] = true
		if begun, ok := c.begun[e.ID]; !ok || e != begun || c.gone[e.ID] {
			return fmt.Errorf("entry %+v, begun %+v, gone %v", e, begun, c.gone[e.ID])
		}
		if data, err := readObject(ctx, files, metadataOf(e.ID), e.Size); err != nil || string(data) != "abc" {
			return fmt.Errorf("metadata of %d: %q, %w", e.ID, data, errors.Join(err))
		}
	}
	for id := range c.done {
		if !seen[id] && !c.leaving[id] {
			return fmt.Errorf("entry %d is lost", id)
		}
	}
	number, err := s.Begin(ctx)
	if err != nil || slices.Contains(c.given, number) || len(c.given) > 0 && number < slices.Max(c.given) {
		return fmt.Errorf("attempt %d after %v: %w", number, c.given, errors.Join(err))
	}
	return nil
}

func TestCommittedEntriesSurviveEveryCrash(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	var c storeCourse
	crashed := 0
	crash := func(op vfstest.Op, name string) {
		for i, keep := range keeps(uint64(crashed)) {
			require.NoError(t, c.check(mem.CrashClone(keep)), "after %v %s, keep %d", op, name, i)
			crashed++
		}
	}
	require.NoError(t, c.run(vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: crash})))
	require.Zero(t, c.failures)
	require.Len(t, c.done, 4)
	require.Len(t, c.gone, 3)
	require.NoError(t, c.check(mem))
	t.Log(crashed, "crashes")
}

// Each operation, or one in seven, fails once or permanently, and the power is cut at the end.
func TestCommittedEntriesSurviveEveryFault(t *testing.T) {
	faults, step := 0, density.Of(t, 7, 1, 1)
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC, vfstest.ShortWrite(syscall.ENOSPC)} {
		for _, plan := range []func(int, error, ...vfstest.Op) vfstest.Plan{vfstest.FailNth, vfstest.FailFrom} {
			for n := 0; ; n += step {
				mem := vfstest.NewMem(vfstest.MemOptions{})
				fsys := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: plan(n, fault)})
				var c storeCourse
				if err := c.run(fsys); err != nil {
					require.ErrorIs(t, err, fault)
				}
				if fsys.Count() <= n {
					require.Zero(t, c.failures)
					break
				}
				faults++
				require.NoError(t, c.check(mem.CrashClone(vfstest.CrashOptions{Keep: 1})), "operation %d, %v", n, fault)
				for i, keep := range keeps(uint64(n)) {
					require.NoError(t, c.check(mem.CrashClone(keep)), "operation %d, %v, keep %d", n, fault, i)
				}
			}
		}
	}
	t.Log(faults, "faults")
}

func TestCommittedEntriesSurviveFullDisks(t *testing.T) {
	for room := int64(1); room < 200; room++ {
		mem := vfstest.NewMem(vfstest.MemOptions{MaxBytes: room})
		var c storeCourse
		if err := c.run(mem); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
		}
		require.NoError(t, c.check(mem.CrashClone(vfstest.CrashOptions{})), "%d bytes", room)
		require.Equal(t, room >= 2*entryBytes+2*3, c.failures == 0, "%d bytes, %d failures", room, c.failures)
	}
}

// An object store without locks can be a completed store too.
func TestStoreWithoutLocksIsFencedByAttempts(t *testing.T) {
	ctx := context.Background()
	objects := struct{ Objects }{newMemoryObjects(&memoryBudget{limitBytes: 1 << 20})}
	old, next := openStore(t, objects), openStore(t, objects)
	first := beginAttempt(t, old)
	require.NoError(t, old.Commit(ctx, Entry{ID: 1, Attempt: first}))
	second := beginAttempt(t, next)
	require.ErrorIs(t, old.Commit(ctx, Entry{ID: 2, Attempt: first}), ErrFenced)
	require.NoError(t, next.Commit(ctx, Entry{ID: 2, Attempt: second}))
	require.NoError(t, old.Close())
	require.Len(t, listEntries(t, next), 2)
}

// An object that is shorter than its listed size is damaged. The early end is not taken for the
// end of a list.
func TestEntryThatEndsEarlyIsDamaged(t *testing.T) {
	objects := shortObjects{newMemoryObjects(&memoryBudget{limitBytes: 1 << 20})}
	s := openStore(t, objects)
	require.NoError(t, s.Commit(context.Background(), Entry{ID: 1, Attempt: 1}))
	listed := listEntries(t, s)
	require.Len(t, listed, 1)
	require.ErrorIs(t, listed[0].Err, ErrCorrupt)
}

type shortObjects struct{ *memoryObjects }

func (o shortObjects) Open(ctx context.Context, name string) (snapshot.Object, error) {
	object, err := o.memoryObjects.Open(ctx, name)
	return shortObject{object}, err
}

type shortObject struct{ snapshot.Object }

func (o shortObject) ReadAt(b []byte, at int64) (int, error) {
	n, err := o.Object.ReadAt(b, at)
	if n > 10 {
		return 10, io.EOF
	}
	return n, err
}

func TestNamesOfTheStoreAreInOrder(t *testing.T) {
	last := ""
	for _, n := range []ID{1, 9, 10, 99, 1 << 40, 1 << 63, maxNumber} {
		require.Less(t, last, padded(n))
		require.Len(t, padded(n), 19)
		back, ok := parsePadded[ID](padded(n))
		require.True(t, ok)
		require.Equal(t, n, back)
		last = padded(n)
	}
	for _, s := range []string{"", "1", "0000000000000000000", "+000000000000000001", strings.Repeat("9", 20), "000000000000000000x"} {
		_, ok := parsePadded[ID](s)
		require.False(t, ok, s)
	}
}
