package checkpoint

import (
	"context"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
)

func TestRetainCheckpointsAreKept(t *testing.T) {
	for _, retain := range []int{1, 3} {
		r := newRig(t, Options{Retain: retain, Storage: storageWithout(t, unlimited())})
		a := r.begin()
		for range 5 {
			r.complete(a, "")
		}
		require.Equal(t, []ID{1, 2, 3, 4, 5}[5-retain:], r.ids())
		require.Len(t, r.names(), 3*retain, "an entry, metadata and a file of each")
	}
}

// storageWithout returns a storage that stores every file as an object, none in the metadata.
func storageWithout(t testing.TB, objects Objects) *Storage {
	s, err := NewStorage(objects, StorageOptions{InlineBytes: -1})
	require.NoError(t, err)
	return s
}

func TestAbortRemovesOnlyFilesOfItsCheckpoint(t *testing.T) {
	objects := unlimited()
	r := newRig(t, Options{Storage: storageWithout(t, objects), TolerableFailures: 9})
	a := r.begin(Subtasks{"op", 2})
	id := r.trigger(a)
	foreign := []string{r.layout.folder(id) + "7-op-0", r.layout.metadata(id)}
	for _, name := range foreign {
		require.NoError(t, writeObject(context.Background(), objects, name, nil))
	}
	u := a.Upload(id, "op", 0)
	require.NoError(t, u.Acknowledge(r.write(u, u.Name(), 10), nil))
	require.Len(t, r.names(), 3)
	a.Upload(id, "op", 1).Decline(errTest)
	r.runQueued()
	require.Equal(t, foreign, r.names())
}

func TestFileCommittedAfterTheAbortIsRemoved(t *testing.T) {
	r := newRig(t, Options{Storage: storageWithout(t, unlimited())})
	a := r.begin(Subtasks{"op", 2})
	id := r.trigger(a)
	u := a.Upload(id, "op", 0)
	file, err := u.Create(context.Background(), u.Name())
	require.NoError(t, err)
	_, err = file.Write([]byte("late"))
	require.NoError(t, err)
	a.Upload(id, "op", 1).Decline(errTest)
	r.runQueued()
	require.ErrorIs(t, file.Commit(), errTest)
	require.NoError(t, file.Abort())
	require.Empty(t, r.names())
}

// The abort and its removals run after the commit of the object and before the check of the
// context.
func TestFileCommittedDuringTheAbortIsRemoved(t *testing.T) {
	objects := &faultyObjects{Objects: unlimited()}
	r := newRig(t, Options{Storage: storageWithout(t, objects)})
	a := r.begin(Subtasks{"op", 2})
	id := r.trigger(a)
	u := a.Upload(id, "op", 0)
	file, err := u.Create(context.Background(), u.Name())
	require.NoError(t, err)
	_, err = file.Write([]byte("late"))
	require.NoError(t, err)
	f := file.(*uploadFile)
	f.object = hookedFile{f.object, func() {
		a.Upload(id, "op", 1).Decline(errTest)
		r.runQueued()
	}}
	require.ErrorIs(t, file.Commit(), errTest)
	require.Empty(t, r.names())
}

// hookedFile calls before at the start of its commit.
type hookedFile struct {
	snapshot.File
	before func()
}

func (f hookedFile) Commit() error {
	f.before()
	return f.File.Commit()
}

func TestBaseStaysUntilTheCheckpointsOnItHaveEnded(t *testing.T) {
	r := newRig(t, Options{MaxConcurrent: 2})
	a := r.begin(Subtasks{"op", 1})
	base := r.complete(a, "base")
	first, second := r.trigger(a), r.trigger(a)
	finish := func(id ID) {
		require.NoError(t, a.Upload(id, "op", 0).Acknowledge(nil, nil))
		r.runQueued()
	}
	finish(first)
	require.Equal(t, []ID{base, first}, r.ids(), "%d builds on %d", second, base)
	third := r.trigger(a)
	finish(second)
	require.Equal(t, []ID{first, second}, r.ids(), "%d builds on %d", third, first)
	finish(third)
	require.Equal(t, []ID{third}, r.ids())
	require.Equal(t, []string{
		"trigger 2 on 1", "trigger 3 on 1", "complete 2", "trigger 4 on 2", "complete 3", "complete 4",
	}, r.events)
}

// Damaged entries cannot be restored, but a user may want to inspect them.
func TestDamagedEntriesAreKeptAndNotCounted(t *testing.T) {
	r := newRig(t, Options{Retain: 2})
	a := r.begin()
	for range 2 {
		r.complete(a, "")
	}
	r.replace("job/completed/"+padded(ID(2)), flip)
	for range 3 {
		r.complete(a, "")
	}
	require.Equal(t, []ID{2, 4, 5}, r.ids())
}

func TestSkippedCheckpointsAreKeptAndNotCounted(t *testing.T) {
	for name, damage := range map[string]func(*rig) *rig{
		"metadata damaged": func(r *rig) *rig {
			r.replace(r.layout.metadata(3), flip)
			return r.again()
		},
		"metadata gone": func(r *rig) *rig {
			r.replace(r.layout.metadata(3), func([]byte) []byte { return nil })
			return r.again()
		},
		"unrestorable": func(r *rig) *rig {
			r.MarkUnrestorable(3, errTest)
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{Retain: 3})
			a := r.begin()
			for range 3 {
				r.complete(a, "")
			}
			r = damage(r)
			a = r.begin()
			require.Equal(t, ID(2), a.Restored().ID)
			r.complete(a, "")
			require.Equal(t, []ID{1, 2, 3, 4}, r.ids(), "1, 2 and 4 are good")
			r.complete(a, "")
			require.Equal(t, []ID{2, 3, 4, 5}, r.ids())
		})
	}
}

// The store does not answer to a commit. The checkpoint neither counts nor is removed until a
// listing shows whether its entry exists.
func TestCheckpointInDoubtIsDecidedByTheStore(t *testing.T) {
	for name, tookEffect := range map[string]bool{"there": true, "not there": false} {
		t.Run(name, func(t *testing.T) {
			store := &silentStore{}
			r := newRig(t, Options{TolerableFailures: 1})
			store.Completed, r.completed = r.completed, store
			a := r.begin()
			r.complete(a, "good")
			store.fails, store.tookEffect = true, tookEffect
			id := r.trigger(a)
			require.NoError(t, a.Upload(id, "op", 0).Acknowledge(nil, []byte("in doubt")))
			r.requireEvents("trigger 2 on 1", "aborted 2")
			store.fails = false
			orphans, err := r.Collect(context.Background(), false)
			require.NoError(t, err)
			require.Empty(t, orphans, "it may be complete")
			a = r.begin()
			if tookEffect {
				require.Equal(t, id, a.Restored().ID)
			} else {
				require.Equal(t, ID(1), a.Restored().ID)
				require.Len(t, r.names(), 2, "its metadata has been collected")
			}
		})
	}
}

// Metadata of another process may belong to a complete checkpoint.
func TestMetadataOfAnotherProcessIsLeftAlone(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{TolerableFailures: 1})
	a := r.begin()
	id := r.trigger(a)
	require.NoError(t, writeObject(ctx, r.o.Storage.objects, r.layout.metadata(id), []byte("of another process")))
	require.NoError(t, a.Upload(id, "op", 0).Acknowledge(nil, nil))
	r.requireEvents("trigger 1 on 0", "aborted 1")
	r.requireReason(fs.ErrExist)
	require.Equal(t, "of another process", string(r.read(r.layout.metadata(id))))
	require.Equal(t, id+1, r.complete(a, ""))
}

// The entry of the checkpoint in doubt exists, but a later checkpoint is complete.
func TestCheckpointInDoubtIsRemovedOnceALaterOneIsComplete(t *testing.T) {
	store := &silentStore{}
	r := newRig(t, Options{TolerableFailures: 1, Retain: 2})
	store.Completed, r.completed = r.completed, store
	a := r.begin()
	r.complete(a, "")
	store.fails, store.tookEffect = true, true
	require.NoError(t, a.Upload(r.trigger(a), "op", 0).Acknowledge(nil, nil))
	r.runQueued()
	store.fails = false
	require.Equal(t, []ID{1, 2}, r.ids())
	r.complete(a, "")
	require.Equal(t, []ID{1, 3}, r.ids())
}

// silentStore returns errors from Commit, which may have taken effect.
type silentStore struct {
	Completed
	fails, tookEffect bool
}

func (s *silentStore) Commit(ctx context.Context, e Entry) error {
	if s.fails && !s.tookEffect {
		return errTest
	}
	err := s.Completed.Commit(ctx, e)
	if s.fails {
		return errTest
	}
	return err
}

func TestRemovalThatFailsLeavesAnOrphanAndNeverHalfACheckpoint(t *testing.T) {
	objects := &faultyObjects{Objects: unlimited()}
	r := newRig(t, Options{Storage: storageWithout(t, objects)})
	a := r.begin()
	r.complete(a, "")
	objects.fail = func(op, name string) error {
		if op == "remove" && !strings.Contains(name, completedFolder) {
			return errTest
		}
		return nil
	}
	r.complete(a, "")
	require.Equal(t, []ID{2}, r.ids())
	require.Contains(t, r.logged, "old checkpoints remain")
	objects.fail = nil
	orphans, err := r.Collect(context.Background(), false)
	require.NoError(t, err)
	require.Len(t, orphans, 2)
	require.Len(t, r.names(), 3)
}

// If the entry cannot be removed, no file of the checkpoint is.
func TestEntryIsRemovedBeforeItsFiles(t *testing.T) {
	objects := &faultyObjects{Objects: unlimited()}
	r := newRig(t, Options{Storage: storageWithout(t, objects)})
	a := r.begin()
	r.complete(a, "")
	objects.fail = func(op, name string) error {
		if op == "remove" && strings.Contains(name, completedFolder) {
			return errTest
		}
		return nil
	}
	r.complete(a, "")
	require.Len(t, r.names(), 6)
	objects.fail = nil
	r.complete(a, "")
	require.Len(t, r.names(), 3, "the removal was tried again")
}

func TestCollectorTouchesOrphansOnly(t *testing.T) {
	ctx := context.Background()
	objects := unlimited()
	r := newRig(t, Options{Storage: storageWithout(t, objects), MaxConcurrent: 2, Retain: 2})
	_, err := r.Collect(ctx, false)
	require.ErrorIs(t, err, ErrInvalidOption, "before the first attempt the checkpoints in progress are unknown")
	a := r.begin()
	r.complete(a, "")
	r.complete(a, "")
	for range 3 { // the IDs of the orphans below
		a.Upload(r.trigger(a), "op", 0).Decline(errTest)
	}
	r.runQueued()
	a = r.begin()
	underWay := a.Upload(r.trigger(a), "op", 0)
	r.write(underWay, underWay.Name(), 10)
	before := r.names()

	orphans := []string{"job/chk-3/1-op-0", "job/chk-3/_metadata", "job/chk-4/1-other-7.a"}
	kept := []string{
		"job/chk-3/notes.txt", "job/chk-03/1-op-0", "job/chk-3x/1-op-0", "job/chk-0/1-op-0", "job/chk-99/1-op-0",
		"job/chk-3/99-op-0", "job/notes.txt", "job/shared/a", "job2/chk-3/1-op-0", "other/chk-3/1-op-0", "chk-3/1-op-0",
		"job/chk-3/01-op-0", "job/chk-3/0-op-0", "job/chk-3/-op-0",
	}
	for _, name := range append(orphans, kept...) {
		require.NoError(t, writeObject(ctx, objects, name, nil))
	}
	names := func(infos []ObjectInfo) (names []string) {
		for _, info := range infos {
			names = append(names, info.Name)
		}
		return names
	}
	found, err := r.Collect(ctx, true)
	require.NoError(t, err)
	require.Equal(t, orphans, names(found))
	require.ElementsMatch(t, append(append(before, orphans...), kept...), r.names(), "a dry run")
	found, err = r.Collect(ctx, false)
	require.NoError(t, err)
	require.Equal(t, orphans, names(found))
	require.ElementsMatch(t, append(before, kept...), r.names())
	found, err = r.Collect(ctx, false)
	require.NoError(t, err)
	require.Empty(t, found)
}

// Metadata may list any name in the checkpoint's folder. Objects with names that Weir does not give are
// never removed.
func TestRetiredCheckpointRemovesOnlyNamesThatWeirGives(t *testing.T) {
	handle := &snapshot.Handle{Files: []snapshot.FileRef{{Name: "notes.txt"}, {Name: "_other"}, {Name: "1-op-0"}, {Name: "1-op-1"}, {Name: "1-op-2"}}}
	c := &Checkpoint{Job: "job", ID: 7, Packs: []Pack{{Name: "1-pack0"}}, Operators: []Operator{{"op", []Part{{
		Handle: handle, Inline: map[string][]byte{"1-op-1": nil}, Packed: map[string]Place{"1-op-2": {"1-pack0", 0}},
	}}}}}
	require.Equal(t, []string{"job/chk-7/1-op-0", "job/chk-7/1-pack0"}, c.contents().own)
}

// The base's entry is removed by hand. Its files are kept all the same.
func TestCollectorKeepsTheBaseOfACheckpointInProgress(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{Storage: storageWithout(t, unlimited())})
	a := r.begin()
	base := r.complete(a, "")
	files := []string{r.layout.folder(base) + "1-op-0", r.layout.metadata(base)}
	id := r.trigger(a)
	require.NoError(t, r.completed.Remove(ctx, base))
	found, err := r.Collect(ctx, false)
	require.NoError(t, err)
	require.Empty(t, found)
	require.Equal(t, files, r.names())
	a.Upload(id, "op", 0).Decline(errTest)
	r.runQueued()
	_, err = r.Collect(ctx, false)
	require.NoError(t, err)
	require.Empty(t, r.names())
}

// listened is a completed store that calls after once, after a listing.
type listened struct {
	Completed
	after func()
}

func (s *listened) List(ctx context.Context) ([]Entry, error) {
	entries, err := s.Completed.List(ctx)
	if after := s.after; after != nil {
		s.after = nil
		after()
	}
	return entries, err
}

// Removals fail for a while, of an aborted checkpoint and of one that is retired. The objects that are
// left go with the next removals that succeed, not only at the next attempt.
func TestRemovalsThatFailedAreRepeated(t *testing.T) {
	objects := &faultyObjects{Objects: unlimited()}
	r := newRig(t, Options{Storage: storageWithout(t, objects), TolerableFailures: 9})
	a := r.begin()
	r.completeShared(a, 1)
	objects.fail = func(op, name string) error {
		if op == "remove" && !strings.Contains(name, completedFolder) {
			return errTest
		}
		return nil
	}
	u := a.Upload(r.trigger(a), "op", 0)
	r.nativeHandle(u, 2)
	u.Decline(errTest)
	r.completeShared(a, 3)
	require.Equal(t, []string{"s1-1-op-0.1", "s2-1-op-0.2", "s3-1-op-0.3"}, r.sharedObjects())
	objects.fail = nil
	r.completeShared(a, 4)
	require.Equal(t, []string{"s4-1-op-0.4"}, r.sharedObjects())
	require.NotContains(t, r.names(), "job/chk-1/_metadata")
	require.Equal(t, []ID{4}, r.ids())
}

func TestCollectorKeepsACheckpointThatCompletesMeanwhile(t *testing.T) {
	ctx := context.Background()
	storage := storageWithout(t, unlimited())
	entries, err := openEntries(ctx, storage.objects, "job")
	require.NoError(t, err)
	store := &listened{Completed: entries}
	r := newRig(t, Options{Storage: storage, Completed: store})
	a := r.begin()
	id := r.trigger(a)
	u := a.Upload(id, "op", 0)
	h := r.write(u, u.Name(), 10)
	store.after = func() {
		require.NoError(t, u.Acknowledge(h, nil))
		r.runQueued()
	}
	found, err := r.Collect(ctx, false)
	require.NoError(t, err)
	require.Empty(t, found)
	require.Equal(t, []ID{id}, r.ids())
	require.Len(t, r.names(), 3)
}

func TestNextAttemptCollectsOrphansOfACrash(t *testing.T) {
	objects := unlimited()
	r := newRig(t, Options{Storage: storageWithout(t, objects)})
	a := r.begin()
	r.complete(a, "")
	u := a.Upload(r.trigger(a), "op", 0)
	r.write(u, u.Name(), 10)
	objects.locked = make(map[string]bool) // the process dies
	next := newRig(t, Options{Storage: r.o.Storage})
	a = next.begin()
	require.Len(t, next.names(), 3)
	require.Contains(t, next.logged, "leftovers of earlier attempts")
	require.Equal(t, ID(3), next.trigger(a), "2 has been used")
}

func TestCloseKeepsAllCheckpoints(t *testing.T) {
	r := newRig(t, Options{Retain: 2})
	a := r.begin()
	r.complete(a, "")
	r.complete(a, "")
	before := r.names()
	require.NoError(t, r.Close())
	require.Equal(t, before, r.names())
	_, a = newRigOn(r).restart()
	require.Equal(t, ID(2), a.Restored().ID)
}

// newRigOn opens another coordinator on the storage of a closed one.
func newRigOn(r *rig) *rig {
	o := r.o
	o.Completed = nil
	return newRig(r.t, o)
}

// After Close another process may take the lock, so all background work must be done.
func TestCloseWaitsForCommitRemovalsAndCalls(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin()
	r.complete(a, "")
	id := r.trigger(a)
	require.NoError(t, a.Upload(id, "op", 0).Acknowledge(nil, nil))
	require.NoError(t, r.Close())
	require.Equal(t, []string{"trigger 2 on 1", "complete 2"}, r.events)
	require.Equal(t, []string{r.layout.metadata(id), "job/completed/" + padded(id)}, r.names())
	r.requireEvents("trigger 2 on 1", "complete 2")
}

func TestDiscardRemovesEverything(t *testing.T) {
	ctx := context.Background()
	store := &silentStore{}
	r := newRig(t, Options{Retain: 3, TolerableFailures: 9, Storage: storageWithout(t, unlimited())})
	store.Completed, r.completed = r.completed, store
	a := r.begin()
	r.complete(a, "")
	r.complete(a, "")
	r = r.again()
	store.Completed, r.completed = r.completed, store
	require.ErrorIs(t, r.Discard(ctx), ErrInvalidOption, "before the first attempt the checkpoints are unknown")
	require.Equal(t, []ID{1, 2}, r.ids())
	a = r.begin()
	r.replace("job/completed/"+padded(ID(1)), flip)
	require.ErrorIs(t, r.Discard(ctx), ErrBusy)
	store.fails = true
	require.NoError(t, a.Upload(r.trigger(a), "op", 0).Acknowledge(nil, []byte("in doubt")))
	r.runQueued()
	store.fails = false
	r.trigger(a)
	require.Contains(t, r.names(), r.layout.metadata(3))
	a.End()
	require.NoError(t, r.Discard(ctx))
	require.Empty(t, r.names())
	a = r.begin()
	require.Nil(t, a.Restored())
	require.Greater(t, r.trigger(a), ID(4))
}
