package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
)

const job = "flights"

// tasks are those of a job with one subtask, without state.
type tasks struct{ triggered chan checkpoint.Trigger }

func (t tasks) Trigger(trigger checkpoint.Trigger) { t.triggered <- trigger }
func (tasks) Complete(checkpoint.Stats)            {}
func (tasks) Aborted(checkpoint.ID, error)         {}
func (tasks) Fail(error)                           {}

// attempt begins an attempt of the job, takes a checkpoint and ends. It returns the number of the
// attempt, the restored checkpoint and the new one.
func attempt(t *testing.T, o checkpoint.Options) (number checkpoint.AttemptID, restored, taken checkpoint.ID) {
	o.Job, o.Retain = job, 2
	c, err := checkpoint.NewCoordinator(t.Context(), o)
	require.NoError(t, err)
	s := tasks{make(chan checkpoint.Trigger, 1)}
	a, err := c.Begin(t.Context(), s, []checkpoint.Subtasks{{Operator: "source", Parallelism: 1}})
	require.NoError(t, err)
	if r := a.Restored(); r != nil {
		restored = r.ID
	}
	acknowledged := make(chan error, 1)
	go func() {
		trigger := <-s.triggered
		acknowledged <- a.Upload(trigger.ID, "source", 0).Acknowledge(nil, []byte("position"))
	}()
	stats, err := a.TriggerAndWait(t.Context())
	require.NoError(t, err)
	require.NoError(t, <-acknowledged)
	require.NoError(t, c.Close())
	return a.ID(), restored, stats.ID
}

// directory returns the URL of a new directory, and the storage in it.
func directory(t *testing.T) (string, *checkpoint.Storage) {
	u := url.URL{Scheme: "file", Path: "/" + filepath.ToSlash(t.TempDir())}
	if u.Path[:2] == "//" {
		u.Path = u.Path[1:]
	}
	objects, err := checkpoint.OpenObjects(t.Context(), u.String())
	require.NoError(t, err)
	storage, err := checkpoint.NewStorage(objects, checkpoint.StorageOptions{})
	require.NoError(t, err)
	return u.String(), storage
}

func TestJobContinuesAfterCopy(t *testing.T) {
	from, source := directory(t)
	attempt(t, checkpoint.Options{Storage: source})
	attempt(t, checkpoint.Options{Storage: source})
	to, target := directory(t)
	require.NoError(t, run(t.Context(), job, from, to, ""))

	number, restored, taken := attempt(t, checkpoint.Options{Storage: target})
	require.Equal(t, []any{checkpoint.AttemptID(3), checkpoint.ID(2), checkpoint.ID(3)}, []any{number, restored, taken})
	require.ErrorContains(t, run(t.Context(), job, from, to, ""), "remove them first")
	require.ErrorContains(t, run(t.Context(), "other", from, to, ""), "no checkpoint")
}

// recorder records the names of the objects that are created.
type recorder struct {
	checkpoint.Objects
	names []string
}

func (r *recorder) Create(ctx context.Context, name string) (snapshot.File, error) {
	r.names = append(r.names, name)
	return r.Objects.Create(ctx, name)
}

func TestListIsCopiedLast(t *testing.T) {
	from, source := directory(t)
	attempt(t, checkpoint.Options{Storage: source})
	attempt(t, checkpoint.Options{Storage: source})
	to, _ := directory(t)
	objects, err := checkpoint.OpenObjects(t.Context(), to)
	require.NoError(t, err)
	r := &recorder{Objects: objects}
	require.NoError(t, checkpoint.Register("recorder", func(context.Context, *url.URL) (checkpoint.Objects, error) { return r, nil }))
	require.NoError(t, run(t.Context(), job, from, "recorder://here", ""))
	require.Equal(t, []string{
		"flights/chk-1/_metadata", "flights/chk-2/_metadata", "flights/attempts/0000000000000000002",
		"flights/completed/0000000000000000001", "flights/completed/0000000000000000002",
	}, r.names)
}

// memory is a completed store.
type memory struct {
	begun   checkpoint.AttemptID
	entries []checkpoint.Entry
}

func (m *memory) Begin(context.Context) (checkpoint.AttemptID, error) { m.begun++; return m.begun, nil }
func (m *memory) List(context.Context) ([]checkpoint.Entry, error) {
	return slices.Clone(m.entries), nil
}
func (m *memory) IsNewJob(context.Context) (bool, error) { return m.begun == 0, nil }
func (m *memory) Close() error                           { return nil }

func (m *memory) Commit(_ context.Context, e checkpoint.Entry) error {
	if e.Attempt != m.begun {
		return fmt.Errorf("attempt %d, want %d: %w", e.Attempt, m.begun, checkpoint.ErrFenced)
	}
	m.entries = append(m.entries, e)
	return nil
}

func (m *memory) Remove(_ context.Context, id checkpoint.ID) error {
	m.entries = slices.DeleteFunc(m.entries, func(e checkpoint.Entry) bool { return e.ID == id })
	return nil
}

func TestListMovesToACompletedStore(t *testing.T) {
	from, source := directory(t)
	for range 3 {
		attempt(t, checkpoint.Options{Storage: source})
	}
	c, err := checkpoint.NewCoordinator(t.Context(), checkpoint.Options{Job: job, Storage: source})
	require.NoError(t, err)
	_, err = c.Begin(t.Context(), tasks{}, []checkpoint.Subtasks{{Operator: "source", Parallelism: 1}}) // attempt 4 takes none
	require.NoError(t, err)
	require.NoError(t, c.Close())
	store := &memory{}
	open := func(context.Context, checkpoint.CompletedOptions) (checkpoint.Completed, error) { return store, nil }
	require.NoError(t, checkpoint.RegisterCompleted("memory", func(*url.URL) (checkpoint.CompletedOpener, error) { return open, nil }))
	to, target := directory(t)
	require.NoError(t, run(t.Context(), job, from, to, "memory://here"))
	require.NotEmpty(t, store.entries)

	number, restored, taken := attempt(t, checkpoint.Options{Storage: target, Completed: store})
	require.Equal(t, []any{checkpoint.AttemptID(5), checkpoint.ID(3), checkpoint.ID(4)}, []any{number, restored, taken})
	other, _ := directory(t)
	require.ErrorContains(t, run(t.Context(), job, from, other, "memory://here"), "seen job")
}
