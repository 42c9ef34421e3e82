package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// faultJob is a job of two subtasks whose state is files. In each checkpoint a subtask writes a
// small file, and lists the files of the base again; in the first one, subtask 0 also writes a
// file that is a multipart upload.
type faultJob struct {
	*checkpoint.Coordinator
	attempt *checkpoint.Attempt
	// written holds the files of each checkpoint that was triggered, by their identity. It
	// survives the process.
	written map[checkpoint.ID]map[snapshot.Identity][]byte
}

const (
	faultParallelism = 2
	largeBytes       = 300 << 10
	smallPartBytes   = 256 << 10
)

// errDamaged is the error of a backend that reads a file with a wrong checksum.
var errDamaged = errors.New("checksum of a file does not match")

// openFaultJob opens the store of a prefix and the coordinator of the job. Parts are smaller than S3
// allows, so that an upload needs little memory.
func openFaultJob(ctx context.Context, s *server, o Options, written map[checkpoint.ID]map[snapshot.Identity][]byte) (*faultJob, *Store, error) {
	store, err := Open(ctx, "bucket", "p", o)
	if err != nil {
		return nil, nil, err
	}
	store.o.PartBytes = smallPartBytes
	storage, err := checkpoint.NewStorage(store, checkpoint.StorageOptions{InlineBytes: 100, PackBytes: 100_000})
	if err != nil {
		return nil, nil, err
	}
	c, err := checkpoint.NewCoordinator(ctx, checkpoint.Options{Job: "job", Storage: storage, TolerableFailures: 100})
	if err != nil {
		return nil, nil, err
	}
	return &faultJob{Coordinator: c, written: written}, store, nil
}

// begin begins an attempt, and compares the files of the restored checkpoint with those that were
// written. It returns the ID of the checkpoint, or 0.
func (j *faultJob) begin(ctx context.Context) (id checkpoint.ID, err error) {
	j.attempt, err = j.Begin(ctx, j, []checkpoint.Subtasks{{Operator: "op", Parallelism: faultParallelism}})
	if err != nil {
		return 0, err
	}
	restored := j.attempt.Restored()
	if len(j.attempt.Skipped()) > 0 {
		return 0, errors.Join(j.attempt.Skipped()...)
	}
	if restored == nil {
		return 0, nil
	}
	operator, _ := restored.Operator("op")
	files := 0
	for _, part := range operator.Parts {
		for _, ref := range part.Handle.Files {
			if err := j.check(ctx, restored.ID, ref); err != nil {
				return 0, err
			}
			files++
		}
	}
	if want := len(j.written[restored.ID]); files != want {
		return 0, fmt.Errorf("checkpoint %d has %d files, want %d", restored.ID, files, want)
	}
	return restored.ID, nil
}

// check reads a file of the restored checkpoint.
func (j *faultJob) check(ctx context.Context, id checkpoint.ID, ref snapshot.FileRef) error {
	object, err := j.attempt.Source().Open(ctx, ref.Name)
	if err != nil {
		return err
	}
	defer object.Close()
	data, err := io.ReadAll(io.NewSectionReader(object, 0, ref.Size))
	if err != nil {
		return err
	}
	if xxhash.Sum64(data) != ref.Checksum {
		return errDamaged
	}
	if !bytes.Equal(data, j.written[id][ref.Identity]) {
		return fmt.Errorf("file %q of checkpoint %d has other bytes than were written", ref.Name, id)
	}
	return nil
}

// Trigger implements checkpoint.Tasks.
func (j *faultJob) Trigger(t checkpoint.Trigger) {
	j.written[t.ID] = make(map[snapshot.Identity][]byte)
	for i := range faultParallelism {
		u := j.attempt.Upload(t.ID, "op", i)
		handle, err := j.write(u, t, i)
		if err == nil {
			err = u.Acknowledge(handle, nil)
		}
		if err != nil {
			u.Decline(err)
		}
	}
}

// Complete implements checkpoint.Tasks.
func (*faultJob) Complete(checkpoint.Stats) {}

// Aborted implements checkpoint.Tasks.
func (*faultJob) Aborted(checkpoint.ID, error) {}

// Fail implements checkpoint.Tasks.
func (*faultJob) Fail(error) {}

// write writes a subtask's files of a checkpoint, and lists the files of its base again.
func (j *faultJob) write(u *checkpoint.Upload, t checkpoint.Trigger, subtask int) (*snapshot.Handle, error) {
	groups := backend.GroupRange{First: uint16(subtask * 64), Last: uint16(subtask*64 + 63)}
	handle := &snapshot.Handle{Format: "files", Keyspace: backend.Keyspace{MaxParallelism: 128, Groups: groups}}
	for id, data := range j.written[t.Base] {
		if id[0] != byte(subtask) {
			continue
		}
		ref, ok := u.Confirmed(id)
		if !ok {
			return nil, fmt.Errorf("checkpoint %d does not have a file of checkpoint %d", t.ID, t.Base)
		}
		handle.Files = append(handle.Files, ref)
		j.written[t.ID][id] = data
	}
	sizes := []int{1000}
	if t.Base == 0 && subtask == 0 {
		sizes = append(sizes, largeBytes)
	}
	for i, size := range sizes {
		id := snapshot.Identity{byte(subtask), byte(t.ID), byte(i)}
		data := append(content(size), id[:]...)
		file, ref, err := u.Share(u.Context(), fmt.Sprint("f", i))
		if err != nil {
			return nil, err
		}
		if _, err = file.Write(data); err == nil {
			err = file.Commit()
		}
		if err != nil {
			return nil, errors.Join(err, file.Abort())
		}
		ref.Identity, ref.Size, ref.Bounds, ref.Checksum = id, int64(len(data)), groups, xxhash.Sum64(data)
		handle.Files = append(handle.Files, ref)
		j.written[t.ID][id] = data
	}
	return handle, nil
}

// leftovers returns objects and uploads that a job with one complete checkpoint does not need.
func leftovers(ctx context.Context, j *faultJob, s *Store) ([]string, error) {
	orphans, err := j.Collect(ctx, true)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, o := range orphans {
		names = append(names, o.Name)
	}
	uploads, err := s.ListUnfinished(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, u := range uploads {
		names = append(names, u.Name)
	}
	objects, err := s.List(ctx, "")
	if err != nil {
		return nil, err
	}
	metadata := 0
	for _, o := range objects {
		if strings.HasSuffix(o.Name, "/_metadata") {
			if metadata++; metadata > 1 {
				names = append(names, o.Name)
			}
		}
	}
	return names, nil
}
