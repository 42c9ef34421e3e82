package checkpoint

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
)

// countedStore is an object store that records each request that it gets. To write an object is one
// request, as for small objects in S3; so are a removal of many, and an object that is opened.
type countedStore struct {
	Objects
	requests []string
	fail     func(request string) error // nil: nothing fails
}

func (s *countedStore) request(kind, name string) error {
	request := kind + " " + strings.TrimPrefix(name, "job/")
	s.requests = append(s.requests, request)
	if s.fail != nil {
		return s.fail(request)
	}
	return nil
}

func (s *countedStore) Create(ctx context.Context, name string) (snapshot.File, error) {
	file, err := s.Objects.Create(ctx, name)
	return countedFile{file, s, name}, err
}

type countedFile struct {
	snapshot.File
	store *countedStore
	name  string
}

func (f countedFile) Commit() error {
	if err := f.store.request("put", f.name); err != nil {
		return err
	}
	return f.File.Commit()
}

func (s *countedStore) Open(ctx context.Context, name string) (snapshot.Object, error) {
	if err := s.request("get", name); err != nil {
		return nil, err
	}
	return s.Objects.Open(ctx, name)
}

func (s *countedStore) List(ctx context.Context, prefix string) ([]ObjectInfo, error) {
	if err := s.request("list", prefix); err != nil {
		return nil, err
	}
	return s.Objects.List(ctx, prefix)
}

func (s *countedStore) ListUnfinished(ctx context.Context, prefix string) ([]ObjectInfo, error) {
	return nil, s.request("list unfinished", prefix)
}

func (s *countedStore) Remove(ctx context.Context, name string) error {
	if err := s.request("delete", name); err != nil {
		return err
	}
	return s.Objects.Remove(ctx, name)
}

func (s *countedStore) RemoveAll(ctx context.Context, names []string) error {
	if err := s.request("delete many", strings.Join(names, " ")); err != nil {
		return err
	}
	for _, name := range names {
		if err := s.Objects.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *countedStore) PackBytes() int64 { return 1 << 20 }

// take returns the requests since the last call.
func (s *countedStore) take() []string {
	requests := s.requests
	s.requests = nil
	return requests
}

// completeWith takes a checkpoint in which each subtask lists shared files with the given identities,
// and an own file of the given size.
func (r *rig) completeWith(a *Attempt, subtasks, own int, identities ...byte) {
	r.t.Helper()
	id := r.trigger(a)
	for i := range subtasks {
		u := a.Upload(id, "op", i)
		h := &snapshot.Handle{Keyspace: nativeSpace(u), Format: "native"}
		f, err := u.Create(u.Context(), u.Name())
		require.NoError(r.t, err)
		r.put(f, content(1, own))
		h.Files = append(h.Files, snapshot.FileRef{Name: u.Name(), Size: int64(own), Bounds: h.Keyspace.Groups})
		for _, identity := range identities {
			of := snapshot.Identity{identity, byte(i)}
			ref, ok := u.Confirmed(of)
			if !ok {
				f, created, err := u.Share(u.Context(), fmt.Sprint(identity))
				require.NoError(r.t, err)
				r.put(f, content(identity, 30_000))
				ref = created
				ref.Identity, ref.Size = of, 30_000
			}
			ref.Bounds = h.Keyspace.Groups
			h.Files = append(h.Files, ref)
		}
		require.NoError(r.t, u.Acknowledge(h, []byte("offset")))
	}
	r.runQueued()
	require.Equal(r.t, id, r.stats.ID)
	r.events = nil
}

// A checkpoint in which nothing changed costs five requests, and one in which each subtask wrote small
// tables six, whatever the number of subtasks.
func TestCheckpointCostsFewRequests(t *testing.T) {
	for _, subtasks := range []int{1, 8} {
		store := &countedStore{Objects: unlimited()}
		r := newRig(t, Options{Storage: storageOn(t, store)})
		a := r.begin(Subtasks{"op", subtasks})
		r.completeWith(a, subtasks, 1000, 1, 2)
		store.take()
		completed := "completed/" + padded(ID(0))
		entry := func(id ID) string { return completed[:len(completed)-1] + fmt.Sprint(id) }

		r.completeWith(a, subtasks, 1000, 1, 2)
		require.Equal(t, []string{
			"put chk-2/_metadata", "list attempts", "put " + entry(2), "delete " + entry(1), "delete many chk-1/_metadata",
		}, store.take(), "nothing changed")

		r.completeWith(a, subtasks, 1000, 1, 2, 3, 4)
		require.Equal(t, []string{
			"put shared/s3-1-pack0", "put chk-3/_metadata", "list attempts", "put " + entry(3), "delete " + entry(2), "delete many chk-2/_metadata",
		}, store.take(), "each subtask wrote two small tables")

		r.completeWith(a, subtasks, 1000, 3, 4)
		store.take()
		r.completeWith(a, subtasks, 1000, 3, 4)
		require.Equal(t, []string{
			"put chk-5/_metadata", "list attempts", "put " + entry(5), "delete " + entry(4), "delete many chk-4/_metadata",
		}, store.take())
		require.Equal(t, []string{"s3-1-pack0"}, r.sharedObjects())
		store.take()

		r.completeWith(a, subtasks, 50_000, 3)
		require.Equal(t, []string{
			"put chk-6/1-pack0", "put chk-6/_metadata", "list attempts", "put " + entry(6), "delete " + entry(5), "delete many chk-5/_metadata",
		}, store.take(), "own files that are too large for the metadata")
		r.completeWith(a, subtasks, 1000)
		store.take()
		require.Equal(t, []string{"job/chk-7/_metadata", "job/" + entry(7)}, r.names())
	}
}

func TestAbortedCheckpointThatWroteNothingCostsNoRequest(t *testing.T) {
	store := &countedStore{Objects: unlimited()}
	r := newRig(t, Options{Storage: storageOn(t, store), TolerableFailures: 9})
	a := r.begin(Subtasks{"op", 2})
	store.take()
	for _, own := range []int{1000, 50_000} {
		id := r.trigger(a)
		u := a.Upload(id, "op", 0)
		require.NoError(t, u.Acknowledge(r.write(u, u.Name(), int64(own)), nil))
		a.Upload(id, "op", 1).Decline(errTest)
		r.runQueued()
		if own == 1000 {
			require.Empty(t, store.take())
		} else {
			require.Equal(t, []string{"list chk-2/", "list shared/s2-1-"}, store.take(), "a pack was begun")
		}
	}
}

// The knowledge of the completed store is not used when it may be wrong: after a commit or removal that
// failed, and after a time in which another process may have taken over.
func TestCompletedStoreIsListedWhenItsContentIsInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const list = "list completed"
		store := &countedStore{Objects: unlimited()}
		r := newRig(t, Options{Storage: storageOn(t, store), TolerableFailures: 9, Retain: 2})
		a := r.begin()
		r.completeShared(a, 1)
		r.completeShared(a, 1, 2)
		store.take()
		r.completeShared(a, 1, 2)
		require.NotContains(t, store.take(), list)

		time.Sleep(time.Hour) // the commit proves that the attempt is the current one
		r.completeShared(a, 1, 2)
		require.NotContains(t, store.take(), list)

		store.fail = func(request string) error { // the process is suspended between its commit and the removals
			if strings.HasPrefix(request, "put completed") {
				time.Sleep(maxKnownAge)
			}
			return nil
		}
		r.completeShared(a, 1, 2)
		require.Contains(t, store.take(), list)

		store.fail = func(request string) error {
			if strings.HasPrefix(request, "delete completed") {
				return errTest
			}
			return nil
		}
		r.completeShared(a, 1, 2)
		require.Equal(t, []ID{4, 5, 6}, r.ids())
		store.fail = nil
		store.take()
		r.completeShared(a, 1, 2)
		require.Contains(t, store.take(), list)
		require.Equal(t, []ID{6, 7}, r.ids())
		store.take()
		r.completeShared(a, 1, 2)
		require.NotContains(t, store.take(), list)

		store.fail = func(request string) error {
			if strings.HasPrefix(request, "put completed") {
				return errTest
			}
			return nil
		}
		id := r.trigger(a)
		require.NoError(t, a.Upload(id, "op", 0).Acknowledge(nil, nil))
		r.runQueued()
		store.fail = nil
		store.take()
		r.completeShared(a, 1, 2)
		require.Contains(t, store.take(), list)
		r.completeShared(a, 1, 2)
		require.Contains(t, store.take(), list, "the entry in doubt may still appear")
		a = r.begin()
		r.completeShared(a, 1, 2)
		store.take()
		r.completeShared(a, 1, 2)
		require.NotContains(t, store.take(), list)
	})
}

// A commit or removal that ends during a listing is not forgotten by the result of the listing.
func TestListingThatOverlapsAChangeIsNotRemembered(t *testing.T) {
	store := &countedStore{Objects: unlimited()}
	r := newRig(t, Options{Storage: storageOn(t, store), Retain: 2})
	listed := &listened{Completed: r.Coordinator.completed}
	r.Coordinator.completed = listed
	a := r.begin()
	r.completeShared(a, 1)
	listed.after = func() { r.completeShared(a, 1) }
	_, err := r.Collect(context.Background(), true)
	require.NoError(t, err)
	for range 3 {
		r.completeShared(a, 1)
	}
	require.Equal(t, []ID{4, 5}, r.ids())
}

// An attempt does not use what an earlier one knew, since another coordinator may have worked in
// between; also not if its own listings are of no use, because something was removed during them.
func TestAttemptForgetsTheEntriesOfEarlierOnes(t *testing.T) {
	storage := storageOn(t, &countedStore{Objects: unlimited()})
	one, two := newRig(t, Options{Storage: storage, Retain: 3}), newRig(t, Options{Storage: storage, Retain: 3})
	listed := &listened{Completed: one.Coordinator.completed}
	one.Coordinator.completed = listed
	one.completeShared(one.begin(), 1)
	b := two.begin()
	two.completeShared(b, 1)
	two.completeShared(b, 1)

	overlaps := 0
	var overlap func()
	overlap = func() {
		require.NoError(t, one.removeEntry(t.Context(), 99))
		if overlaps++; overlaps < 3 { // two listings of Begin, and one of the collector
			listed.after = overlap
		}
	}
	listed.after = overlap
	one.completeShared(one.begin(), 1)
	require.Equal(t, []ID{2, 3, 4}, one.ids())
}

// checkedLock is a lock that is lost when err is set.
type checkedLock struct{ err error }

func (l *checkedLock) Check() error { return l.err }

// Removals in one batch check the lock of the job first.
func TestNothingIsRemovedInABatchOnceTheLockIsLost(t *testing.T) {
	ctx := context.Background()
	for name, store := range map[string]Objects{"batch": &countedStore{Objects: unlimited()}, "one by one": unlimited()} {
		lock := &checkedLock{}
		guarded := guard(store, lock)
		for _, object := range []string{"a", "b", "c"} {
			require.NoError(t, writeObject(ctx, guarded, object, nil))
		}
		require.NoError(t, removeAll(ctx, guarded, []string{"a"}))
		lock.err = ErrLockLost
		require.ErrorIs(t, removeAll(ctx, guarded, []string{"b", "c"}), ErrLockLost, name)
		lock.err = nil
		require.ErrorIs(t, removeAll(ctx, guarded, []string{"b", "c"}), ErrLockLost, "a loss is final")
		require.Equal(t, []string{"b", "c"}, namesOf(t, store, ""))
	}
}

// The collector lists uploads that were never finished, and removes them in one request.
func TestCollectorFindsUnfinishedObjectsThatListDoesNotReturn(t *testing.T) {
	store := &unfinishedStore{countedStore: countedStore{Objects: unlimited()}}
	r := newRig(t, Options{Storage: storageOn(t, store)})
	r.completeShared(r.begin(), 1)
	store.unfinished = []ObjectInfo{
		{Name: "job/upload-1", Of: "job/shared/s1-1-op-0.9", Unfinished: true},
		{Name: "job/upload-2", Of: "job/shared/s9-1-op-0.9", Unfinished: true},
		{Name: "job/upload-3", Of: "job/notes", Unfinished: true},
	}
	store.take()
	orphans, err := r.Collect(context.Background(), false)
	require.NoError(t, err)
	require.Equal(t, store.unfinished[:1], orphans)
	require.Contains(t, store.take(), "delete many upload-1")
}

type unfinishedStore struct {
	countedStore
	unfinished []ObjectInfo
}

func (s *unfinishedStore) ListUnfinished(context.Context, string) ([]ObjectInfo, error) {
	return s.unfinished, nil
}
