package checkpoint

import (
	"context"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs/vfstest"
)

// rewriteEntry replaces the entry of a checkpoint by one for changed metadata.
func (r *rig) rewriteEntry(id ID, metadata []byte) {
	r.t.Helper()
	ctx := context.Background()
	require.NoError(r.t, r.completed.Remove(ctx, id))
	number, err := r.completed.Begin(ctx)
	require.NoError(r.t, err)
	require.NoError(r.t, r.completed.Commit(ctx, Entry{ID: id, Attempt: number, Size: int64(len(metadata)), Checksum: xxhash.Sum64(metadata)}))
}

func TestDamagedCheckpointIsSkippedAndReported(t *testing.T) {
	for name, damage := range map[string]func(*rig){
		"entry flipped":     func(r *rig) { r.replace("job/completed/"+padded(ID(3)), flip) },
		"entry cut":         func(r *rig) { r.replace("job/completed/"+padded(ID(3)), func(b []byte) []byte { return b[:9] }) },
		"metadata flipped":  func(r *rig) { r.replace(r.layout.metadata(3), flip) },
		"metadata cut":      func(r *rig) { r.replace(r.layout.metadata(3), func(b []byte) []byte { return b[:9] }) },
		"metadata extended": func(r *rig) { r.replace(r.layout.metadata(3), func(b []byte) []byte { return append(b, 0) }) },
		"metadata gone":     func(r *rig) { r.replace(r.layout.metadata(3), func([]byte) []byte { return nil }) },
		"metadata exchanged": func(r *rig) {
			r.replace(r.layout.metadata(3), func([]byte) []byte { return r.read(r.layout.metadata(2)) })
		},
		"sound metadata that was not committed": func(r *rig) {
			r.replace(r.layout.metadata(3), func(b []byte) []byte {
				c, err := Decode(b)
				require.NoError(r.t, err)
				c.Triggered = c.Triggered.Add(time.Second)
				b, err = encode(c)
				require.NoError(r.t, err)
				return b
			})
		},
		"metadata and entry of another": func(r *rig) {
			other := r.read(r.layout.metadata(2))
			r.replace(r.layout.metadata(3), func([]byte) []byte { return other })
			r.rewriteEntry(3, other)
		},
		"damage under a right checksum": func(r *rig) {
			r.replace(r.layout.metadata(3), flip)
			r.rewriteEntry(3, r.read(r.layout.metadata(3)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{Retain: 3})
			a := r.begin()
			for range 3 {
				r.complete(a, "")
			}
			damage(r)
			for range 2 { // until a newer checkpoint is complete
				r, a = r.restart()
				require.Equal(t, ID(2), a.Restored().ID)
				require.Len(t, a.Skipped(), 1)
				require.ErrorContains(t, a.Skipped()[0], "checkpoint 3")
				require.Contains(t, r.logged, "checkpoint skipped")
				require.Equal(t, []ID{1, 2, 3}, r.ids())
			}
			require.Equal(t, ID(4), r.complete(a, ""))
		})
	}
}

// read returns the content of an object.
func (r *rig) read(name string) []byte {
	r.t.Helper()
	infos, err := r.o.Storage.objects.List(context.Background(), name)
	require.NoError(r.t, err)
	require.Len(r.t, infos, 1)
	data, err := readObject(context.Background(), r.o.Storage.objects, name, infos[0].Size)
	require.NoError(r.t, err)
	return data
}

// A job without checkpoints starts empty. A job whose checkpoints are all damaged must not.
func TestJobWhoseCheckpointsAreAllDamagedDoesNotBegin(t *testing.T) {
	r := newRig(t, Options{Retain: 2})
	a := r.begin()
	r.complete(a, "")
	r.complete(a, "")
	before := r.names()
	r.replace(r.layout.metadata(1), flip)
	r.replace("job/completed/"+padded(ID(2)), flip)
	r = r.again()
	_, err := r.Begin(context.Background(), r, oneTask)
	require.ErrorIs(t, err, ErrNotRestorable)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "checkpoint 1")
	require.ErrorContains(t, err, "checkpoint 2")
	r.runQueued()
	require.Equal(t, before, r.names(), "nothing is lost")
	r.replace(r.layout.metadata(1), flip) // undoes the damage
	a = r.again().begin()
	require.Equal(t, ID(1), a.Restored().ID)
}

// A checkpoint that may be readable later must not be skipped: the job would go back further
// than necessary.
func TestTransientErrorFailsBeginAndSkipsNothing(t *testing.T) {
	for _, broken := range []string{"open job/chk-2/_metadata", "open job/completed/" + padded(ID(2)), "list job/completed", "list job/"} {
		objects := &faultyObjects{Objects: unlimited()}
		r := newRig(t, Options{Storage: storageOn(t, objects), Retain: 2})
		a := r.begin()
		r.complete(a, "")
		r.complete(a, "")
		objects.fail = func(op, name string) error {
			if op+" "+name == broken {
				return errTest
			}
			return nil
		}
		_, err := r.Begin(context.Background(), r, oneTask)
		require.ErrorIs(t, err, errTest, broken)
		require.NotErrorIs(t, err, ErrNotRestorable)
		_, err = a.Trigger()
		require.Error(t, err, "the previous attempt is over")
		objects.fail = nil
		require.Equal(t, ID(2), r.begin().Restored().ID)
		require.Len(t, r.ids(), 2)
	}
}

func TestCheckpointOfALaterVersionIsNotSkipped(t *testing.T) {
	later := func(b []byte) []byte {
		b[len(metadataMagic)+1] = newestVersion + 1
		return reseal(b)
	}
	for name, change := range map[string]func(*rig){
		"entry": func(r *rig) { r.replace("job/completed/"+padded(ID(2)), later) },
		"metadata": func(r *rig) {
			r.replace(r.layout.metadata(2), later)
			r.rewriteEntry(2, r.read(r.layout.metadata(2)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{Retain: 2})
			a := r.begin()
			r.complete(a, "")
			r.complete(a, "")
			change(r)
			_, err := r.Begin(context.Background(), r, oneTask)
			require.ErrorIs(t, err, ErrVersion)
			require.NotErrorIs(t, err, ErrNotRestorable)
		})
	}
}

func TestFolderOfAnotherJobIsRefused(t *testing.T) {
	ctx := context.Background()
	objects := unlimited()
	other := newRig(t, Options{Job: "other", Storage: storageOn(t, objects)})
	other.complete(other.begin(), "")
	for _, name := range other.names() {
		require.NoError(t, writeObject(ctx, objects, "job"+name[len("other"):], other.read(name)))
	}
	r := newRig(t, Options{Storage: storageOn(t, objects)})
	_, err := r.Begin(ctx, r, oneTask)
	require.ErrorIs(t, err, ErrForeign)
	require.ErrorContains(t, err, "other")
	require.Len(t, r.ids(), 1)
}

func TestBeginNeedsTheOperatorsOfTheCheckpoint(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin(Subtasks{"empty", 1}, Subtasks{"offsets", 1}, Subtasks{"op", 1})
	id := r.trigger(a)
	u := a.Upload(id, "op", 0)
	require.NoError(t, a.Upload(id, "empty", 0).Acknowledge(nil, nil))
	require.NoError(t, a.Upload(id, "offsets", 0).Acknowledge(nil, []byte("7")))
	require.NoError(t, u.Acknowledge(r.write(u, u.Name(), 1), nil))
	r.runQueued()
	ctx := context.Background()
	for _, without := range [][]Subtasks{{{"offsets", 1}}, {{"op", 1}}} {
		_, err := r.Begin(ctx, r, without)
		require.ErrorIs(t, err, ErrOperator)
	}
	a, err := r.Begin(ctx, r, []Subtasks{{"offsets", 3}, {"op", 2}, {"new", 1}})
	require.NoError(t, err)
	require.Equal(t, id, a.Restored().ID)
	r.o.AllowUnclaimed = true
	a, err = r.Begin(ctx, r, []Subtasks{{"new", 1}})
	require.NoError(t, err)
	require.Equal(t, id, a.Restored().ID)
}

func TestIDsAscendOverAttemptsAndRestarts(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{TolerableFailures: 9})
	a := r.begin()
	last := r.complete(a, "")
	next := func() {
		t.Helper()
		id := r.trigger(a)
		require.Equal(t, last+1, id)
		last = id
	}
	next() // aborted without leaving an object, in one process
	a = r.begin()
	next()
	a.Upload(last, "op", 0).Decline(errTest)
	next()
	require.NoError(t, a.Upload(last, "op", 0).Acknowledge(nil, nil))
	r, a = r.restart() // complete
	next()
	require.NoError(t, r.Close())
	for _, trace := range []string{
		"job/chk-20/_metadata", "job/chk-25/3-op-0", "job/completed/" + padded(ID(29)),
	} {
		require.NoError(t, writeObject(ctx, r.o.Storage.objects, trace, nil))
	}
	r = newRigOn(r)
	a = r.begin()
	last = 29
	next()
}

func TestNamesWithImpossibleNumbersAreIgnored(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	r.complete(r.begin(), "")
	require.NoError(t, r.Close())
	for _, number := range []string{"0", "-1", "18446744073709551615", "10000000000000000000", "18446744073709551616"} {
		require.NoError(t, writeObject(ctx, r.o.Storage.objects, "job/chk-"+number+"/_metadata", nil))
	}
	r = newRigOn(r)
	require.Equal(t, ID(2), r.complete(r.begin(), ""))
	require.NoError(t, writeObject(ctx, r.o.Storage.objects, fmt.Sprintf("job/chk-%d/_metadata", uint64(maxNumber)), nil))
	_, err := r.Begin(ctx, r, oneTask)
	require.ErrorIs(t, err, ErrCorrupt, "no higher number exists")
}

func TestCheckpointMarkedUnrestorableIsNotRestoredAgain(t *testing.T) {
	r := newRig(t, Options{Retain: 2})
	a := r.begin()
	r.complete(a, "")
	r.complete(a, "")
	r.MarkUnrestorable(2, errTest)
	a = r.begin()
	require.Equal(t, ID(1), a.Restored().ID)
	require.ErrorIs(t, a.Skipped()[0], errTest)
	r.MarkUnrestorable(1, errTest)
	_, err := r.Begin(context.Background(), r, oneTask)
	require.ErrorIs(t, err, ErrNotRestorable)
	require.Equal(t, []ID{1, 2}, r.ids())
}

func TestSourceHasTheFilesOfTheRestoredCheckpointOnly(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	a := r.begin()
	_, err := a.Source().Open(ctx, "1-op-0")
	require.ErrorIs(t, err, fs.ErrNotExist)
	r.complete(a, "")
	a = r.begin()
	_, err = a.Source().Open(ctx, "1-op-0")
	require.NoError(t, err)
	_, err = a.Source().Open(ctx, "1-op-1")
	require.ErrorIs(t, err, fs.ErrNotExist)
	for _, name := range []string{"", "..", "../chk-1/_metadata", "/etc/passwd", "a/b"} {
		_, err = a.Source().Open(ctx, name)
		require.ErrorIs(t, err, snapshot.ErrName)
	}
}

// modelRun runs a model job under a rig without faults.
type modelRun struct {
	*rig
	attempt *Attempt
	tasks   []*modelTask
	moments map[ID]*moment
}

// beginModel begins an attempt, restores the subtasks and compares them with the model.
func (m *modelRun) beginModel(operators []Subtasks) {
	m.t.Helper()
	m.attempt = m.begin(operators...)
	restored := m.attempt.Restored()
	var was *moment
	if restored != nil {
		was = m.moments[restored.ID]
	}
	var err error
	m.tasks, err = beginTasks(m.attempt.Source(), restored, was, operators)
	require.NoError(m.t, err)
}

// write changes the state of all subtasks.
func (m *modelRun) write(seed int64) {
	m.t.Helper()
	for i, key := range modelKeys {
		for _, t := range m.tasks {
			require.NoError(m.t, t.write(key, (seed+int64(i))%5))
		}
	}
}

// checkpoint takes a checkpoint of the model job.
func (m *modelRun) checkpoint() ID {
	m.t.Helper()
	id := m.trigger(m.attempt)
	m.moments[id] = newMoment(len(m.tasks))
	for _, t := range m.tasks {
		m.moments[id].add(t)
		frozen, err := t.freeze()
		require.NoError(m.t, err)
		u := m.attempt.Upload(id, t.operator, t.subtask)
		h, err := frozen.write(u)
		require.NoError(m.t, err)
		require.NoError(m.t, u.Acknowledge(h, frozen.data))
	}
	m.runQueued()
	require.Equal(m.t, id, m.stats.ID)
	return id
}

func TestBackendsRestoreAtAnyParallelism(t *testing.T) {
	files, err := FilesOn(vfstest.NewMem(vfstest.MemOptions{}), "checkpoints")
	require.NoError(t, err)
	for name, storage := range map[string]*Storage{
		"memory": NewMemory(MemoryOptions{}), "files": storageWithout(t, files), "inline": storageOn(t, unlimited()),
	} {
		t.Run(name, func(t *testing.T) {
			m := &modelRun{rig: newRig(t, Options{Storage: storage}), moments: make(map[ID]*moment)}
			for i, p := range []int{1, 1, 3, 3, 2, 4, 1} {
				m.beginModel(modelOperators(p, 1+p%2, 1))
				require.Equal(t, i > 0, m.attempt.Restored() != nil)
				m.write(int64(i))
				m.checkpoint()
				m.write(int64(i + 1))
			}
		})
	}
}
