package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// share writes a shared file of the given size. identity makes up its Identity.
func (r *rig) share(u *Upload, identity byte, bytes int64) snapshot.FileRef {
	r.t.Helper()
	f, ref, err := u.Share(u.Context(), fmt.Sprint(identity))
	require.NoError(r.t, err)
	_, err = f.Write(make([]byte, bytes))
	require.NoError(r.t, err)
	require.NoError(r.t, f.Commit())
	ref.Identity, ref.Size, ref.Bounds = snapshot.Identity{identity}, bytes, nativeSpace(u).Groups
	return ref
}

func nativeSpace(u *Upload) backend.Keyspace { return backend.SubtaskKeyspace(u.at.subtask, 8, 8) }

// nativeHandle returns a handle with the given files; it writes those that are not confirmed.
func (r *rig) nativeHandle(u *Upload, identities ...byte) *snapshot.Handle {
	r.t.Helper()
	h := &snapshot.Handle{Keyspace: nativeSpace(u), Format: "native"}
	for _, identity := range identities {
		ref, ok := u.Confirmed(snapshot.Identity{identity})
		if !ok {
			ref = r.share(u, identity, 100+int64(identity))
		}
		ref.Bounds = h.Keyspace.Groups
		h.Files = append(h.Files, ref)
	}
	return h
}

// completeShared takes a checkpoint of a job with one subtask and the given shared files.
func (r *rig) completeShared(a *Attempt, identities ...byte) ID {
	r.t.Helper()
	id := r.trigger(a)
	u := a.Upload(id, "op", 0)
	require.NoError(r.t, u.Acknowledge(r.nativeHandle(u, identities...), nil))
	r.runQueued()
	require.Equal(r.t, id, r.stats.ID)
	r.events = nil
	return id
}

// sharedObjects returns the names of the shared files.
func (r *rig) sharedObjects() (names []string) {
	for _, name := range r.names() {
		if rest, ok := strings.CutPrefix(name, r.layout.shared()); ok {
			names = append(names, rest)
		}
	}
	return names
}

// requireShared compares the names of the shared files, and checks that every complete
// checkpoint can open those that it lists.
func (r *rig) requireShared(want ...string) {
	r.t.Helper()
	slices.Sort(want)
	require.Equal(r.t, want, r.sharedObjects())
	entries, err := r.completed.List(context.Background())
	require.NoError(r.t, err)
	for _, e := range entries {
		c, err := r.Coordinator.read(context.Background(), e)
		require.NoError(r.t, err)
		for f := range c.shared() {
			o, err := newSource(r.o.Storage.objects, r.layout, c).Open(context.Background(), f.Name)
			require.NoError(r.t, err, "checkpoint %d", e.ID)
			require.NoError(r.t, o.Close())
		}
	}
}

func TestSharedFilesAreRemovedWithTheLastCheckpointThatListsThem(t *testing.T) {
	r := newRig(t, Options{Retain: 2})
	a := r.begin()
	r.completeShared(a, 1, 2)
	require.Equal(t, r.stats.Bytes, r.stats.NewBytes)
	r.completeShared(a, 2, 3)
	require.Equal(t, int64(103), r.stats.NewBytes)
	require.Equal(t, int64(205), r.stats.Bytes)
	r.requireShared("s1-1-op-0.1", "s1-1-op-0.2", "s2-1-op-0.3")
	r.completeShared(a, 3)
	r.requireShared("s1-1-op-0.2", "s2-1-op-0.3")
	r.completeShared(a, 3, 4)
	r.requireShared("s2-1-op-0.3", "s4-1-op-0.4")
	a.End()
	require.NoError(t, r.Discard(context.Background()))
	require.Empty(t, r.names())
}

// Bug 1, FLINK-7268: a late removal of an earlier attempt removed a file that a later attempt
// used. Protection: a removal computes the live set when it runs.
func TestBug1LateRemovalsKeepFilesOfALaterAttempt(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin()
	r.completeShared(a, 1)
	id := r.trigger(a)
	u := a.Upload(id, "op", 0)
	require.NoError(t, u.Acknowledge(r.nativeHandle(u, 1, 2), nil))
	b, err := r.Begin(context.Background(), r, oneTask) // the removals of a are still queued
	require.NoError(t, err)
	require.Equal(t, id, b.Restored().ID)
	next, err := b.Trigger()
	require.NoError(t, err)
	v := b.Upload(next, "op", 0)
	require.NoError(t, v.Acknowledge(r.nativeHandle(v, 1, 2), nil))
	r.runQueued()
	require.Equal(t, next, r.stats.ID)
	r.requireShared("s1-1-op-0.1", "s2-1-op-0.2")
}

// Bugs 3 and 4, FLINK-24611 and FLINK-25395: an aborted checkpoint removed files that others
// referred to, or left its own. Protection: only files of a complete checkpoint are confirmed,
// and an abort removes exactly the files that its checkpoint wrote.
func TestBug3And4AbortRemovesOnlyFilesOfItsCheckpoint(t *testing.T) {
	r := newRig(t, Options{MaxConcurrent: 3, TolerableFailures: 9})
	a := r.begin()
	r.completeShared(a, 1)
	two, three := r.trigger(a), r.trigger(a)
	u, v := a.Upload(two, "op", 0), a.Upload(three, "op", 0)
	r.nativeHandle(u, 1, 2)
	h := r.nativeHandle(v, 1, 2)
	r.requireShared("s1-1-op-0.1", "s2-1-op-0.2", "s3-1-op-0.2")
	u.Decline(errTest)
	r.runQueued()
	r.requireShared("s1-1-op-0.1", "s3-1-op-0.2")
	require.NoError(t, v.Acknowledge(h, nil))
	r.runQueued()
	r.completeShared(a, 1, 2)
	r.requireShared("s1-1-op-0.1", "s3-1-op-0.2")
}

// A handle may list only files that were written to the upload or that the base lists.
func TestHandleWithUnconfirmedFilesIsDeclined(t *testing.T) {
	r := newRig(t, Options{MaxConcurrent: 3, TolerableFailures: 9})
	a := r.begin()
	r.completeShared(a, 1)
	foreign := r.nativeHandle(a.Upload(r.trigger(a), "op", 0), 2)
	for name, change := range map[string]func(*snapshot.Handle){
		"of another checkpoint": func(h *snapshot.Handle) { h.Files[0] = foreign.Files[0] },
		"with another size":     func(h *snapshot.Handle) { h.Files[0].Size++ },
		"with another checksum": func(h *snapshot.Handle) { h.Files[0].Checksum++ },
		"not shared":            func(h *snapshot.Handle) { h.Files[1].Shared = false },
		"outside of the root":   func(h *snapshot.Handle) { h.Files[1].Name = "../" + h.Files[1].Name },
		"outside of the groups": func(h *snapshot.Handle) { h.Files[1].Bounds.Last = 7 },
	} {
		u := a.Upload(r.trigger(a), "op", 0)
		h := r.nativeHandle(u, 1, 3)
		change(h)
		require.Error(t, u.Acknowledge(h, nil), name)
		r.runQueued()
		require.Error(t, u.Context().Err(), "%s: the checkpoint is declined", name)
	}
	r.requireShared("s1-1-op-0.1", "s2-1-op-0.2")
}

// Bug 5, FLINK-26985: the new job deleted files of the restored checkpoint that it still
// referred to.
func TestBug5FilesOfTheRestoredCheckpointStayWhileListed(t *testing.T) {
	r := newRig(t, Options{})
	r.completeShared(r.begin(), 1, 2)
	r, a := r.restart()
	require.Equal(t, ID(1), a.Restored().ID)
	r.requireShared("s1-1-op-0.1", "s1-1-op-0.2")
	r.completeShared(a, 1, 3)
	r.requireShared("s1-1-op-0.1", "s2-2-op-0.3")
	r, a = r.restart()
	r.completeShared(a, 3)
	r.requireShared("s2-2-op-0.3")
}

// Bug 6, FLINK-29913: overlapping checkpoints wrote one file under one name.
func TestBug6OverlappingCheckpointsShareUnderDifferentNames(t *testing.T) {
	r := newRig(t, Options{MaxConcurrent: 2, Retain: 2})
	a := r.begin()
	one, two := r.trigger(a), r.trigger(a)
	u, v := a.Upload(one, "op", 0), a.Upload(two, "op", 0)
	h, k := r.nativeHandle(u, 1), r.nativeHandle(v, 1)
	require.NotEqual(t, h.Files[0].Name, k.Files[0].Name)
	require.NoError(t, u.Acknowledge(h, nil))
	r.runQueued()
	require.NoError(t, v.Acknowledge(k, nil))
	r.runQueued()
	r.requireShared("s1-1-op-0.1", "s2-1-op-0.1")
	r.completeShared(a, 1)
	r.completeShared(a, 1)
	r.requireShared("s2-1-op-0.1")
}

// Bug 7, FLINK-30461 and SPARK-42353: orphans of a crash stayed for ever, or files in progress
// were taken for orphans.
func TestBug7CollectorRemovesOrphansAndNothingInProgress(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	a := r.begin()
	r.completeShared(a, 1)
	r.completeShared(a, 1)
	r.nativeHandle(a.Upload(r.trigger(a), "op", 0), 1, 2)
	objects := r.o.Storage.objects
	for _, name := range []string{"s1-1-op-0.9", "s2-2-op-0.9", "s99-1-op-0.1", "mine", "s1-1", "s01-1-op-0.1"} {
		require.NoError(t, writeObject(ctx, objects, r.layout.shared()+name, nil))
	}
	require.NoError(t, writeObject(ctx, objects, "other/shared/s1-1-op-0.9", nil))
	found, err := r.Collect(ctx, false)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "job/shared/s1-1-op-0.9", found[0].Name)
	r = newRig(t, Options{Storage: storageOn(t, objects), Completed: r.completed}) // as after a crash
	r.begin()
	require.Contains(t, r.sharedObjects(), "s1-1-op-0.1")
	require.NotContains(t, r.sharedObjects(), "s3-1-op-0.2")
}

// A checkpoint whose metadata cannot be read may list any shared file up to it.
func TestNothingIsRemovedThatADamagedCheckpointMayNeed(t *testing.T) {
	r := newRig(t, Options{Retain: 3})
	a := r.begin()
	r.completeShared(a, 1, 2)
	r.completeShared(a, 2)
	r.replace(r.layout.metadata(2), flip)
	r, a = r.restart()
	require.Equal(t, ID(1), a.Restored().ID)
	for range 4 {
		r.completeShared(a, 3)
	}
	_, err := r.Collect(context.Background(), false)
	require.NoError(t, err)
	require.Subset(t, r.sharedObjects(), []string{"s1-1-op-0.1", "s1-1-op-0.2"})
}

func TestNothingIsRemovedWhileMetadataCannotBeRead(t *testing.T) {
	objects := &faultyObjects{Objects: unlimited()}
	r := newRig(t, Options{Storage: storageOn(t, objects), Retain: 2})
	r.completeShared(r.begin(), 1)
	r, a := r.restart()
	id := r.trigger(a)
	u := a.Upload(id, "op", 0)
	h := r.nativeHandle(u, 1)
	objects.fail = func(op, name string) error {
		if op == "open" && strings.HasSuffix(name, metadataName) {
			return errTest
		}
		return nil
	}
	require.NoError(t, writeObject(context.Background(), objects, r.layout.shared()+"s1-1-op-0.9", nil))
	delete(r.Coordinator.contents, 1)
	_, err := r.Collect(context.Background(), false)
	require.ErrorIs(t, err, errTest)
	require.NoError(t, u.Acknowledge(h, nil))
	r.runQueued()
	objects.fail = nil
	r.requireShared("s1-1-op-0.1", "s1-1-op-0.9")
}

// hesitant removes entries and then returns an error.
type hesitant struct {
	Completed
	fail error
}

func (h *hesitant) Remove(ctx context.Context, id ID) error {
	return errors.Join(h.Completed.Remove(ctx, id), h.fail)
}

// A power cut may restore an entry whose removal returned an error. A later commit and removal make
// it durable.
func TestSharedFilesStayUntilTheEntryIsRemovedDurably(t *testing.T) {
	r := newRig(t, Options{Retain: 1})
	h := &hesitant{Completed: r.Coordinator.completed, fail: errTest}
	r.Coordinator.completed = h
	a := r.begin()
	r.completeShared(a, 1, 2)
	r.completeShared(a, 2)
	r.requireShared("s1-1-op-0.1", "s1-1-op-0.2")
	h.fail = nil
	r.completeShared(a, 3)
	r.requireShared("s3-1-op-0.3")
}

// Bug 9, FLINK-35803 and FLINK-36125: subtasks share one file, as after a change of
// parallelism, and then only one of them lists it.
func TestBug9FileOfTwoSubtasksIsRemovedOnce(t *testing.T) {
	removed := make(map[string]int)
	objects := &faultyObjects{Objects: unlimited()}
	r := newRig(t, Options{Storage: storageOn(t, objects)})
	two := []Subtasks{{"op", 2}}
	a := r.begin(two...)
	complete := func(first, second []byte) {
		id := r.trigger(a)
		for i, identities := range [][]byte{first, second} {
			u := a.Upload(id, "op", i)
			require.NoError(t, u.Acknowledge(r.nativeHandle(u, identities...), nil))
		}
		r.runQueued()
		require.Equal(t, id, r.stats.ID)
	}
	complete([]byte{1}, []byte{1}) // each writes it
	r.requireShared("s1-1-op-0.1", "s1-1-op-1.1")
	complete([]byte{1}, []byte{1}) // both refer to one of the two
	require.Len(t, r.sharedObjects(), 1)
	left := r.sharedObjects()[0]
	complete([]byte{1}, []byte{2})
	require.Contains(t, r.sharedObjects(), left)
	objects.fail = func(op, name string) error {
		if op == "remove" {
			removed[name]++
		}
		return nil
	}
	complete([]byte{2}, []byte{2})
	require.NotContains(t, r.sharedObjects(), left)
	require.Equal(t, 1, removed[r.layout.shared()+left])
}

// Bug 11, FLINK-28984: a file is committed after its checkpoint has ended.
func TestBug11SharedFileThatComesTooLateIsRemoved(t *testing.T) {
	r := newRig(t, Options{Storage: storageOn(t, &faultyObjects{Objects: unlimited()}), TolerableFailures: 9})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	f, _, err := u.Share(context.Background(), "1")
	require.NoError(t, err)
	_, err = f.Write([]byte("late"))
	require.NoError(t, err)
	u.Decline(errTest)
	r.runQueued()
	require.ErrorIs(t, f.Commit(), errTest)
	require.NoError(t, f.Abort())
	require.Empty(t, r.names())
}

func TestMemoryStorageSharesNothing(t *testing.T) {
	r := newRig(t, Options{Storage: NewMemory(MemoryOptions{})})
	a := r.begin()
	for range 2 {
		id := r.trigger(a)
		u := a.Upload(id, "op", 0)
		h := r.nativeHandle(u, 1)
		require.False(t, h.Files[0].Shared)
		require.NoError(t, u.Acknowledge(h, nil))
		r.runQueued()
		require.Equal(t, id, r.stats.ID)
	}
	require.Empty(t, r.sharedObjects())
}

func TestSourceNamesTheCheckpointAndTheFile(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	r.completeShared(r.begin(), 1)
	require.NoError(t, r.o.Storage.objects.Remove(ctx, "job/shared/s1-1-op-0.1"))
	_, a := r.restart()
	for _, name := range []string{"s1-1-op-0.1", "s1-1-op-0.2"} {
		_, err := a.Source().Open(ctx, name)
		require.ErrorContains(t, err, "checkpoint 1:")
		require.ErrorContains(t, err, name)
	}
	require.True(t, errors.Is(a.Source().(snapshot.LinkingSource).Link(ctx, "s1-1-op-0.1", "x"), errors.ErrUnsupported))
}

func TestSharedFilesAreValidated(t *testing.T) {
	valid := func() *Checkpoint {
		space := backend.SubtaskKeyspace(0, 8, 8)
		ref := snapshot.FileRef{Name: "s3-2-op-0.7", Size: 9, Bounds: space.Groups, Shared: true}
		other := ref
		otherSpace := backend.SubtaskKeyspace(1, 8, 8)
		other.Bounds = otherSpace.Groups
		return &Checkpoint{Job: "job", ID: 5, Attempt: 4, Operators: []Operator{{"op", []Part{
			{Handle: &snapshot.Handle{Keyspace: space, Format: "lsm", Files: []snapshot.FileRef{{Name: "4-op-0", Size: 2, Bounds: space.Groups}, ref}}},
			{Handle: &snapshot.Handle{Keyspace: otherSpace, Format: "lsm", Files: []snapshot.FileRef{other}}},
		}}}}
	}
	c := valid()
	c.Triggered = c.Triggered.UTC()
	b, err := encode(c)
	require.NoError(t, err)
	decoded, err := Decode(b)
	require.NoError(t, err)
	require.Equal(t, c, decoded)
	for name, change := range map[string]func(h *snapshot.Handle){
		"of a later checkpoint":     func(h *snapshot.Handle) { h.Files[0].Name = "s6-2-op-0.7" },
		"of a later attempt":        func(h *snapshot.Handle) { h.Files[0].Name = "s3-5-op-0.7" },
		"of this, another attempt":  func(h *snapshot.Handle) { h.Files[0].Name = "s5-3-op-0.7" },
		"not named as one":          func(h *snapshot.Handle) { h.Files[0].Name = "x" },
		"outside of the root":       func(h *snapshot.Handle) { h.Files[0].Name = "../s3-2-op-0.7" },
		"two contents of one name":  func(h *snapshot.Handle) { h.Files[0].Size++ },
		"once shared and once not":  func(h *snapshot.Handle) { h.Files[0].Shared = false },
		"in the portable format":    func(h *snapshot.Handle) { h.Format = "" },
		"in a form without a name":  func(h *snapshot.Handle) { h.Format = "a/b" },
		"rows in a native format":   func(h *snapshot.Handle) { h.Rows = 1 },
		"bounds outside the groups": func(h *snapshot.Handle) { h.Files[0].Bounds.First = 0 },
	} {
		c := valid()
		change(c.Operators[0].Parts[1].Handle)
		_, err := encode(c)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
}

// Bug 8, FLINK-28440: files that a snapshot referred to were removed while it was written. Here
// the checkpoint between it and its base does not list the file. Protection: the base of a
// checkpoint in progress is kept.
func TestBug8BaseStaysUntilTheCheckpointsOnItHaveEnded(t *testing.T) {
	r := newRig(t, Options{MaxConcurrent: 2})
	a := r.begin()
	r.completeShared(a, 1)
	r.completeShared(a, 1) // the base, which has not written what it lists
	two, three := r.trigger(a), r.trigger(a)
	u, v := a.Upload(two, "op", 0), a.Upload(three, "op", 0)
	h := r.nativeHandle(v, 1)
	require.NoError(t, u.Acknowledge(r.nativeHandle(u, 2), nil))
	r.runQueued()
	require.Equal(t, two, r.stats.ID)
	r.requireShared("s1-1-op-0.1", "s3-1-op-0.2")
	require.NoError(t, v.Acknowledge(h, nil))
	r.runQueued()
	require.Equal(t, three, r.stats.ID)
	r.requireShared("s1-1-op-0.1")
}

// slowObjects call after at the end of each commit.
type slowObjects struct {
	Objects
	after func()
}

func (s *slowObjects) Create(ctx context.Context, name string) (snapshot.File, error) {
	f, err := s.Objects.Create(context.WithoutCancel(ctx), name)
	return slowFile{f, s}, err
}

type slowFile struct {
	snapshot.File
	objects *slowObjects
}

func (f slowFile) Commit() error {
	err := f.File.Commit()
	if f.objects.after != nil {
		f.objects.after()
	}
	return err
}

func TestSharedFileWhoseCheckpointEndsDuringItsCommitIsRemoved(t *testing.T) {
	objects := &slowObjects{Objects: unlimited()}
	r := newRig(t, Options{Storage: storageOn(t, objects), TolerableFailures: 9})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	f, _, err := u.Share(u.Context(), "1")
	require.NoError(t, err)
	objects.after = func() { u.Decline(errTest) }
	require.ErrorIs(t, f.Commit(), errTest)
	require.Empty(t, r.names()) // the writer removed it: the removals of the abort have not run
	r.runQueued()
}
