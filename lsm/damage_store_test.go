package lsm

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/vfs/vfstest"
)

// damagedStore is the disk of a store before it is damaged, and what there is to
// read from it.
type damagedStore struct {
	name   string
	o      Options
	disk   *vfstest.Mem
	dir    string
	states []storyState // after each write; the last one is what it has
	// floor is the state behind which nothing that is lost of the logs goes: what
	// tables have, and logs that have ended.
	floor int
	// unsynced is set if the log has things that no sync has covered.
	unsynced bool
}

// damageStories are lives of stores that have every kind of file, and the modes of
// their logs.
var damageStories = map[string]struct {
	mode LogMode
	make func(t *testing.T, s *story) (left *vfstest.Mem, floor int)
}{
	"closed, without a log": {LogOff, func(t *testing.T, s *story) (*vfstest.Mem, int) {
		require.NoError(t, s.play(append(slices.Clone(damageSteps), closeStore)))
		return s.disk().CrashClone(vfstest.CrashOptions{Keep: 1}), s.acked
	}},
	"closed, with a log": {LogSynced, func(t *testing.T, s *story) (*vfstest.Mem, int) {
		require.NoError(t, s.play(append(slices.Clone(damageSteps), closeStore)))
		return s.disk().CrashClone(vfstest.CrashOptions{Keep: 1}), s.acked
	}},
	"cut off, without a log": {LogOff, func(t *testing.T, s *story) (*vfstest.Mem, int) {
		require.NoError(t, s.play(damageSteps))
		left := s.disk().CrashClone(vfstest.CrashOptions{Keep: 1})
		require.NoError(t, s.db.Close())
		return left, s.acked
	}},
	"cut off, with a synced log":   {LogSynced, cutOffWithLogs},
	"cut off, with a buffered log": {LogBuffered, cutOffWithLogs},
}

// damageSteps make several edits, levels, and tombstones of every kind. The
// picker of these stores picks nothing.
var damageSteps = []storyStep{
	open, put("a:1", "one"), put("a:2", "two"), add("b:1", "x"), put("b:2", strings.Repeat("long ", 60)), put("c:1", "see"), put("e:1", "e"),
	flush, compact, put("a:3", "three"), del("a:1"), add("b:1", "y"), put("d:1", "gone"), put("d:2", "gone"), flush, delPrefix("d:"), put("d:1", "back"),
	flush, delRange("e", "f"), put("x", "last"), flush, put("c:2", strings.Repeat("large ", storyLarge/5)), flush,
}

// cutOffWithLogs cuts off a store with several logs. All logs except the last have ended, and have
// entries that no table has. One table is named only by a log.
func cutOffWithLogs(t *testing.T, s *story) (left *vfstest.Mem, floor int) {
	require.NoError(t, s.play(damageSteps[:len(damageSteps)-2]))
	s.db.manifest.Lock() // the flusher gets no further
	for _, step := range []storyStep{
		put("a:4", strings.Repeat("fill ", 80)), add("b:1", "z"), batchOf("b:", "batch"),
		put("c:2", strings.Repeat("large ", storyLarge/5)), del("a:2"), delRange("c", "d"), put("c:3", "new"),
	} {
		log := s.db.logs.number
		require.NoError(t, step(s))
		if s.db.logs.number > log {
			floor = s.acked - 1 // the log ended before this write, or with it
		}
	}
	require.Positive(t, floor)
	require.NoError(t, s.db.logs.w.Flush())
	left = s.disk().CrashClone(vfstest.CrashOptions{Keep: 1})
	s.db.manifest.Unlock()
	require.NoError(t, s.db.Close())
	return left, floor
}

func (s *story) disk() *vfstest.Mem { return s.o.FS.(*vfstest.Mem) }

// newDamagedStore makes a store by a story. Each call makes files that say the
// same, but for their identities.
func newDamagedStore(t *testing.T, name string) *damagedStore {
	s := newStory(t, vfstest.NewMem(vfstest.MemOptions{}), damageStories[name].mode, 300)
	s.o.Compression, s.o.Picker = []Compression{S2}, idle{}
	disk, floor := damageStories[name].make(t, s)
	require.NoError(t, s.wrong)
	d := &damagedStore{
		name: name, o: s.o, disk: disk, dir: storyDir, states: s.states, floor: floor, unsynced: s.o.Log == LogBuffered,
	}
	j := d.judge(d.disk.CrashClone(vfstest.CrashOptions{}))
	require.NoError(t, j.err)
	require.NoError(t, j.checkErr)
	require.Equal(t, len(d.states)-1, d.stateOf(j))
	for _, name := range slices.Concat(j.report.Leftovers, j.report.Lost) { // what a flush had begun
		require.NoError(t, d.disk.Remove(d.path(name)))
	}
	return d
}

// files are those of the store, but for the lock.
func (d *damagedStore) files(t *testing.T) (names []string) {
	names, err := d.disk.List(d.dir)
	require.NoError(t, err)
	return slices.DeleteFunc(names, func(name string) bool { return name == directory.LockName })
}

func (d *damagedStore) path(name string) string { return filepath.Join(d.dir, name) }

// with is the disk with content in the place of a file; nil takes the file away.
func (d *damagedStore) with(t *testing.T, name string, content []byte) *vfstest.Mem {
	disk := d.disk.CrashClone(vfstest.CrashOptions{})
	require.NoError(t, disk.Remove(d.path(name)))
	if content != nil {
		writeFile(t, disk, d.path(name), content)
	}
	return disk
}

// judgement is what is said of a damaged store.
type judgement struct {
	report   *Report
	checkErr error
	err      error // of opening or reading
	state    storyState
	took     uint64 // bytes of memory, freed or not
}

// judge checks a store, then opens it and reads all of it in every way.
func (d *damagedStore) judge(disk *vfstest.Mem) (j judgement) {
	o := d.o
	o.FS = disk
	j.took = allocatedIn(func() {
		j.report, j.checkErr = Check(context.Background(), d.dir, o)
		var db *DB
		if db, j.err = Open(context.Background(), d.dir, o); j.err == nil {
			j.state, j.err = readInEveryWay(db)
			j.err = errors.Join(j.err, db.Close())
		}
	})
	return j
}

// readInEveryWay gets every key, and scans everything, and each prefix.
func readInEveryWay(db *DB) (storyState, error) {
	all, err := scanned(db)
	if err != nil {
		return nil, err
	}
	of := storyState{}
	for _, prefix := range []string{"a:", "b:", "c:", "d:", "e:", "x"} {
		it, err := db.Prefix([]byte(prefix))
		if err != nil {
			return nil, err
		}
		got, err := readAllOf(it)
		if err != nil {
			return nil, err
		}
		maps.Copy(of, got)
	}
	if !maps.Equal(of, all) {
		return nil, errors.New("scans of prefixes give something else")
	}
	return all, nil
}

// stateOf is which of its states a store has; -1 for none.
func (d *damagedStore) stateOf(j judgement) int {
	for i := len(d.states) - 1; i >= 0; i-- {
		if maps.Equal(d.states[i], j.state) {
			return i
		}
	}
	return -1
}

// require checks the rules for any damage to a file. The result is an error that describes the
// damage and that Check returns too, or the state of the store, or an earlier state not before
// floor. No memory is allocated for missing bytes.
func (d *damagedStore) require(t *testing.T, j judgement, file string, floor int, what string) {
	t.Helper()
	const maxBytes = 64 << 20 // includes other stores that are checked at the same time
	require.Less(t, j.took, uint64(maxBytes), what)
	if j.err == nil {
		require.GreaterOrEqual(t, d.stateOf(j), floor, what)
		return
	}
	require.True(t, isTyped(j.err), "%s: %v", what, j.err)
	requireSeen(t, j, file, what)
}

// requireSeen wants Check to name the file.
func requireSeen(t *testing.T, j judgement, file, what string) {
	t.Helper()
	require.ErrorIs(t, j.checkErr, ErrCorrupt, what)
	require.True(t, slices.ContainsFunc(j.report.Problems, func(p Problem) bool { return p.File == file }), what)
	for _, p := range j.report.Problems {
		require.True(t, isTyped(p.Err))
	}
}

func isTyped(err error) bool { return errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion) }
