package checkpoint

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// Each test in this file reproduces a bug that another system had, and names the code that
// protects Weir from it. Each was seen to fail without that code.

// modelOn returns a model job on a disk whose power can be cut.
func modelOn(t *testing.T, mem *vfstest.Mem, moments map[ID]*moment) *modelRun {
	files, err := FilesOn(mem, "checkpoints")
	require.NoError(t, err)
	return &modelRun{rig: newRig(t, Options{Storage: storageWithout(t, files), Retain: 2}), moments: moments}
}

// requireSurvives checks that after a power cut, which keeps only synced data, the job
// continues from the given checkpoint.
func (m *modelRun) requireSurvives(mem *vfstest.Mem, id ID) {
	m.t.Helper()
	after := modelOn(m.t.(*testing.T), mem.CrashClone(vfstest.CrashOptions{}), m.moments)
	after.beginModel(modelOperators(2, 1, 1))
	require.NotNil(m.t, after.attempt.Restored())
	require.Equal(m.t, id, after.attempt.Restored().ID)
	require.Empty(m.t, after.attempt.Skipped())
}

// FLINK-35217, FLINK-36421: metadata referred to files that were not synced. Protection:
// Draft.Commit syncs the content before it links the name, and Upload.part accepts only
// committed files.
func TestBug10MetadataListsOnlyDurableFiles(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	m := modelOn(t, mem, make(map[ID]*moment))
	m.beginModel(modelOperators(2, 1, 1))
	for i := range 3 {
		m.write(int64(i))
		m.requireSurvives(mem, m.checkpoint())
	}
	u := m.attempt.Upload(m.trigger(m.attempt), "counts", 0)
	file, err := u.Create(context.Background(), u.Name())
	require.NoError(t, err)
	_, err = file.Write(make([]byte, 10))
	require.NoError(t, err)
	require.Error(t, u.Acknowledge(handleOf(u, u.Name(), 10), nil))
	m.runQueued()
	require.Equal(t, "aborted 4", m.events[len(m.events)-2])
}

// FLINK-5940, FLINK-5942: one damaged entry kept the job from recovering. The fix that removed
// such entries lost good ones (FLINK-7783). Protection: chooseRestored skips checkpoints that
// isUnrestorable reports, entries.List returns damage as Entry.Err, and outdated keeps both.
func TestBug12DamagedEntryIsSkippedReportedAndKept(t *testing.T) {
	r := newRig(t, Options{Retain: 2})
	a := r.begin()
	r.complete(a, "first")
	r.complete(a, "second")
	r.replace("job/completed/"+padded(ID(2)), flip)
	r, a = r.restart()
	require.Equal(t, ID(1), a.Restored().ID)
	require.ErrorIs(t, a.Skipped()[0], ErrCorrupt)
	require.Contains(t, r.logged, "checkpoint skipped")
	r.complete(a, "third")
	r.replace("job/completed/"+padded(ID(3)), flip) // while the job runs
	for range 3 {
		r.complete(a, "")
	}
	require.Equal(t, []ID{2, 3, 5, 6}, r.ids())
}

// FLINK-14091: the counter of IDs was lost with a connection. Protection: each Begin reads the
// next ID from the names of all objects, fails if it cannot, and never lowers it.
func TestBug13IDsAscendAfterErrorsOfTheStore(t *testing.T) {
	objects := &faultyObjects{Objects: unlimited()}
	r := newRig(t, Options{Storage: storageOn(t, objects), TolerableFailures: 9})
	a := r.begin()
	last := r.complete(a, "")
	for _, lost := range []struct {
		call string
		time int // from 1
	}{
		{"list job/", 1}, {"list job/completed", 1}, {"list job/completed", 2}, {"list job/attempts", 1}, {"create job/attempts/", 1},
	} {
		calls := 0
		objects.fail = func(op, name string) error {
			if call := op + " " + name; call == lost.call || op == "create" && strings.HasPrefix(call, lost.call) {
				if calls++; calls == lost.time {
					return errTest
				}
			}
			return nil
		}
		_, err := r.Begin(context.Background(), r, oneTask)
		require.ErrorIs(t, err, errTest, lost)
		objects.fail = nil
		a = r.begin()
		aborted := r.trigger(a)
		require.Greater(t, aborted, last)
		a.Upload(aborted, "op", 0).Decline(errTest)
		a = r.begin() // the aborted checkpoint has left no object
		id := r.complete(a, "")
		require.Greater(t, id, aborted)
		r, a = r.restart()
		last = r.complete(a, "")
		require.Greater(t, last, id)
	}
}

// FLINK-4201: suspending a job removed its checkpoints. Protection: Close only ends the attempt
// and waits; only Discard removes retained checkpoints.
func TestBug14CloseDeletesNoCheckpoint(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	m := modelOn(t, mem, make(map[ID]*moment))
	m.beginModel(modelOperators(2, 1, 1))
	m.checkpoint()
	id := m.checkpoint()
	before := m.names()
	m.trigger(m.attempt)
	require.NoError(t, m.Close())
	require.Equal(t, before, m.names())
	m.requireSurvives(mem, id)
}

// KAFKA-20685, KAFKA-7192: offsets in a file of their own were ahead of the state. Protection:
// the data and files of a subtask are in one acknowledgement, all acknowledgements in one
// metadata object, and one entry commits it.
func TestBug18OffsetsMatchTheStateAfterEveryCrash(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	moments := make(map[ID]*moment)
	m := &modelRun{moments: moments}
	crashes := 0
	fsys := vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: func(vfstest.Op, string) {
		for _, keep := range []float64{0, 1} {
			crashes++
			after := modelOn(t, mem.CrashClone(vfstest.CrashOptions{Keep: keep}), moments)
			after.beginModel(modelOperators(1, 2, 1)) // compares offsets and state
			require.Empty(t, after.attempt.Skipped())
		}
	}})
	files, err := FilesOn(fsys, "checkpoints")
	require.NoError(t, err)
	m.rig = newRig(t, Options{Storage: storageWithout(t, files)})
	m.beginModel(modelOperators(2, 1, 1))
	for i := range 3 {
		m.write(int64(i))
		m.checkpoint()
	}
	require.Greater(t, crashes, 100)

	// Files without an entry are never restored.
	require.NoError(t, m.completed.Remove(context.Background(), 3))
	r := m.again()
	require.Nil(t, r.begin(modelOperators(1, 1, 1)...).Restored())
	require.Empty(t, r.names())
}

// rocksdb#10573, leveldb#195: the directory of a durable file was not synced. Protection:
// Draft.Commit syncs the directory, and Files.makeDir its parents.
func TestBug20NamesOfFilesAreDurable(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	files, err := FilesOn(mem, "a/b")
	require.NoError(t, err)
	for _, name := range []string{"job/one", "job/chk-1/two", "job/chk-1/three", "job/chk-2/x/four"} {
		require.NoError(t, writeObject(context.Background(), files, name, []byte(name)))
		after, err := FilesOn(mem.CrashClone(vfstest.CrashOptions{}), "a/b")
		require.NoError(t, err)
		data, err := readObject(context.Background(), after, name, int64(len(name)))
		require.NoError(t, err)
		require.Equal(t, name, string(data))
	}
}

// cockroach#103966: two processes worked on one directory. Protection: openEntries takes a lock
// first.
func TestBug27SecondProcessIsLockedOut(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	open := func() (*Coordinator, error) {
		files, err := NewFiles(dir)
		require.NoError(t, err)
		return NewCoordinator(ctx, Options{Job: "job", Storage: storageOn(t, files)})
	}
	first, err := open()
	require.NoError(t, err)
	_, err = first.Begin(ctx, newRig(t, Options{}), oneTask)
	require.NoError(t, err)
	for range 2 {
		_, err = open()
		require.ErrorIs(t, err, ErrLocked)
	}
	require.NoError(t, first.Close())
	second, err := open()
	require.NoError(t, err)
	a, err := second.Begin(ctx, newRig(t, Options{}), oneTask)
	require.NoError(t, err)
	require.Equal(t, "2", fmt.Sprint(a.ID()))
	require.NoError(t, second.Close())
}
