package zkstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStoreConforms(t *testing.T) {
	e := newEnsemble()
	storagetest.RunCompleted(t, func(t testing.TB, job string) (checkpoint.Completed, error) {
		open, err := NewOpener(e.options())
		require.NoError(t, err)
		return open(context.Background(), checkpoint.CompletedOptions{Job: job})
	})
}

// script is a sequence of operations on the stores of one job, with a model of their results.
type script struct {
	t     *testing.T
	e     *ensemble
	store *Store

	attempt checkpoint.AttemptID
	highest checkpoint.ID // the highest reserved ID
	entries map[checkpoint.ID]checkpoint.Entry
	doubt   map[checkpoint.ID]bool // a commit or removal failed
	lost    int                    // sessions that were lost
}

// scriptSteps are the operations. Each can be taken again after an error.
var scriptSteps = []func(s *script) error{
	(*script).begin,
	(*script).reserve,
	func(s *script) error { return s.commit(1) },
	func(s *script) error { return s.commit(2) },
	(*script).list,
	func(s *script) error { return s.remove(1) },
	func(s *script) error { return s.remove(1) },
	(*script).begin,
	(*script).commitOld,
	(*script).reserve,
	func(s *script) error { return s.commit(3) },
	(*script).list,
}

// run takes all steps. After the loss of a session it opens the store again.
func (s *script) run() {
	s.entries, s.doubt = make(map[checkpoint.ID]checkpoint.Entry), make(map[checkpoint.ID]bool)
	s.reopen()
	for _, step := range scriptSteps {
		for err := step(s); err != nil; err = step(s) {
			require.ErrorIs(s.t, err, checkpoint.ErrLockLost)
			require.ErrorIs(s.t, s.store.Check(), checkpoint.ErrLockLost)
			_, err := s.store.List(s.t.Context())
			require.ErrorIs(s.t, err, checkpoint.ErrLockLost, "the store begins no session by itself")
			require.NoError(s.t, s.store.Close())
			s.lost++
			s.reopen()
			require.NoError(s.t, s.list())
			require.NoError(s.t, s.begin())
		}
	}
	require.NoError(s.t, s.store.Check())
	require.NoError(s.t, s.store.Close())
}

// reopen opens the store.
func (s *script) reopen() {
	var err error
	if s.store, err = Open(s.t.Context(), "job", s.e.options()); err != nil {
		require.ErrorIs(s.t, err, checkpoint.ErrLockLost)
		s.lost++
		s.store, err = Open(s.t.Context(), "job", s.e.options())
		require.NoError(s.t, err)
	}
}

func (s *script) begin() error {
	a, err := s.store.Begin(s.t.Context())
	if err == nil {
		require.Greater(s.t, a, s.attempt)
		s.attempt = a
	}
	return err
}

func (s *script) reserve() error {
	first, err := s.store.ReserveIDs(s.t.Context(), 3, 5)
	if err == nil {
		require.Greater(s.t, first, max(s.highest, 2))
		s.highest = first + 4
	}
	return err
}

func (s *script) commit(id checkpoint.ID) error {
	e := checkpoint.Entry{ID: id, Attempt: s.attempt, Size: int64(id), Checksum: uint64(id) << 50}
	err := s.store.Commit(s.t.Context(), e)
	if s.doubt[id] && errors.Is(err, fs.ErrExist) { // the commit that failed has succeeded
		err = nil
		require.NoError(s.t, s.list())
		require.Contains(s.t, s.entries, id)
		return nil
	}
	if s.doubt[id] = err != nil; err == nil {
		s.entries[id] = e
	}
	return err
}

func (s *script) commitOld() error {
	err := s.store.Commit(s.t.Context(), checkpoint.Entry{ID: 9, Attempt: s.attempt - 1})
	if errors.Is(err, checkpoint.ErrFenced) {
		return nil
	}
	require.Error(s.t, err)
	return err
}

func (s *script) remove(id checkpoint.ID) error {
	err := s.store.Remove(s.t.Context(), id)
	if s.doubt[id] = err != nil; err == nil {
		delete(s.entries, id)
	}
	return err
}

// list compares the entries with the model. Those in doubt may be there or not.
func (s *script) list() error {
	got, err := s.store.List(s.t.Context())
	if err != nil {
		return err
	}
	found := make(map[checkpoint.ID]checkpoint.Entry)
	for _, e := range got {
		require.NoError(s.t, e.Err)
		found[e.ID] = e
		if s.doubt[e.ID] {
			s.entries[e.ID] = e
		}
	}
	for id := range s.entries {
		if _, ok := found[id]; !ok && s.doubt[id] {
			delete(s.entries, id)
		}
	}
	require.Equal(s.t, s.entries, found)
	return nil
}

// requestsOfScript returns the number of requests of a script without faults.
func requestsOfScript(t *testing.T) int {
	e := newEnsemble()
	(&script{t: t, e: e}).run()
	require.Greater(t, e.asked(), 25)
	return e.asked()
}

func TestScriptEndsWellWhateverHappensToOneRequest(t *testing.T) {
	n := requestsOfScript(t)
	for f, name := range map[fault]string{
		lostBefore: "connection lost before", lostAfter: "connection lost after",
		expiresBefore: "session expires before", expiresAfter: "session expires after",
	} {
		for index := range n {
			t.Run(fmt.Sprintf("%s request %d", name, index), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := newEnsemble()
					e.failAt(index, f)
					s := &script{t: t, e: e}
					s.run()
					if f == lostBefore || f == lostAfter {
						require.Zero(t, s.lost, "a hiccup is harmless")
						require.Equal(t, []checkpoint.ID{2, 3}, slices.Sorted(maps.Keys(s.entries)))
					} else {
						require.Equal(t, 1, s.lost)
					}
				})
			})
		}
	}
}

// All requests of some time are lost, in both ways.
func TestScriptEndsWellAfterLostConnectionsInARow(t *testing.T) {
	n := requestsOfScript(t)
	for index := range n {
		synctest.Test(t, func(t *testing.T) {
			e := newEnsemble()
			e.fault = func(i int, _, _ string) fault {
				if index <= i && i < index+4 {
					return []fault{lostBefore, lostAfter}[i%2]
				}
				return none
			}
			s := &script{t: t, e: e}
			s.run()
			require.Zero(t, s.lost)
			require.Equal(t, []checkpoint.ID{2, 3}, slices.Sorted(maps.Keys(s.entries)))
		})
	}
}

// A quota is an answer, and not repeated. A server that throttles is asked again.
func TestCodesThatTheLibraryDoesNotKnow(t *testing.T) {
	for index := range requestsOfScript(t) {
		synctest.Test(t, func(t *testing.T) {
			e := newEnsemble()
			e.failAt(index, throttled)
			(&script{t: t, e: e}).run()
		})
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		s := e.open(t)
		attempt, err := s.Begin(t.Context())
		require.NoError(t, err)
		e.fault = func(_ int, op, _ string) fault {
			if op == "multi" {
				return overQuota
			}
			return none
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		err = s.Commit(ctx, checkpoint.Entry{ID: 1, Attempt: attempt})
		require.ErrorIs(t, err, syscall.ENOSPC)
		var at *fs.PathError
		require.ErrorAs(t, err, &at)
		require.Zero(t, time.Since(began))
		require.NoError(t, s.Close())
	})
}

func TestRefusedRequestIsErrPermissionAndNamesTheZnode(t *testing.T) {
	n := requestsOfScript(t)
	for index := range n {
		synctest.Test(t, func(t *testing.T) {
			e := newEnsemble()
			e.failAt(index, refused)
			s := &script{t: t, e: e, entries: make(map[checkpoint.ID]checkpoint.Entry), doubt: make(map[checkpoint.ID]bool)}
			var err error
			if s.store, err = Open(t.Context(), "job", e.options()); err == nil {
				for _, step := range scriptSteps {
					if err = step(s); err != nil {
						break
					}
				}
				require.NoError(t, s.store.Close())
			}
			require.ErrorIs(t, err, fs.ErrPermission, "request %d", index)
			var at *fs.PathError
			require.ErrorAs(t, err, &at)
			require.True(t, strings.HasPrefix(at.Path, "zk://h1:2181,h2:2182/weir"), at.Path)
			s.reopen()
			require.NoError(t, s.list(), "nothing is lost")
			require.NoError(t, s.store.Close())
		})
	}
}

// A request that is never answered does not keep its caller, and Close ends it.
func TestContextEndsEveryOperation(t *testing.T) {
	n := requestsOfScript(t)
	errTest := errors.New("the caller has stopped")
	for index := range n {
		synctest.Test(t, func(t *testing.T) {
			e := newEnsemble()
			e.failAt(index, hangs)
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTest)
			defer cancel()
			s, err := Open(ctx, "job", e.options())
			if err != nil {
				require.ErrorIs(t, err, errTest)
				return
			}
			attempt, err := s.Begin(ctx)
			for _, step := range []func() error{
				func() error { _, err := s.ReserveIDs(ctx, 1, 1); return err },
				func() error { return s.Commit(ctx, checkpoint.Entry{ID: 1, Attempt: attempt}) },
				func() error { return s.Commit(ctx, checkpoint.Entry{ID: 2, Attempt: attempt}) },
				func() error { _, err := s.List(ctx); return err },
				func() error { return s.Remove(ctx, 1) },
			} {
				if err == nil {
					err = step()
				}
			}
			if err != nil {
				require.ErrorIs(t, err, errTest, "request %d", index)
				require.NotErrorIs(t, err, fs.ErrExist)
				require.NotErrorIs(t, err, checkpoint.ErrFenced)
				require.NoError(t, s.Check(), "the session lives on")
			}
			require.NoError(t, s.Close())
		})
	}
}

// The library has calls that never return. They must keep neither Open nor Close.
func TestCallThatNeverReturnsDoesNotKeepClose(t *testing.T) {
	n := requestsOfScript(t)
	for index := range n {
		synctest.Test(t, func(t *testing.T) {
			e := newEnsemble()
			e.failAt(index, stuck)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			began := time.Now()
			if s, err := Open(ctx, "job", e.options()); err == nil {
				for _, call := range []func() error{
					func() error { _, err := s.Begin(ctx); return err },
					func() error { _, err := s.ReserveIDs(ctx, 1, 1); return err },
					func() error { _, err := s.List(ctx); return err },
				} {
					if call() != nil {
						break
					}
				}
				require.NoError(t, s.Close())
			}
			require.LessOrEqual(t, time.Since(began), 5*time.Second+closeTimeout)
			close(e.unstick)
		})
	}
}

func TestSecondCoordinatorIsLockedOutUntilTheFirstHasGone(t *testing.T) {
	e := newEnsemble()
	first := e.open(t)
	_, err := Open(t.Context(), "job", e.options())
	require.ErrorIs(t, err, checkpoint.ErrLocked)
	require.NotErrorIs(t, err, checkpoint.ErrLockLost)
	require.ErrorContains(t, err, "led by \"host ")
	require.ErrorContains(t, err, "zk://h1:2181,h2:2182/weir/test/job/leader")
	require.NoError(t, first.Close())
	second := e.open(t)
	require.NoError(t, second.Check())
	require.NoError(t, second.Close())
	require.ErrorIs(t, second.Check(), checkpoint.ErrLockLost, "a closed store leads nothing")
}

func TestStandbyTakesOverWhenTheLeaderGoes(t *testing.T) {
	for name, leave := range map[string]func(e *ensemble, first *Store){
		"close":  func(_ *ensemble, first *Store) { _ = first.Close() },
		"expiry": func(e *ensemble, first *Store) { e.expire(first.conn.(*session)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnsemble()
				first := e.open(t)
				opened := make(chan *Store)
				go func() {
					o := e.options()
					o.Wait = true
					s, err := Open(t.Context(), "job", o)
					if err != nil {
						t.Error(err)
					}
					opened <- s
				}()
				time.Sleep(time.Hour)
				e.expire(e.newest()) // of the standby, which begins another one
				time.Sleep(time.Hour)
				synctest.Wait()
				require.NoError(t, first.Check())
				select {
				case <-opened:
					t.Fatal("two leaders")
				default:
				}
				leave(e, first)
				second := <-opened
				require.NoError(t, second.Check())
				require.ErrorIs(t, first.Check(), checkpoint.ErrLockLost)
				require.NoError(t, errors.Join(first.Close(), second.Close()))
			})
		})
	}
}

func TestStandbyWaitsUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		first := e.open(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		o := e.options()
		o.Wait = true
		var log strings.Builder
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		_, err := Open(ctx, "job", o)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 1, strings.Count(log.String(), "another coordinator leads the job"))
		require.Contains(t, log.String(), "host ")
		require.NoError(t, first.Check())
		require.NoError(t, first.Close())
	})
}

// A URL cannot name a logger, so a standby that is opened by URL uses the coordinator's.
func TestStandbyLogsToTheLoggerOfItsCoordinator(t *testing.T) {
	for own, want := range map[bool]int{false: 1, true: 0} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnsemble()
			first := e.open(t)
			o := e.options()
			o.Wait = true
			if own {
				o.Logger = slog.New(slog.DiscardHandler)
			}
			open, err := NewOpener(o)
			require.NoError(t, err)
			files, err := checkpoint.NewFiles(t.TempDir())
			require.NoError(t, err)
			storage, err := checkpoint.NewStorage(files, checkpoint.StorageOptions{Completed: open})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			var log strings.Builder
			_, err = checkpoint.NewCoordinator(ctx, checkpoint.Options{
				Job: "job", Storage: storage, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, want, strings.Count(log.String(), "another coordinator leads the job"))
			require.NoError(t, first.Close())
		})
	}
}

// The leader gives up before the servers can elect another one, and for ever.
func TestLeaderThatIsCutOffGivesUpBeforeItsSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		s := e.open(t)
		time.Sleep(time.Hour)
		require.NoError(t, s.Check())
		e.setSilent(true)
		time.Sleep(6900 * time.Millisecond)
		require.NoError(t, s.Check(), "a hiccup")
		_, err := s.Begin(t.Context()) // waits for the end of the lease
		require.ErrorIs(t, err, checkpoint.ErrLockLost)
		require.ErrorIs(t, s.Check(), checkpoint.ErrLockLost)
		e.setSilent(false)
		time.Sleep(time.Hour)
		require.ErrorIs(t, s.Check(), checkpoint.ErrLockLost)
		require.NoError(t, s.Close())
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		s := e.open(t)
		time.Sleep(time.Hour + time.Millisecond)
		e.setSilent(true)
		time.Sleep(8 * time.Second)
		require.ErrorIs(t, s.lease.check(), checkpoint.ErrLockLost)
		require.ErrorContains(t, s.Check(), "no server has answered")
		require.NoError(t, s.Close())
	})
}

// The answer to a heartbeat is late. The servers count the session from the request.
func TestLeaseCountsFromTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		s := e.open(t)
		e.failAt(e.asked(), late) // the first heartbeat, after a tenth of the session
		asked := time.Now().Add(e.timeout / heartbeatsPerSession)
		time.Sleep(time.Until(asked.Add(lateness / 2)))
		e.setSilent(true)
		time.Sleep(time.Until(asked.Add(e.timeout*8/10 - 1)))
		require.NoError(t, s.Check(), "the answer has extended the lease")
		time.Sleep(1)
		require.ErrorIs(t, s.Check(), checkpoint.ErrLockLost)
		require.NoError(t, s.Close())
	})
}

func TestHiccupWithinTheLeaseIsHarmless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		s := e.open(t)
		e.loseAll(true)
		time.Sleep(6900 * time.Millisecond)
		e.loseAll(false)
		time.Sleep(time.Hour)
		require.NoError(t, s.Check())
		_, err := s.Begin(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Close())
	})
}

func TestLeaderWhoseZnodeIsRemovedGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		s := e.open(t)
		e.remove(s.leaderPath())
		time.Sleep(1001 * time.Millisecond)
		require.ErrorIs(t, s.Check(), checkpoint.ErrLockLost)
		require.ErrorContains(t, s.Check(), "the znode of the leader was removed")
		require.NoError(t, s.Close())
		other := e.open(t)
		require.NoError(t, other.Close())
	})
}

func TestSessionThatExpiresEndsTheLeadershipAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		s := e.open(t)
		e.expire(e.newest())
		synctest.Wait()
		require.ErrorIs(t, s.Check(), checkpoint.ErrLockLost)
		require.ErrorContains(t, s.Check(), "the session has expired")
		require.NoError(t, s.Close())
	})
}

func TestNoServerIsAnErrorWithinTheSessionTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		e.silent = true
		began := time.Now()
		_, err := Open(t.Context(), "job", e.options())
		require.ErrorContains(t, err, "no server has answered within 10s")
		require.ErrorContains(t, err, "zk://h1:2181,h2:2182/weir")
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

// A server that answers at first and then hangs does not keep Open either.
func TestOpenEndsWithinTheSessionTimeoutWhateverIsNotAnswered(t *testing.T) {
	const requestsOfOpen = 8
	for index := range requestsOfOpen {
		synctest.Test(t, func(t *testing.T) {
			e := newEnsemble()
			e.failAt(index, hangs)
			began := time.Now()
			_, err := Open(t.Context(), "job", e.options())
			require.ErrorContains(t, err, "no server has answered within 10s", "request %d", index)
			require.Equal(t, 10*time.Second, time.Since(began))
		})
	}
}

// The connection is lost at a Commit, and another one takes the ID before it is repeated.
func TestRepeatedCommitIsNotTakenForAnother(t *testing.T) {
	e := newEnsemble()
	s := e.open(t)
	a, err := s.Begin(t.Context())
	require.NoError(t, err)
	first := true
	e.fault = func(_ int, op, _ string) fault {
		if op != "multi" || !first {
			return none
		}
		first = false
		e.nodes[s.entryPath(1)] = &node{data: checkpoint.Entry{ID: 1, Attempt: a, Size: 9}.Encode(), acl: s.acl}
		return lostBefore
	}
	require.ErrorIs(t, s.Commit(t.Context(), checkpoint.Entry{ID: 1, Attempt: a}), fs.ErrExist)
	require.NoError(t, s.Close())
}

func TestLeaseThatIsOverStaysOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLease(func(reason string) error { return errors.New(reason) })
		require.NoError(t, l.check(), "no limit before the first answer")
		l.extend(time.Now(), 10*time.Second)
		l.timer.Stop() // nobody notices the end
		time.Sleep(8*time.Second - 1)
		require.NoError(t, l.check())
		time.Sleep(1)
		l.extend(time.Now(), 10*time.Second)
		require.Error(t, l.check())
		l.lose("another reason")
		require.ErrorContains(t, l.check(), "no server has answered")
	})
}

// Two coordinators that both believe to lead: the second has removed the znode of the first.
func TestFencedStoreChangesNothing(t *testing.T) {
	e := newEnsemble()
	first := e.open(t)
	old, err := first.Begin(t.Context())
	require.NoError(t, err)
	kept := checkpoint.Entry{ID: 1, Attempt: old}
	require.NoError(t, first.Commit(t.Context(), kept))
	e.remove(first.leaderPath())
	second := e.open(t)
	next, err := second.Begin(t.Context())
	require.NoError(t, err)

	require.ErrorIs(t, first.Commit(t.Context(), checkpoint.Entry{ID: 2, Attempt: old}), checkpoint.ErrFenced)
	require.ErrorIs(t, first.Remove(t.Context(), 1), checkpoint.ErrFenced)
	got, err := second.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []checkpoint.Entry{kept}, got)

	ids := make(map[checkpoint.ID]bool)
	for range 20 {
		for _, s := range []*Store{first, second} {
			id, err := s.ReserveIDs(t.Context(), 1, 2)
			require.NoError(t, err)
			require.False(t, ids[id] || ids[id+1])
			ids[id], ids[id+1] = true, true
		}
	}
	require.ErrorIs(t, second.Commit(t.Context(), checkpoint.Entry{ID: 3, Attempt: next + 1}), checkpoint.ErrInvalid)
	require.NoError(t, errors.Join(first.Close(), second.Close()))
}

func TestDamagedNumbersAndMissingZnodesAreErrors(t *testing.T) {
	for _, text := range []string{"", "x", "-1", "+1", "01", "1 ", "99999999999999999999", "9999999999999999999", "18446744073709551615"} {
		e := newEnsemble()
		s := e.open(t)
		e.put(s.attemptPath(), text)
		_, err := s.Begin(t.Context())
		require.ErrorIs(t, err, checkpoint.ErrCorrupt, "%q", text)
		e.put(s.idsPath(), text)
		_, err = s.ReserveIDs(t.Context(), 1, 1)
		require.ErrorIs(t, err, checkpoint.ErrCorrupt, "%q", text)
		require.NoError(t, s.Close())
	}
	e := newEnsemble()
	s := e.open(t)
	_, err := s.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Commit(t.Context(), checkpoint.Entry{ID: 1, Attempt: 1}))
	for _, path := range []string{s.idsPath(), s.attemptPath()} {
		e.remove(path)
	}
	_, err = s.ReserveIDs(t.Context(), 1, 1)
	require.ErrorContains(t, err, "a znode that every job has is missing")
	_, err = s.Begin(t.Context())
	require.ErrorContains(t, err, "a znode that every job has is missing")
	require.ErrorContains(t, s.Remove(t.Context(), 1), "a znode that every job has is missing")
	require.ErrorContains(t, s.Commit(t.Context(), checkpoint.Entry{ID: 2, Attempt: 1}), "is missing")
	e.remove(s.entryPath(1))
	e.remove(s.completedPath())
	_, err = s.List(t.Context())
	require.ErrorContains(t, err, "a znode that every job has is missing", "no empty list")
	require.NotErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, s.Close())
	_, err = Open(t.Context(), "job", e.options())
	require.ErrorIs(t, err, errNotJob, "the znodes of a job that is not new are not created again")
}

// The list {1, 2} becomes {1, 2, 3} and then {1, 3} between two reads of a List.
func TestListIsThatOfOneMoment(t *testing.T) {
	e := newEnsemble()
	s := e.open(t)
	a, err := s.Begin(t.Context())
	require.NoError(t, err)
	for id := checkpoint.ID(1); id <= 2; id++ {
		require.NoError(t, s.Commit(t.Context(), checkpoint.Entry{ID: id, Attempt: a}))
	}
	e.fault = func(_ int, op, path string) fault {
		if op == "get" && path == s.entryPath(2) && e.nodes[s.entryPath(3)] == nil {
			three := *e.nodes[s.entryPath(2)]
			three.data = checkpoint.Entry{ID: 3, Attempt: a}.Encode()
			e.nodes[s.entryPath(3)] = &three
			delete(e.nodes, s.entryPath(2))
		}
		return none
	}
	got, err := s.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []checkpoint.Entry{{ID: 1, Attempt: a}, {ID: 3, Attempt: a}}, got)
	require.NoError(t, s.Close())
}

func TestReservedIDsBeginAtTheLowestAllowedOne(t *testing.T) {
	e := newEnsemble()
	s := e.open(t)
	for _, c := range []struct {
		atLeast checkpoint.ID
		n       int
		want    checkpoint.ID
	}{{1, 1, 1}, {1, 3, 2}, {4, 1, 5}, {100, 2, 100}, {0, 1, 102}} {
		got, err := s.ReserveIDs(t.Context(), c.atLeast, c.n)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	_, err := s.ReserveIDs(t.Context(), 1, 0)
	require.ErrorIs(t, err, checkpoint.ErrInvalidOption)
	_, err = s.ReserveIDs(t.Context(), maxNumber, 1)
	require.ErrorIs(t, err, checkpoint.ErrCorrupt)
	require.NoError(t, s.Close())
}

func TestNameOfAJobIsChecked(t *testing.T) {
	for _, job := range []string{"", "a/b", "../x", ".x", "a\x00"} {
		_, err := Open(t.Context(), job, newEnsemble().options())
		require.ErrorIs(t, err, checkpoint.ErrInvalidOption, "%q", job)
	}
	o := newEnsemble().options()
	s, err := Open(t.Context(), "zookeeper", o) // below a chroot
	require.NoError(t, err)
	require.NoError(t, s.Close())
	o.Chroot = "/"
	_, err = Open(t.Context(), "zookeeper", o)
	require.ErrorIs(t, err, checkpoint.ErrInvalidOption)
}

func FuzzNumber(f *testing.F) {
	f.Add([]byte("0"))
	f.Add([]byte("9999999999999999999"))
	f.Add([]byte("01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := decodeNumber(data)
		if err != nil {
			require.ErrorIs(t, err, checkpoint.ErrCorrupt)
			return
		}
		require.Equal(t, string(data), string(encodeNumber(n)))
	})
}

// The URL lacks its chroot, and the job has the name of the chroot.
func TestZnodeThatIsNotAJobIsRefused(t *testing.T) {
	e := newEnsemble()
	o := e.options()
	o.Chroot = "/mine"
	s, err := Open(t.Context(), "job", o)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	o.Chroot = ""
	_, err = Open(t.Context(), "mine", o)
	require.ErrorIs(t, err, errNotJob)
	require.ErrorContains(t, err, "zk://")
	require.ErrorContains(t, err, "add the chroot to the URL")
	require.NotErrorIs(t, err, fs.ErrNotExist)
	require.NotContains(t, slices.Collect(maps.Keys(e.nodes)), "/mine/leader", "nothing was created")
}
