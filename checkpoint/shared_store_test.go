package checkpoint

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// ensemble is a completed store that several coordinators share: one leads each job, and it hands
// out checkpoint IDs. Its entries are objects in memory.
type ensemble struct {
	objects *memoryObjects
	leader  *ensembleStore // nil if no coordinator leads
	next    ID
	asked   int                   // calls of ReserveIDs
	down    atomic.Pointer[error] // nil, or the error of ReserveIDs
}

func newEnsemble() *ensemble { return &ensemble{objects: unlimited(), next: 1} }

// storage returns a storage on objects whose completed store is the ensemble.
func (e *ensemble) storage(t testing.TB, objects Objects) *Storage {
	s, err := NewStorage(objects, StorageOptions{InlineBytes: -1, Completed: e.open})
	require.NoError(t, err)
	return s
}

// open implements CompletedOpener.
func (e *ensemble) open(_ context.Context, o CompletedOptions) (Completed, error) {
	if e.leader != nil {
		return nil, fmt.Errorf("another coordinator leads job %q: %w", o.Job, ErrLocked)
	}
	e.leader = &ensembleStore{Completed: &entries{objects: e.objects, layout: layout{o.Job}}, ensemble: e}
	return e.leader, nil
}

// ensembleStore is the completed store of one coordinator.
type ensembleStore struct {
	Completed
	ensemble *ensemble
}

// Check implements LockChecker.
func (s *ensembleStore) Check() error {
	if s.ensemble.leader != s {
		return fmt.Errorf("the session has expired: %w", ErrLockLost)
	}
	return nil
}

// ReserveIDs implements IDReserver.
func (s *ensembleStore) ReserveIDs(_ context.Context, atLeast ID, n int) (ID, error) {
	e := s.ensemble
	e.asked++
	if down := e.down.Load(); down != nil {
		return 0, *down
	}
	first := max(e.next, atLeast)
	e.next = first + ID(n)
	return first, nil
}

// Close implements Completed.
func (s *ensembleStore) Close() error {
	if s.ensemble.leader == s {
		s.ensemble.leader = nil
	}
	return s.Completed.Close()
}

func TestStorageCarriesTheCompletedStoreOfItsJobs(t *testing.T) {
	e, objects := newEnsemble(), unlimited()
	r := newRig(t, Options{Storage: e.storage(t, objects)})
	r.complete(r.begin(), "1")
	require.Len(t, must1(t)(e.objects.List(t.Context(), "job/completed/")), 1)
	require.Empty(t, must1(t)(objects.List(t.Context(), "job/completed/")))

	_, err := NewCoordinator(t.Context(), Options{Job: "job", Storage: r.o.Storage})
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, r.Close())
	require.Nil(t, e.leader, "Close gives the job up")

	next := newRig(t, Options{Storage: e.storage(t, objects)})
	require.Equal(t, ID(1), next.begin().Restored().ID)
	require.NoError(t, next.Close())
}

// must1 returns a function that returns its first argument and requires that there is no error.
func must1(t testing.TB) func([]ObjectInfo, error) []ObjectInfo {
	return func(o []ObjectInfo, err error) []ObjectInfo {
		require.NoError(t, err)
		return o
	}
}

func TestCompletedStoreOfTheOptionsWins(t *testing.T) {
	refuse := func(context.Context, CompletedOptions) (Completed, error) { return nil, errTest }
	s, err := NewStorage(unlimited(), StorageOptions{Completed: refuse})
	require.NoError(t, err)
	_, err = NewCoordinator(t.Context(), Options{Job: "job", Storage: s})
	require.ErrorIs(t, err, errTest)
	own, err := newEnsemble().open(t.Context(), CompletedOptions{Job: "job"})
	require.NoError(t, err)
	c, err := NewCoordinator(t.Context(), Options{Job: "job", Storage: s, Completed: own})
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func TestLostLeadershipEndsTheCoordinator(t *testing.T) {
	e := newEnsemble()
	r := newRig(t, Options{Storage: e.storage(t, unlimited())})
	a := r.begin()
	r.completeShared(a, 1)
	r.events, r.reasons = nil, nil
	before := r.names()
	u := a.Upload(r.trigger(a), "op", 0)
	e.leader = nil
	require.NoError(t, u.Acknowledge(nil, nil))
	requireStopped(t, r, a)
	require.Equal(t, before, r.names())
}

func TestIDsAreReservedInBlocksBeforeTheyRunOut(t *testing.T) {
	e := newEnsemble()
	r := newRig(t, Options{Storage: e.storage(t, unlimited()), MaxConcurrent: 100})
	a := r.begin()
	require.Equal(t, 1, e.asked)
	for want := ID(1); want <= 40; want++ {
		require.Equal(t, want, r.trigger(a))
		require.GreaterOrEqual(t, e.next-want, ID(idsPerBlock/2))
	}
	require.Equal(t, 3, e.asked)
	require.NoError(t, r.Close())

	next := newRig(t, Options{Storage: r.o.Storage})
	require.Equal(t, ID(3*idsPerBlock+1), next.trigger(next.begin()), "reserved IDs are not used again")
	require.NoError(t, next.Close())
}

// A coordinator that lost its job, but runs on, never uses an ID of its successor: bug 13 of other
// systems was a counter that died with its connection.
func TestFencedCoordinatorHasIDsOfItsOwn(t *testing.T) {
	e, objects := newEnsemble(), unlimited()
	used := make(map[ID]int)
	trigger := func(r *rig, a *Attempt, by int) {
		id := r.trigger(a)
		require.Zero(t, used[id], "checkpoint %d", id)
		used[id] = by
	}
	old := newRig(t, Options{Storage: e.storage(t, objects), MaxConcurrent: 100})
	a := old.begin()
	e.leader = nil
	next := newRig(t, Options{Storage: e.storage(t, objects), MaxConcurrent: 100})
	b := next.begin()
	for range 50 {
		trigger(old, a, 1)
		trigger(next, b, 2)
	}
}

// After a gap in its IDs a coordinator knows that another one works on the job, and its collector
// leaves the objects of that one alone.
func TestCollectorLeavesIDsOfOthersAlone(t *testing.T) {
	e := newEnsemble()
	r := newRig(t, Options{Storage: e.storage(t, unlimited()), MaxConcurrent: 100})
	a := r.begin()
	e.next += 100 // another coordinator reserves
	for range idsPerBlock {
		r.trigger(a)
	}
	putObject(t, r.objects, fmt.Sprintf("job/chk-%d/_metadata", idsPerBlock+3), "of the other coordinator")
	require.Equal(t, ID(idsPerBlock+101), r.trigger(a))
	orphans, err := r.Collect(t.Context(), false)
	require.NoError(t, err)
	require.Empty(t, orphans)
}

// A gap concerns only the IDs in it. One comes about also when the answer to a reservation is lost:
// then no other coordinator exists, and all later files must not remain.
func TestFilesOfCheckpointsAfterAGapAreRemoved(t *testing.T) {
	e := newEnsemble()
	r := newRig(t, Options{Storage: e.storage(t, unlimited())})
	a := r.begin()
	e.next += idsPerBlock
	for i := range byte(2 * idsPerBlock) {
		r.completeShared(a, 1+i)
	}
	newest := ID(3 * idsPerBlock)
	require.Equal(t, newest, r.stats.ID, "the IDs of the second block are in the gap")
	require.Len(t, r.sharedObjects(), 1)
	putObject(t, r.objects, fmt.Sprintf("job/chk-%d/_metadata", newest-1), "of an aborted checkpoint")
	orphans, err := r.Collect(t.Context(), false)
	require.NoError(t, err)
	require.Len(t, orphans, 1)
	require.NoError(t, r.Close())
}

func TestTriggerWithoutAReservedIDIsBusyUntilTheStoreAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		r := newRig(t, Options{Storage: e.storage(t, unlimited()), MaxConcurrent: 100, Interval: time.Minute})
		a := r.begin()
		e.down.Store(&errTest)
		for range idsPerBlock {
			r.trigger(a)
		}
		_, err := a.Trigger()
		require.Equal(t, ErrNoID, err)
		require.ErrorIs(t, err, ErrBusy)
		require.Contains(t, r.logged, "checkpoint IDs are not reserved")
		asked := e.asked

		r.wait(a, time.Minute) // Run is due, and waits too
		synctest.Wait()
		r.runQueued()
		require.Len(t, r.pending, idsPerBlock)
		require.Equal(t, asked+1, e.asked, "each retry waits")

		e.down.Store(nil)
		time.Sleep(reserveRetry)
		synctest.Wait()
		select {
		case <-a.wake: // of the last trigger
		default:
		}
		r.runQueued()
		select {
		case <-a.wake:
		default:
			t.Fatal("Run is not woken")
		}
		r.wait(a, 0)
		require.Len(t, r.pending, idsPerBlock+1)
		require.NoError(t, r.Close())
	})
}

func TestTriggerAndWaitWaitsForAnID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		s := &bubbleJob{barrier: acknowledgeAll}
		var err error
		s.c, err = NewCoordinator(t.Context(), Options{Job: "job", Storage: e.storage(t, unlimited())})
		require.NoError(t, err)
		s.a, err = s.c.Begin(t.Context(), s, oneTask)
		require.NoError(t, err)
		e.down.Store(&errTest)
		for range idsPerBlock {
			_, err := s.a.TriggerAndWait(t.Context())
			require.NoError(t, err)
		}
		time.AfterFunc(10*time.Second, func() { e.down.Store(nil) })
		stats, err := s.a.TriggerAndWait(t.Context())
		require.NoError(t, err)
		require.Equal(t, ID(idsPerBlock+1), stats.ID)

		e.down.Store(&errTest)
		for range idsPerBlock - 1 {
			_, err := s.a.TriggerAndWait(t.Context())
			require.NoError(t, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = s.a.TriggerAndWait(ctx)
		require.ErrorIs(t, err, ErrNoID)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, s.c.Close())
	})
}

// An attempt begins while a reservation of the last one starts. The race detector watches; the store
// must not synchronize the two.
func TestAttemptBeginsDuringAReservation(t *testing.T) {
	storage, err := NewStorage(unlimited(), StorageOptions{Completed: func(_ context.Context, o CompletedOptions) (Completed, error) {
		return anyIDs{&entries{objects: unlimited(), layout: layout{o.Job}}}, nil
	}})
	require.NoError(t, err)
	c, err := NewCoordinator(t.Context(), Options{Job: "job", Storage: storage, MaxConcurrent: idsPerBlock})
	require.NoError(t, err)
	for range 50 {
		a, err := c.Begin(t.Context(), &bubbleJob{}, oneTask)
		require.NoError(t, err)
		for range idsPerBlock {
			_, err := a.Trigger()
			require.NoError(t, err)
		}
	}
	require.NoError(t, c.Close())
}

// anyIDs is a completed store that reserves every ID.
type anyIDs struct{ Completed }

func (anyIDs) ReserveIDs(_ context.Context, atLeast ID, _ int) (ID, error) { return atLeast, nil }

// The next attempt asks at once, although a try of the last one is still to come.
func TestNextAttemptReservesIDsOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		r := newRig(t, Options{Storage: e.storage(t, unlimited()), MaxConcurrent: 100})
		a := r.begin()
		e.down.Store(&errTest)
		for range idsPerBlock {
			r.trigger(a)
		}
		_, err := r.Begin(t.Context(), r, oneTask)
		require.ErrorIs(t, err, errTest)
		e.down.Store(nil)
		b := r.begin()
		for range idsPerBlock {
			r.trigger(b)
		}
		require.Equal(t, ID(2*idsPerBlock+1), r.trigger(b))
		require.NoError(t, r.Close())
	})
}

func TestIDBelowTheOnesInUseIsRefused(t *testing.T) {
	e := newEnsemble()
	storage, err := NewStorage(unlimited(), StorageOptions{Completed: func(ctx context.Context, o CompletedOptions) (Completed, error) {
		store, err := e.open(ctx, o)
		return lowIDs{store}, err
	}})
	require.NoError(t, err)
	r := newRig(t, Options{Storage: storage})
	_, err = r.Begin(t.Context(), r, oneTask)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "the store returned 0, want one from 1")
}

// lowIDs is a completed store that returns ID 0.
type lowIDs struct{ Completed }

func (lowIDs) ReserveIDs(context.Context, ID, int) (ID, error) { return 0, nil }

func TestCompletedStoreGetsTheLoggerOfTheCoordinator(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	var got CompletedOptions
	storage, err := NewStorage(unlimited(), StorageOptions{Completed: func(_ context.Context, o CompletedOptions) (Completed, error) {
		got = o
		return nil, errTest
	}})
	require.NoError(t, err)
	_, err = NewCoordinator(t.Context(), Options{Job: "job", Storage: storage, Logger: logger})
	require.ErrorIs(t, err, errTest)
	require.Equal(t, "job", got.Job)
	require.Same(t, logger, got.Logger)
}

func TestCompletedStoreIsOpenedByURL(t *testing.T) {
	e := newEnsemble()
	var hosts []string
	open := func(u *url.URL) (CompletedOpener, error) {
		hosts = append(hosts, u.Host)
		return e.open, nil
	}
	require.NoError(t, RegisterCompleted("ensemble", open))
	opener, err := OpenCompleted("ensemble://h1:2181,h2:2181/weir?session=5s")
	require.NoError(t, err)
	require.Equal(t, []string{"h1:2181,h2:2181"}, hosts)
	store, err := opener(t.Context(), CompletedOptions{Job: "job"})
	require.NoError(t, err)
	require.Same(t, e.leader, store)

	for _, scheme := range []string{"ensemble", "", "Upper", "a b"} {
		require.ErrorIs(t, RegisterCompleted(scheme, open), ErrURL, scheme)
	}
	require.ErrorIs(t, RegisterCompleted("none", nil), ErrURL)
	for _, u := range []string{
		"", "file:///x", "ensemble2://CANARY", "://CANARY", "ensemble://user:CANARY@h/x", "ensemble://h/x?password=CANARY",
		"ensemble://h/x?token=CANARY", "ensemble://h/%zzCANARY", "ensemble://h/x?CANARY%zz", "ensemble://h/x#",
	} {
		_, err := OpenCompleted(u)
		require.ErrorIs(t, err, ErrURL, u)
		require.NotContains(t, err.Error(), "CANARY", u)
	}
	require.Len(t, slices.Compact(hosts), 1, "refused URLs are not opened")
}

// checkerStore is a store that knows whether it has seen the job.
type checkerStore struct {
	Completed
	isNew bool
}

// IsNewJob implements NewJobChecker.
func (s checkerStore) IsNewJob(context.Context) (bool, error) { return s.isNew, nil }

func TestJobOfTheDefaultStoreIsRefusedByAnother(t *testing.T) {
	for _, hasCheckpoint := range []bool{false, true} {
		for _, isNew := range []bool{false, true} {
			objects := unlimited()
			r := newRig(t, Options{Storage: storageOn(t, objects)})
			a := r.begin()
			if hasCheckpoint {
				r.complete(a, "1")
			}
			require.NoError(t, r.Close())
			before := must1(t)(objects.List(t.Context(), ""))

			store := checkerStore{&entries{objects: unlimited(), layout: layout{"job"}}, isNew}
			c, err := NewCoordinator(t.Context(), Options{Job: "job", Storage: storageOn(t, objects), Completed: store})
			require.NoError(t, err)
			_, err = c.Begin(t.Context(), r, []Subtasks{{Operator: "op", Parallelism: 1}})
			require.ErrorIs(t, err, ErrNotRestorable)
			require.ErrorContains(t, err, `the folder "job/" lists the job's checkpoints itself`)
			require.NoError(t, c.Close())
			require.Equal(t, before, must1(t)(objects.List(t.Context(), "")))
		}
	}
}
