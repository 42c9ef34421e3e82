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

// damagedStore is the disk of a store before the test damages it, and the content of the store.
type damagedStore struct {
	name   string
	o      Options
	disk   *vfstest.Mem
	dir    string
	states []storyState // the content after each write; the last one is the current content
	// floor is the index of the state that tables and ended logs hold. Damage to the last log loses at
	// most the later writes.
	floor int
	// unsynced is set if the log has unsynced records.
	unsynced bool
}

// damageStories holds programs that make the stores to damage, and their log modes. Together the stores
// have every kind of file.
var damageStories = map[string]struct {
	mode LogMode
	make func(t *testing.T, s *story) (disk *vfstest.Mem, floor int)
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
		crashed := s.disk().CrashClone(vfstest.CrashOptions{Keep: 1})
		require.NoError(t, s.db.Close())
		return crashed, s.acked
	}},
	"cut off, with a synced log":   {LogSynced, cutOffWithLogs},
	"cut off, with a buffered log": {LogBuffered, cutOffWithLogs},
}

// damageSteps makes several edits, tables on several levels, and tombstones of every kind. The picker
// of these stores picks nothing.
var damageSteps = []storyStep{
	open, put("a:1", "one"), put("a:2", "two"), add("b:1", "x"), put("b:2", strings.Repeat("long ", 60)), put("c:1", "see"), put("e:1", "e"),
	flush, compact, put("a:3", "three"), del("a:1"), add("b:1", "y"), put("d:1", "gone"), put("d:2", "gone"), flush, delPrefix("d:"), put("d:1", "back"),
	flush, delRange("e", "f"), put("x", "last"), flush, put("c:2", strings.Repeat("large ", storyLarge/5)), flush,
}

// cutOffWithLogs returns the disk of a store that was not closed and has several logs. All logs except
// the last have ended, and have entries that no table has. Only a log names one of the tables.
func cutOffWithLogs(t *testing.T, s *story) (crashed *vfstest.Mem, floor int) {
	require.NoError(t, s.play(damageSteps[:len(damageSteps)-2]))
	s.db.manifest.Lock() // blocks the flusher
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
	crashed = s.disk().CrashClone(vfstest.CrashOptions{Keep: 1})
	s.db.manifest.Unlock()
	require.NoError(t, s.db.Close())
	return crashed, floor
}

func (s *story) disk() *vfstest.Mem { return s.o.FS.(*vfstest.Mem) }

// newDamagedStore makes a store by a story. Each call makes the same files except for their identities.
func newDamagedStore(t *testing.T, name string) *damagedStore {
	s := newStory(t, vfstest.NewMem(vfstest.MemOptions{}), damageStories[name].mode, 300)
	s.o.Compression, s.o.Picker = []Compression{S2}, idle{}
	disk, floor := damageStories[name].make(t, s)
	require.NoError(t, s.wrong)
	d := &damagedStore{
		name: name, o: s.o, disk: disk, dir: storyDir, states: s.states, floor: floor, unsynced: s.o.Log == LogBuffered,
	}
	j := d.checkAndRead(d.disk.CrashClone(vfstest.CrashOptions{}))
	require.NoError(t, j.err)
	require.NoError(t, j.checkErr)
	require.Equal(t, len(d.states)-1, d.stateOf(j))
	for _, name := range slices.Concat(j.report.Leftovers, j.report.Lost) { // files of an interrupted flush
		require.NoError(t, d.disk.Remove(d.path(name)))
	}
	return d
}

// files returns the names of the store's files, without the lock.
func (d *damagedStore) files(t *testing.T) (names []string) {
	names, err := d.disk.List(d.dir)
	require.NoError(t, err)
	return slices.DeleteFunc(names, func(name string) bool { return name == directory.LockName })
}

func (d *damagedStore) path(name string) string { return filepath.Join(d.dir, name) }

// withFile returns a copy of the disk with another content of one file. If content is nil, the file is
// missing.
func (d *damagedStore) withFile(t *testing.T, name string, content []byte) *vfstest.Mem {
	disk := d.disk.CrashClone(vfstest.CrashOptions{})
	require.NoError(t, disk.Remove(d.path(name)))
	if content != nil {
		writeFile(t, disk, d.path(name), content)
	}
	return disk
}

// outcome is the result of checking, opening and reading a damaged store.
type outcome struct {
	report         *Report
	checkErr       error
	err            error // of Open, reads or Close
	state          storyState
	allocatedBytes uint64 // allocated in total, also if freed since
}

// checkAndRead checks a store, opens it and reads all entries in several ways.
func (d *damagedStore) checkAndRead(disk *vfstest.Mem) (j outcome) {
	o := d.o
	o.FS = disk
	j.allocatedBytes = allocatedIn(func() {
		j.report, j.checkErr = Check(context.Background(), d.dir, o)
		var db *DB
		if db, j.err = Open(context.Background(), d.dir, o); j.err == nil {
			j.state, j.err = readInEveryWay(db)
			j.err = errors.Join(j.err, db.Close())
		}
	})
	return j
}

// readInEveryWay reads all entries by scans and Get, and by prefix iterators, and compares the results.
func readInEveryWay(db *DB) (storyState, error) {
	all, err := scanned(db)
	if err != nil {
		return nil, err
	}
	byPrefix := storyState{}
	for _, prefix := range []string{"a:", "b:", "c:", "d:", "e:", "x"} {
		it, err := db.Prefix([]byte(prefix))
		if err != nil {
			return nil, err
		}
		got, err := readAllOf(it)
		if err != nil {
			return nil, err
		}
		maps.Copy(byPrefix, got)
	}
	if !maps.Equal(byPrefix, all) {
		return nil, errors.New("prefix iterators and the scan return different entries")
	}
	return all, nil
}

// stateOf returns the index of the last state that equals the content of the outcome, or -1.
func (d *damagedStore) stateOf(j outcome) int {
	for i := len(d.states) - 1; i >= 0; i-- {
		if maps.Equal(d.states[i], j.state) {
			return i
		}
	}
	return -1
}

// require checks the rules for damage to any file. Either opening or reading returns a typed error, and
// Check names file; or the content is one of the states from floor on. The store must not allocate
// memory for sizes that only the damaged file claims.
func (d *damagedStore) require(t *testing.T, j outcome, file string, floor int, damage string) {
	t.Helper()
	const maxBytes = 64 << 20 // includes other stores that are checked at the same time
	require.Less(t, j.allocatedBytes, uint64(maxBytes), damage)
	if j.err == nil {
		require.GreaterOrEqual(t, d.stateOf(j), floor, damage)
		return
	}
	require.True(t, isTyped(j.err), "%s: %v", damage, j.err)
	requireReported(t, j, file, damage)
}

// requireReported requires that Check has reported a problem of the file.
func requireReported(t *testing.T, j outcome, file, damage string) {
	t.Helper()
	require.ErrorIs(t, j.checkErr, ErrCorrupt, damage)
	require.True(t, slices.ContainsFunc(j.report.Problems, func(p Problem) bool { return p.File == file }), damage)
	for _, p := range j.report.Problems {
		require.True(t, isTyped(p.Err))
	}
}

func isTyped(err error) bool { return errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion) }
