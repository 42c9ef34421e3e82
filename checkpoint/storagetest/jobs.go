package storagetest

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// job is a job of one operator with two subtasks. Its state is files: each subtask writes in
// each checkpoint a small file, a large one, and a shared one that the next checkpoint lists
// again. It is the view that the coordinator has of a job with incremental snapshots.
type job struct {
	t testing.TB
	*checkpoint.Coordinator
	attempt *checkpoint.Attempt
	// written holds the content of the files of each checkpoint, by name.
	written map[checkpoint.ID]map[string][]byte
	trigger func(checkpoint.Trigger) // called by the coordinator; default takePart for both subtasks
	errs    chan error               // errors of the subtasks
}

const (
	jobName      = "flights"
	operatorName = "count"
	subtasks     = 2
	groups       = 128
)

// newJob opens the coordinator of the job on a store.
func newJob(t testing.TB, objects checkpoint.Objects) *job {
	t.Helper()
	storage, err := checkpoint.NewStorage(objects, checkpoint.StorageOptions{InlineBytes: 100})
	require.NoError(t, err)
	return newJobOn(t, storage, nil)
}

// newJobOn opens the coordinator of the job on a storage, and on a completed store that may be
// nil.
func newJobOn(t testing.TB, storage *checkpoint.Storage, completed checkpoint.Completed) *job {
	t.Helper()
	c, err := checkpoint.NewCoordinator(t.Context(), checkpoint.Options{
		Job: jobName, Storage: storage, Completed: completed, Retain: 2, TolerableFailures: 10,
	})
	require.NoError(t, err)
	j := &job{t: t, Coordinator: c, written: make(map[checkpoint.ID]map[string][]byte), errs: make(chan error, 100)}
	j.trigger = j.takeParts
	return j
}

// begin begins an attempt.
func (j *job) begin() {
	j.t.Helper()
	var err error
	j.attempt, err = j.Begin(j.t.Context(), j, []checkpoint.Subtasks{{Operator: operatorName, Parallelism: subtasks}})
	require.NoError(j.t, err)
}

// Trigger implements checkpoint.Tasks.
func (j *job) Trigger(t checkpoint.Trigger) { j.trigger(t) }

// Complete implements checkpoint.Tasks.
func (j *job) Complete(checkpoint.Stats) {}

// Aborted implements checkpoint.Tasks.
func (j *job) Aborted(checkpoint.ID, error) {}

// Fail implements checkpoint.Tasks.
func (j *job) Fail(reason error) { j.errs <- reason }

// takeParts lets both subtasks take part in a checkpoint.
func (j *job) takeParts(t checkpoint.Trigger) {
	j.written[t.ID] = make(map[string][]byte)
	for i := range subtasks {
		u := j.attempt.Upload(t.ID, operatorName, i)
		handle, err := j.writeFiles(u, t, i)
		if err == nil {
			err = u.Acknowledge(handle, fmt.Appendf(nil, "offset %d of %d", t.ID, i))
		}
		if err != nil {
			u.Decline(err)
		}
	}
}

// identity returns the identity of the shared file that a subtask writes in a checkpoint.
func identity(id checkpoint.ID, subtask int) snapshot.Identity {
	return snapshot.Identity{1, byte(id >> 8), byte(id), byte(subtask)}
}

// writeFiles writes a subtask's files of a checkpoint, and lists the shared file of its base.
func (j *job) writeFiles(u *checkpoint.Upload, t checkpoint.Trigger, subtask int) (*snapshot.Handle, error) {
	const half = groups / subtasks
	handle := &snapshot.Handle{Format: "kit", Keyspace: backend.Keyspace{
		MaxParallelism: groups,
		Groups:         backend.GroupRange{First: uint16(subtask * half), Last: uint16((subtask+1)*half - 1)},
	}}
	add := func(ref snapshot.FileRef, id snapshot.Identity, data []byte) {
		ref.Identity, ref.Size, ref.Bounds = id, int64(len(data)), handle.Keyspace.Groups
		handle.Files = append(handle.Files, ref)
		j.written[t.ID][ref.Name] = data
	}
	if t.Base != 0 {
		base, ok := u.Confirmed(identity(t.Base, subtask))
		if !ok {
			return nil, fmt.Errorf("checkpoint %d does not have the shared file of checkpoint %d", t.ID, t.Base)
		}
		add(base, base.Identity, sharedContent(t.Base, subtask))
	}
	file, ref, err := u.Share(u.Context(), "shared")
	data := sharedContent(t.ID, subtask)
	if err = writeFile(file, err, data); err != nil {
		return nil, err
	}
	add(ref, identity(t.ID, subtask), data)
	for i, size := range []int{10, 200, 300_000} {
		name, data := fmt.Sprintf("%s.%d", u.Name(), i), content(size, uint64(t.ID)*10+uint64(subtask))
		file, err := u.Create(u.Context(), name)
		if err = writeFile(file, err, data); err != nil {
			return nil, err
		}
		add(snapshot.FileRef{Name: name}, snapshot.Identity{2, byte(t.ID), byte(subtask), byte(i)}, data)
	}
	return handle, nil
}

// sharedContent returns the content of the shared file that a subtask writes in a checkpoint.
func sharedContent(id checkpoint.ID, subtask int) []byte {
	return content(50_000, uint64(id)*100+uint64(subtask))
}

// writeFile writes and commits a file. err is the error of its creation.
func writeFile(file snapshot.File, err error, data []byte) error {
	if err != nil {
		return err
	}
	if _, err = file.Write(data); err == nil {
		err = file.Commit()
	}
	if err != nil {
		return errors.Join(err, file.Abort())
	}
	return nil
}

// take takes a checkpoint, which must complete.
func (j *job) take() checkpoint.ID {
	j.t.Helper()
	stats, err := j.attempt.TriggerAndWait(j.t.Context())
	require.NoError(j.t, err)
	return stats.ID
}

// requireRestored fails the test unless the attempt restores a checkpoint with the files that
// were written.
func (j *job) requireRestored(id checkpoint.ID, written map[string][]byte) {
	j.t.Helper()
	restored := j.attempt.Restored()
	require.NotNil(j.t, restored)
	require.Equal(j.t, id, restored.ID)
	require.Empty(j.t, j.attempt.Skipped())
	o, ok := restored.Operator(operatorName)
	require.True(j.t, ok)
	require.Len(j.t, o.Parts, subtasks)
	files := maps.Clone(written)
	for i, part := range o.Parts {
		require.Equal(j.t, fmt.Sprintf("offset %d of %d", id, i), string(part.Data))
		for _, ref := range part.Handle.Files {
			object, err := j.attempt.Source().Open(j.t.Context(), ref.Name)
			require.NoError(j.t, err)
			data := make([]byte, ref.Size)
			n, _ := object.ReadAt(data, 0) // requireSame reports missing bytes
			require.NoError(j.t, object.Close())
			requireSame(j.t, files[ref.Name], data[:n], ref.Name)
			delete(files, ref.Name)
		}
	}
	require.Empty(j.t, slicesOf(files), "files that the checkpoint does not list")
}

// slicesOf returns the keys of a map.
func slicesOf[V any](m map[string]V) (keys []string) {
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

// requireNoOrphans fails the test if the store has objects that no checkpoint needs.
func (j *job) requireNoOrphans() {
	j.t.Helper()
	orphans, err := j.Collect(j.t.Context(), true)
	require.NoError(j.t, err)
	require.Empty(j.t, orphans, "orphans")
}

func jobRuns(t *testing.T, h *harness) {
	root := h.root()
	put(t, h.open(t, root), "flight/chk-1/a", []byte("of another job"))
	put(t, h.open(t, root), "flights2/chk-1/a", []byte("of another job"))
	first := newJob(t, h.open(t, root))
	first.begin()
	require.Nil(t, first.attempt.Restored())
	for range 4 {
		first.take()
	}
	first.trigger = func(trigger checkpoint.Trigger) {
		first.attempt.Upload(trigger.ID, operatorName, 0).Decline(errStopped)
	}
	_, err := first.attempt.TriggerAndWait(t.Context())
	require.ErrorIs(t, err, errStopped)
	require.NoError(t, first.Close(), "waits for removals")
	require.Equal(t, 2, completeCheckpoints(names(t, h.open(t, root), jobName+"/")))

	second := newJob(t, h.open(t, root)) // as in the next process
	second.begin()
	second.requireRestored(4, first.written[4])
	second.requireNoOrphans()
	id := second.take()
	second.begin() // after a failure of the job
	second.requireRestored(id, second.written[id])
	stopInUpload(second)
	require.NoError(t, second.Close())

	third := newJob(t, h.open(t, root))
	third.begin()
	third.requireRestored(id, second.written[id])
	_, err = third.Collect(t.Context(), false) // what the stopped upload left
	require.NoError(t, err)
	third.requireNoOrphans()
	third.attempt.End()
	require.NoError(t, third.Discard(t.Context()))
	require.NoError(t, third.Close())
	objects := h.open(t, root)
	for _, name := range names(t, objects, jobName+"/") {
		require.True(t, strings.HasPrefix(name, jobName+"/attempts/"), "Discard left %q", name)
	}
	require.Empty(t, unfinished(t, objects, ""))
	requireContent(t, objects, "flight/chk-1/a", []byte("of another job"))
	requireContent(t, objects, "flights2/chk-1/a", []byte("of another job"))
}

// completeCheckpoints returns the number of entries of the completed store among names.
func completeCheckpoints(names []string) (n int) {
	for _, name := range names {
		if strings.HasPrefix(name, jobName+"/completed/") {
			n++
		}
	}
	return n
}

// stopInUpload cancels a job while a subtask has committed one file and writes another.
func stopInUpload(j *job) {
	wrote := make(chan error, 1)
	var open snapshot.File
	j.trigger = func(t checkpoint.Trigger) {
		u := j.attempt.Upload(t.ID, operatorName, 0)
		file, _, err := u.Share(u.Context(), "1")
		err = writeFile(file, err, content(1000, 1))
		if err == nil {
			if open, err = u.Create(u.Context(), u.Name()); err == nil {
				_, err = open.Write(content(300_000, 1))
			}
		}
		wrote <- err
	}
	_, err := j.attempt.Trigger()
	require.NoError(j.t, err)
	require.NoError(j.t, <-wrote)
	j.Cancel()
	require.NoError(j.t, open.Abort())
}
