package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// rig is a coordinator whose queues the test controls. It is also its Tasks. Tests that wait run
// in a synctest bubble.
type rig struct {
	*Coordinator
	t       testing.TB
	events  []string // the calls of Tasks, since the last requireEvents
	reasons []error  // the reasons passed to Aborted and Fail
	stats   Stats    // of the newest complete checkpoint
	logged  []string

	mu      sync.Mutex
	spawned []func()
}

// unlimited returns objects in memory with practically no limit.
func unlimited() *memoryObjects { return newMemoryObjects(&memoryBudget{limitBytes: 1 << 40}) }

// storageOn returns a storage on objects with default options.
func storageOn(t testing.TB, objects Objects) *Storage {
	s, err := NewStorage(objects, StorageOptions{})
	require.NoError(t, err)
	return s
}

// newRig returns a coordinator, by default of the job "job" on objects in memory.
func newRig(t testing.TB, o Options) *rig {
	r := &rig{t: t}
	if o.Job == "" {
		o.Job = "job"
	}
	if o.Storage == nil {
		o.Storage = storageOn(t, unlimited())
	}
	o.spawn = func(f func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.spawned = append(r.spawned, f)
	}
	o.Logger = slog.New(rigLog{r})
	var err error
	r.Coordinator, err = NewCoordinator(context.Background(), o)
	require.NoError(t, err)
	return r
}

// again closes the coordinator and opens another one for the job, like a restarted process.
func (r *rig) again() *rig {
	require.NoError(r.t, r.Close())
	o := r.o
	o.Completed = nil
	return newRig(r.t, o)
}

// rigLog records the messages that a coordinator logs.
type rigLog struct{ r *rig }

func (l rigLog) Enabled(context.Context, slog.Level) bool { return true }
func (l rigLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l rigLog) WithGroup(string) slog.Handler            { return l }

func (l rigLog) Handle(_ context.Context, record slog.Record) error {
	l.r.logged = append(l.r.logged, record.Message)
	return nil
}

// Trigger implements Tasks. So do the next three methods.
func (r *rig) Trigger(t Trigger) {
	r.events = append(r.events, fmt.Sprintf("trigger %d on %d", t.ID, t.Base))
}

func (r *rig) Complete(s Stats) {
	r.stats = s
	r.events = append(r.events, fmt.Sprintf("complete %d", s.ID))
}

func (r *rig) Aborted(id ID, reason error) {
	r.reasons = append(r.reasons, reason)
	r.events = append(r.events, fmt.Sprintf("aborted %d", id))
}

func (r *rig) Fail(reason error) {
	r.reasons = append(r.reasons, reason)
	r.events = append(r.events, "fail")
}

// wait moves the clock, does everything that is due and returns the time until the next thing
// is.
func (r *rig) wait(a *Attempt, d time.Duration) time.Duration {
	time.Sleep(d)
	left := a.step()
	r.runQueued()
	return left
}

// runQueued runs all queued functions.
func (r *rig) runQueued() {
	for f := r.next(); f != nil; f = r.next() {
		f()
	}
}

// next removes and returns the first spawned function, or nil.
func (r *rig) next() (f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.spawned) > 0 {
		f, r.spawned = r.spawned[0], r.spawned[1:]
	}
	return f
}

// requireEvents runs all queued functions and compares the calls of Tasks since its last call.
func (r *rig) requireEvents(want ...string) {
	r.t.Helper()
	r.runQueued()
	require.Equal(r.t, want, r.events)
	r.events = nil
}

// requireReason compares the newest reason that was passed to Tasks.
func (r *rig) requireReason(want error) {
	r.t.Helper()
	require.NotEmpty(r.t, r.reasons)
	require.ErrorIs(r.t, r.reasons[len(r.reasons)-1], want)
}

// oneTask are the operators of a job with a single subtask.
var oneTask = []Subtasks{{"op", 1}}

// begin begins an attempt, by default with one subtask.
func (r *rig) begin(operators ...Subtasks) *Attempt {
	r.t.Helper()
	if operators == nil {
		operators = oneTask
	}
	a, err := r.Begin(context.Background(), r, operators)
	require.NoError(r.t, err)
	r.runQueued()
	return a
}

// trigger triggers a checkpoint.
func (r *rig) trigger(a *Attempt) ID {
	r.t.Helper()
	id, err := a.Trigger()
	require.NoError(r.t, err)
	r.runQueued()
	return id
}

// complete takes a checkpoint of a job with one subtask: one file and data.
func (r *rig) complete(a *Attempt, data string) ID {
	r.t.Helper()
	id := r.trigger(a)
	u := a.Upload(id, "op", 0)
	require.NoError(r.t, u.Acknowledge(r.write(u, u.Name(), 100), []byte(data)))
	r.runQueued()
	require.Equal(r.t, id, r.stats.ID)
	r.events = nil
	return id
}

// restart begins an attempt in a new coordinator.
func (r *rig) restart() (*rig, *Attempt) {
	r.t.Helper()
	next := r.again()
	return next, next.begin()
}

// write writes a file of the given size and returns its handle.
func (r *rig) write(u *Upload, name string, bytes int64) *snapshot.Handle {
	r.t.Helper()
	file, err := u.Create(u.Context(), name)
	require.NoError(r.t, err)
	_, err = file.Write(make([]byte, bytes))
	require.NoError(r.t, err)
	require.NoError(r.t, file.Commit())
	return handleOf(u, name, bytes)
}

// handleOf returns a handle with one file of the given size.
func handleOf(u *Upload, name string, bytes int64) *snapshot.Handle {
	space := backend.SubtaskKeyspace(u.at.subtask, 8, 8)
	return &snapshot.Handle{Keyspace: space, Files: []snapshot.FileRef{{Name: name, Size: bytes, Bounds: space.Groups}}}
}

// names returns the names of all objects except records of attempts.
func (r *rig) names() (names []string) {
	r.t.Helper()
	objects, err := r.o.Storage.objects.List(context.Background(), "")
	require.NoError(r.t, err)
	for _, o := range objects {
		if owner, ok := r.layout.ownerOf(o.Name); (!ok || owner.id > 0) && !o.isDirectory() {
			names = append(names, o.Name)
		}
	}
	return names
}

// ids returns the IDs of the complete checkpoints.
func (r *rig) ids() (ids []ID) {
	r.t.Helper()
	entries, err := r.completed.List(context.Background())
	require.NoError(r.t, err)
	for _, e := range entries {
		ids = append(ids, e.ID)
	}
	return ids
}

// replace replaces the content of an object by change(content), and removes the object if that
// is nil.
func (r *rig) replace(name string, change func([]byte) []byte) {
	r.t.Helper()
	ctx, objects := context.Background(), r.o.Storage.objects
	infos, err := objects.List(ctx, name)
	require.NoError(r.t, err)
	require.Len(r.t, infos, 1)
	data, err := readObject(ctx, objects, name, infos[0].Size)
	require.NoError(r.t, err)
	require.NoError(r.t, objects.Remove(ctx, name))
	if data = change(data); data != nil {
		require.NoError(r.t, writeObject(ctx, objects, name, data))
	}
}

// flip flips a bit in the middle of data.
func flip(data []byte) []byte {
	data[len(data)/2] ^= 1
	return data
}

// faultyObjects fail operations as fail decides. Operations that do not fail ignore the end of
// their context.
type faultyObjects struct {
	Objects
	fail func(op, name string) error // nil: nothing fails
}

func (m *faultyObjects) check(op, name string) error {
	if m.fail == nil {
		return nil
	}
	return m.fail(op, name)
}

func (m *faultyObjects) Create(ctx context.Context, name string) (snapshot.File, error) {
	if err := m.check("create", name); err != nil {
		return nil, err
	}
	return m.Objects.Create(context.WithoutCancel(ctx), name)
}

func (m *faultyObjects) Open(ctx context.Context, name string) (snapshot.Object, error) {
	if err := m.check("open", name); err != nil {
		return nil, err
	}
	return m.Objects.Open(ctx, name)
}

func (m *faultyObjects) List(ctx context.Context, prefix string) ([]ObjectInfo, error) {
	if err := m.check("list", prefix); err != nil {
		return nil, err
	}
	return m.Objects.List(ctx, prefix)
}

func (m *faultyObjects) Remove(ctx context.Context, name string) error {
	if err := m.check("remove", name); err != nil {
		return err
	}
	return m.Objects.Remove(ctx, name)
}

// errTest is the error that tests inject.
var errTest = errors.New("error of the test")
