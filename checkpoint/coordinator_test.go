package checkpoint

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
)

func TestFirstCheckpointIsTriggeredAnIntervalAfterTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Interval: time.Minute})
		a := r.begin()
		require.Equal(t, time.Minute, r.wait(a, 0))
		require.Equal(t, time.Second, r.wait(a, 59*time.Second))
		r.requireEvents()
		r.wait(a, time.Second)
		r.requireEvents("trigger 1 on 0")
	})
}

func TestIntervalCountsFromTriggerToTrigger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Interval: time.Minute})
		a := r.begin()
		r.wait(a, time.Minute)
		time.Sleep(40 * time.Second)
		require.NoError(t, a.Upload(1, "op", 0).Acknowledge(nil, nil))
		r.requireEvents("trigger 1 on 0", "complete 1")
		require.Equal(t, 20*time.Second, r.wait(a, 0))
		r.wait(a, 20*time.Second)
		r.requireEvents("trigger 2 on 1")
	})
}

func TestPauseCountsFromTheEndOfACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Interval: time.Minute, MinPause: 45 * time.Second})
		a := r.begin()
		r.wait(a, time.Minute)
		time.Sleep(40 * time.Second)
		a.Upload(1, "op", 0).Decline(errTest)
		require.Equal(t, 45*time.Second, r.wait(a, 0))
		r.events = nil
		r.wait(a, 44*time.Second)
		r.requireEvents()
		r.wait(a, time.Second)
		r.requireEvents("trigger 2 on 0")
	})
}

func TestWithoutIntervalNothingIsTriggered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		a := r.begin()
		require.Equal(t, idleStep, r.wait(a, 1000*time.Hour))
		r.requireEvents()
	})
}

func TestCheckpointThatTakesTooLongIsAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Timeout: time.Minute, TolerableFailures: 1})
		a := r.begin()
		u := a.Upload(r.trigger(a), "op", 0)
		require.Equal(t, time.Second, r.wait(a, 59*time.Second))
		require.NoError(t, u.Context().Err())
		r.wait(a, time.Second)
		r.requireEvents("trigger 1 on 0", "aborted 1")
		r.requireReason(ErrTimeout)
		require.ErrorIs(t, context.Cause(u.Context()), ErrTimeout)
		require.ErrorIs(t, u.Acknowledge(nil, nil), ErrTimeout)
	})
}

// The write of the metadata hangs until its context ends.
func TestCheckpointThatHangsInItsCommitTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects := &faultyObjects{Objects: unlimited()}
		r := newRig(t, Options{Storage: storageOn(t, objects), Timeout: time.Minute, TolerableFailures: 1})
		a := r.begin()
		id := r.trigger(a)
		objects.fail = func(op, name string) error {
			if op != "create" {
				return nil
			}
			require.Equal(t, idleStep, r.wait(a, time.Minute))
			return context.Cause(r.pending[0].ctx)
		}
		require.NoError(t, a.Upload(id, "op", 0).Acknowledge(nil, nil))
		r.requireEvents("trigger 1 on 0", "aborted 1")
		r.requireReason(ErrTimeout)
		require.Empty(t, r.pending)
	})
}

// Run must wake up for the end of a checkpoint and for its timeout, whether a caller or the
// interval triggered it, and even if the interval is long.
func TestRunNoticesEveryTimeout(t *testing.T) {
	for name, interval := range map[string]time.Duration{"triggered by hand": 0, "by interval": 50 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{Interval: interval, Timeout: time.Minute, TolerableFailures: 9})
				a := r.begin()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				go a.Run(ctx)
				synctest.Wait()
				if interval == 0 {
					r.trigger(a)
				}
				time.Sleep(interval + time.Minute)
				synctest.Wait()
				r.requireEvents("trigger 1 on 0", "aborted 1")
				cancel()
				synctest.Wait()
			})
		})
	}
}

func TestRunTriggersAtItsIntervalUntilTheAttemptEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Interval: time.Minute, MaxConcurrent: 5})
		a := r.begin()
		done := make(chan struct{})
		go func() {
			a.Run(context.Background())
			close(done)
		}()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		r.requireEvents("trigger 1 on 0", "trigger 2 on 0", "trigger 3 on 0")
		a.End()
		<-done
	})
}

// While MaxConcurrent checkpoints are in progress nothing is due. The end of one wakes Run.
func TestRunTriggersAgainWhenACheckpointEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Interval: time.Minute})
		a := r.begin()
		ctx, cancel := context.WithCancel(context.Background())
		go a.Run(ctx)
		time.Sleep(90 * time.Second)
		synctest.Wait()
		require.NoError(t, a.Upload(1, "op", 0).Acknowledge(nil, nil))
		r.runQueued()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		r.requireEvents("trigger 1 on 0", "complete 1", "trigger 2 on 1")
		cancel()
		synctest.Wait()
	})
}

func TestNoMoreCheckpointsThanAllowedAreInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Interval: time.Minute, MaxConcurrent: 2})
		a := r.begin()
		for range 5 {
			r.wait(a, time.Minute)
		}
		r.requireEvents("trigger 1 on 0", "trigger 2 on 0")
		_, err := a.Trigger()
		require.ErrorIs(t, err, ErrBusy)
		require.NoError(t, a.Upload(2, "op", 0).Acknowledge(nil, nil))
		r.runQueued()
		r.wait(a, 0)
		r.requireEvents("complete 2", "aborted 1", "trigger 3 on 2")
	})
}

func TestLaterCheckpointSubsumesEarlierOnes(t *testing.T) {
	r := newRig(t, Options{MaxConcurrent: 3})
	a := r.begin()
	first, second, third := r.trigger(a), r.trigger(a), r.trigger(a)
	r.events = nil
	u := a.Upload(first, "op", 0)
	require.NoError(t, a.Upload(second, "op", 0).Acknowledge(nil, nil))
	r.requireEvents("complete 2", "aborted 1")
	r.requireReason(ErrSubsumed)
	require.ErrorIs(t, u.Acknowledge(nil, nil), ErrSubsumed)
	require.NoError(t, a.Upload(third, "op", 0).Acknowledge(nil, nil), "a later one continues")
	r.requireEvents("complete 3")
	require.Zero(t, r.failures, "a subsumed checkpoint is not a failure")
}

// Both are acknowledged before either is committed.
func TestCheckpointsCommitInTheOrderInWhichTheyWereAcknowledged(t *testing.T) {
	r := newRig(t, Options{MaxConcurrent: 2, Storage: storageOn(t, &faultyObjects{Objects: unlimited()})})
	a := r.begin()
	first, second := r.trigger(a), r.trigger(a)
	r.events = nil
	require.NoError(t, a.Upload(second, "op", 0).Acknowledge(nil, nil))
	require.NoError(t, a.Upload(first, "op", 0).Acknowledge(nil, nil))
	r.requireEvents("complete 2", "aborted 1")
	require.Equal(t, []ID{2}, r.ids())
}

func TestFailuresInARowFailTheJob(t *testing.T) {
	r := newRig(t, Options{TolerableFailures: 2})
	a := r.begin()
	fail := func() { a.Upload(r.trigger(a), "op", 0).Decline(errTest) }
	fail()
	fail()
	r.complete(a, "")
	fail()
	fail()
	r.requireEvents("trigger 4 on 3", "aborted 4", "trigger 5 on 3", "aborted 5")
	fail()
	r.requireEvents("trigger 6 on 3", "aborted 6", "fail")
	r.requireReason(ErrTooManyFailures)
	r.requireReason(errTest)
}

func TestByDefaultTheFirstFailureFailsTheJob(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin()
	a.Upload(r.trigger(a), "op", 0).Decline(errTest)
	r.requireEvents("trigger 1 on 0", "aborted 1", "fail")
}

func TestEarlierAttemptsFailuresDoNotCount(t *testing.T) {
	r := newRig(t, Options{TolerableFailures: 1})
	a := r.begin()
	a.Upload(r.trigger(a), "op", 0).Decline(errTest)
	r.runQueued()
	a = r.begin()
	a.Upload(r.trigger(a), "op", 0).Decline(errTest)
	r.runQueued()
	require.NotContains(t, r.events, "fail")
}

func TestCheckpointFailsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{TolerableFailures: 1})
		a := r.begin(Subtasks{"op", 3})
		id := r.trigger(a)
		for i := range 3 {
			a.Upload(id, "op", i).Decline(errTest)
		}
		u := a.Upload(id, "op", 0)
		u.Decline(errTest)
		r.wait(a, time.Hour)
		r.requireEvents("trigger 1 on 0", "aborted 1")
	})
}

func TestCheckpointWaitsForAllSubtasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		a := r.begin(Subtasks{"op", 2}, Subtasks{"other", 1})
		id := r.trigger(a)
		require.NoError(t, a.Upload(id, "op", 1).Acknowledge(nil, []byte("b")))
		require.NoError(t, a.Upload(id, "other", 0).Acknowledge(nil, []byte("c")))
		r.requireEvents("trigger 1 on 0")
		require.Empty(t, r.ids())
		time.Sleep(time.Second)
		require.NoError(t, a.Upload(id, "op", 0).Acknowledge(nil, []byte("a")))
		r.requireEvents("complete 1")
		require.Equal(t, Stats{ID: 1, Bytes: 3, NewBytes: 3, Took: time.Second}, r.stats)
		restored := r.begin(Subtasks{"op", 2}, Subtasks{"other", 1}).Restored()
		require.Equal(t, []Operator{
			{Name: "op", Parts: []Part{{Data: []byte("a")}, {Data: []byte("b")}}},
			{Name: "other", Parts: []Part{{Data: []byte("c")}}},
		}, restored.Operators)
	})
}

func TestSubtaskAcknowledgesOnce(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin(Subtasks{"op", 2})
	id := r.trigger(a)
	u := a.Upload(id, "op", 0)
	require.NoError(t, u.Acknowledge(nil, []byte("first")))
	require.ErrorIs(t, u.Acknowledge(nil, []byte("second")), fs.ErrExist)
	again := a.Upload(id, "op", 0)
	require.ErrorIs(t, again.Acknowledge(nil, []byte("third")), fs.ErrExist)
	again.Decline(errTest) // too late: the part has been acknowledged
	r.requireEvents("trigger 1 on 0")
	require.NoError(t, a.Upload(id, "op", 1).Acknowledge(nil, nil))
	r.requireEvents("complete 1")
	require.Error(t, u.Acknowledge(nil, nil), "after the end")
	a = r.begin(Subtasks{"op", 1})
	require.Equal(t, "first", string(a.Restored().Operators[0].Parts[0].Data))
}

func TestAcknowledgementsOfCheckpointsNotInProgressHaveNoEffect(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin()
	id := r.trigger(a)
	for _, u := range []*Upload{
		a.Upload(id+1, "op", 0), a.Upload(0, "op", 0), a.Upload(id, "op", 1), a.Upload(id, "op", -1), a.Upload(id, "other", 0),
	} {
		require.Error(t, u.Context().Err())
		require.Error(t, u.Acknowledge(nil, nil))
		u.Decline(errTest)
		file, err := u.Create(context.Background(), u.Name())
		require.NoError(t, err)
		require.Error(t, file.Commit())
		require.NoError(t, file.Abort())
	}
	r.requireEvents("trigger 1 on 0")
	require.Empty(t, r.names())
}

func TestHandleOfFilesThatWereNotCommittedIsDeclined(t *testing.T) {
	for name, write := range map[string]func(*rig, *Upload) *snapshot.Handle{
		"never written": func(r *rig, u *Upload) *snapshot.Handle { return handleOf(u, u.Name(), 1) },
		"not committed": func(r *rig, u *Upload) *snapshot.Handle {
			file, err := u.Create(u.Context(), u.Name())
			require.NoError(r.t, err)
			_, err = file.Write(make([]byte, 1))
			require.NoError(r.t, err)
			return handleOf(u, u.Name(), 1)
		},
		"aborted": func(r *rig, u *Upload) *snapshot.Handle {
			file, err := u.Create(u.Context(), u.Name())
			require.NoError(r.t, err)
			_, err = file.Write(make([]byte, 1))
			require.NoError(r.t, err)
			require.NoError(r.t, file.Abort())
			return handleOf(u, u.Name(), 1)
		},
		"of another size": func(r *rig, u *Upload) *snapshot.Handle {
			r.write(u, u.Name(), 2)
			return handleOf(u, u.Name(), 1)
		},
		"of another upload": func(r *rig, u *Upload) *snapshot.Handle {
			other := r.attempt.Upload(u.p.id, "op", 1)
			r.write(other, other.Name(), 1)
			return handleOf(u, other.Name(), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			a := r.begin(Subtasks{"op", 2})
			u := a.Upload(r.trigger(a), "op", 0)
			require.Error(t, u.Acknowledge(write(r, u), nil))
			r.requireEvents("trigger 1 on 0", "aborted 1", "fail")
			require.Empty(t, r.names())
		})
	}
}

// Metadata that cannot be encoded aborts its checkpoint only.
func TestHandlesThatOverlapFailTheCheckpoint(t *testing.T) {
	r := newRig(t, Options{TolerableFailures: 1})
	a := r.begin(Subtasks{"op", 2})
	id := r.trigger(a)
	for i := range 2 {
		u := a.Upload(id, "op", i)
		h := r.write(u, u.Name(), 1)
		h.Keyspace.Groups.First, h.Keyspace.Groups.Last = 0, 7
		require.NoError(t, u.Acknowledge(h, nil))
	}
	r.requireEvents("trigger 1 on 0", "aborted 1")
	r.requireReason(ErrInvalid)
	require.Empty(t, r.names())
}

func TestFileNamesMustBeginWithTheNameOfTheUpload(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	require.Equal(t, "1-op-0", u.Name())
	for _, name := range []string{"1-op-0", "1-op-0.a", "1-op-0.b.c"} {
		r.write(u, name, 1)
		file, err := u.Create(u.Context(), name)
		require.NoError(t, err)
		require.ErrorIs(t, file.Commit(), fs.ErrExist)
	}
	for _, name := range []string{"", "1-op-00", "1-op-1", "2-op-0", "_metadata", "../1-op-0", "1-op-0/a", "1-op-0.." + strings.Repeat("x", 300)} {
		_, err := u.Create(u.Context(), name)
		require.ErrorIs(t, err, snapshot.ErrName, name)
	}
}

func TestEmptyFileIsStoredInTheMetadata(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin()
	u := a.Upload(r.trigger(a), "op", 0)
	require.NoError(t, u.Acknowledge(r.write(u, u.Name(), 0), nil))
	a = r.begin()
	object, err := a.Source().Open(context.Background(), "1-op-0")
	require.NoError(t, err)
	size, err := object.Size()
	require.NoError(t, err)
	require.Zero(t, size)
}

func TestAttemptIsFencedByTheNext(t *testing.T) {
	r := newRig(t, Options{MaxConcurrent: 2})
	before := r.begin(Subtasks{"op", 2})
	id := r.trigger(before)
	u := before.Upload(id, "op", 0)
	r.events = nil
	a := r.begin(Subtasks{"op", 2})
	require.Greater(t, a.ID(), before.ID())
	r.events = nil // the end of the previous attempt was reported

	_, err := before.Trigger()
	require.ErrorIs(t, err, ErrFenced)
	require.ErrorIs(t, before.Upload(id, "op", 1).Acknowledge(nil, nil), ErrFenced)
	require.Error(t, u.Acknowledge(nil, nil))
	u.Decline(errTest)
	next := r.trigger(a)
	require.Greater(t, next, id)
	require.ErrorIs(t, before.Upload(next, "op", 0).Acknowledge(nil, nil), ErrFenced)
	before.Upload(next, "op", 0).Decline(errTest)
	before.End()
	require.Equal(t, idleStep, before.step())
	before.Run(context.Background()) // returns
	r.requireEvents("trigger 2 on 0")
}

// Calls that are queued for an attempt when the next one begins are dropped.
func TestTasksOfAFencedAttemptAreNotCalled(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin()
	_, err := a.Trigger()
	require.NoError(t, err)
	require.Empty(t, r.events)
	r.begin()
	r.requireEvents()
}

func TestAttemptThatHasEndedTriggersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Interval: time.Minute})
		a := r.begin()
		id := r.trigger(a)
		u := a.Upload(id, "op", 0)
		a.End()
		a.End()
		r.wait(a, time.Hour)
		r.requireEvents("trigger 1 on 0", "aborted 1")
		r.requireReason(ErrEnded)
		_, err := a.Trigger()
		require.ErrorIs(t, err, ErrEnded)
		require.ErrorIs(t, u.Acknowledge(nil, nil), ErrEnded)
		require.ErrorIs(t, a.Upload(id, "op", 0).Acknowledge(nil, nil), ErrEnded)
	})
}

func TestAcknowledgedCheckpointCompletesAfterTheEndOfTheAttempt(t *testing.T) {
	r := newRig(t, Options{})
	a := r.begin()
	require.NoError(t, a.Upload(r.trigger(a), "op", 0).Acknowledge(nil, []byte("all")))
	a.End()
	require.Equal(t, ID(1), r.begin().Restored().ID)
}

func TestAttemptsThatBeginAtTheSameTimeAreOrdered(t *testing.T) {
	r := newRig(t, Options{})
	r.o.spawn = func(f func()) { go f() }
	for _, q := range []*queue{r.commits, r.removals, r.calls} {
		q.spawn = r.o.spawn
	}
	began := make(chan *Attempt, 8)
	for range cap(began) {
		go func() {
			a, err := r.Begin(context.Background(), r, oneTask)
			if err != nil {
				a = nil
			}
			began <- a
		}()
	}
	var newest *Attempt
	live := 0
	var all []*Attempt
	for range cap(began) {
		a := <-began
		require.NotNil(t, a)
		all = append(all, a)
		if newest == nil || a.ID() > newest.ID() {
			newest = a
		}
	}
	for _, a := range all {
		if !a.ended() {
			live++
		}
	}
	require.Same(t, newest, r.attempt)
	require.Equal(t, 1, live)
	require.NoError(t, r.Close())
}

func TestSecondCoordinatorIsLockedOut(t *testing.T) {
	for name, storage := range map[string]*Storage{
		"memory": NewMemory(MemoryOptions{}),
		"files":  func() *Storage { f, _ := NewFiles(t.TempDir()); return storageOn(t, f) }(),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{Storage: storage})
			_, err := NewCoordinator(context.Background(), Options{Job: "job", Storage: storage})
			require.ErrorIs(t, err, ErrLocked)
			other := newRig(t, Options{Job: "other", Storage: storage})
			require.NoError(t, other.Close())
			require.NoError(t, r.Close())
			require.NoError(t, newRig(t, Options{Storage: storage}).Close())
		})
	}
}

func TestClosedCoordinatorRefusesAllCalls(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, Options{})
	a := r.begin()
	r.trigger(a)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	r.requireEvents("trigger 1 on 0", "aborted 1")
	_, err := r.Begin(ctx, r, oneTask)
	require.ErrorIs(t, err, ErrClosed)
	_, err = r.Collect(ctx, false)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, r.Discard(ctx), ErrClosed)
	_, err = a.Trigger()
	require.ErrorIs(t, err, ErrEnded)
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	storage := NewMemory(MemoryOptions{})
	for _, o := range []Options{
		{Job: "job"},
		{Job: "job", Storage: storage, Interval: -1},
		{Job: "job", Storage: storage, MinPause: -1},
		{Job: "job", Storage: storage, Timeout: -1},
		{Job: "job", Storage: storage, MaxConcurrent: -1},
		{Job: "job", Storage: storage, TolerableFailures: -1},
		{Job: "job", Storage: storage, Retain: -1},
	} {
		_, err := NewCoordinator(context.Background(), o)
		require.ErrorIs(t, err, ErrInvalidOption)
	}
	for _, job := range []string{"", "..", "a/b", "/a"} {
		_, err := NewCoordinator(context.Background(), Options{Job: job, Storage: storage})
		require.ErrorIs(t, err, snapshot.ErrName)
	}
	r := newRig(t, Options{Storage: storage})
	for name, operators := range map[string][]Subtasks{
		"none": {}, "twice": {{"a", 1}, {"a", 1}}, "no subtasks": {{"a", 0}}, "long": {{strings.Repeat("a", maxOperatorNameSize+1), 1}},
	} {
		_, err := r.Begin(context.Background(), r, operators)
		require.ErrorIs(t, err, ErrInvalidOption, name)
	}
	_, err := r.Begin(context.Background(), nil, []Subtasks{{"a", 1}})
	require.ErrorIs(t, err, ErrInvalidOption, "no tasks")
	_, err = r.Begin(context.Background(), r, []Subtasks{{"../a", 1}})
	require.ErrorIs(t, err, snapshot.ErrName)
	r.begin(Subtasks{strings.Repeat("a", maxOperatorNameSize), 1})
}

// Subtasks, snapshots, queues and Run work at the same time, for the race detector.
func TestCoordinatorIsSafeForConcurrentUse(t *testing.T) {
	r := newRig(t, Options{Interval: time.Millisecond, MaxConcurrent: 2, TolerableFailures: 1 << 30})
	for _, q := range []*queue{r.commits, r.removals, r.calls} {
		q.spawn = func(f func()) { go f() }
	}
	tasks := &busyTasks{triggers: make(chan ID, 1000), completed: make(chan ID, 1000)}
	const parallelism = 4
	a, err := r.Begin(context.Background(), tasks, []Subtasks{{"op", parallelism}})
	require.NoError(t, err)
	go a.Run(context.Background())
	for range 20 {
		id := <-tasks.triggers
		for i := range parallelism {
			go func() {
				u := a.Upload(id, "op", i)
				file, err := u.Create(u.Context(), u.Name())
				if err != nil {
					return
				}
				_, err = file.Write(make([]byte, 30<<10))
				runtime.Gosched()
				if err = errors.Join(err, file.Commit()); err != nil {
					u.Decline(errors.Join(err, file.Abort()))
					return
				}
				_ = u.Acknowledge(handleOf(u, u.Name(), 30<<10), nil)
			}()
		}
		_, err := r.Collect(context.Background(), false)
		require.NoError(t, err)
	}
	<-tasks.completed
	a.End()
	next, err := r.Begin(context.Background(), tasks, []Subtasks{{"op", parallelism}})
	require.NoError(t, err)
	require.NotNil(t, next.Restored())
	require.NoError(t, r.Close())
}

// busyTasks send the IDs of their calls to channels.
type busyTasks struct{ triggers, completed chan ID }

func (b *busyTasks) Trigger(t Trigger) { b.triggers <- t.ID }
func (b *busyTasks) Complete(s Stats)  { b.completed <- s.ID }
func (b *busyTasks) Aborted(ID, error) {}
func (b *busyTasks) Fail(error)        {}
