package checkpoint

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// stage is a job with one subtask. What it does when it is told to send a barrier, a test
// decides.
type stage struct {
	c       *Coordinator
	a       *Attempt
	barrier func(*Upload) // nil: nothing
	told    []any         // an ID for each that is complete, an error for each that is not
}

func (s *stage) Trigger(t Trigger) {
	if s.barrier != nil {
		s.barrier(s.a.Upload(t.ID, "op", 0))
	}
}
func (s *stage) Complete(stats Stats)     { s.told = append(s.told, stats.ID) }
func (s *stage) Aborted(_ ID, err error)  { s.told = append(s.told, err) }
func (s *stage) Fail(error)               {}
func acknowledgeAll(u *Upload)            { _ = u.Acknowledge(nil, []byte("part")) }
func declineAll(u *Upload)                { u.Decline(errMood) }
func after(d time.Duration) func(*Upload) { return func(u *Upload) { go slowly(u, d) } }

// slowly acknowledges when a time is over, unless the checkpoint is.
func slowly(u *Upload, d time.Duration) {
	select {
	case <-time.After(d):
		acknowledgeAll(u)
	case <-u.Context().Done():
	}
}

// onStage runs a test in a bubble, whose end shows goroutines that are left.
func onStage(t *testing.T, o Options, barrier func(*Upload), test func(t *testing.T, s *stage)) {
	synctest.Test(t, func(t *testing.T) {
		o.Job, o.Storage = "job", storageOn(t, unlimited())
		s := &stage{barrier: barrier}
		var err error
		s.c, err = NewCoordinator(t.Context(), o)
		require.NoError(t, err)
		s.a, err = s.c.Begin(t.Context(), s, oneTask)
		require.NoError(t, err)
		synctest.Wait()
		test(t, s)
		require.NoError(t, s.c.Close())
	})
}

func TestAwaitedCheckpointIsCompleteAndToldWhenTheCallReturns(t *testing.T) {
	onStage(t, Options{}, after(time.Second), func(t *testing.T, s *stage) {
		for id := ID(1); id <= 2; id++ {
			stats, err := s.a.TriggerAndWait(t.Context())
			require.NoError(t, err)
			require.Equal(t, id, stats.ID)
			require.EqualValues(t, len("part"), stats.Bytes)
			require.Equal(t, time.Second, stats.Took)
			require.Len(t, s.told, int(id))
			require.Equal(t, id, s.told[id-1])
			entries, err := s.c.completed.List(t.Context())
			require.NoError(t, err)
			require.Equal(t, id, entries[len(entries)-1].ID)
		}
	})
}

func TestAwaitedCheckpointThatIsDeclinedReturnsTheReason(t *testing.T) {
	onStage(t, Options{}, declineAll, func(t *testing.T, s *stage) {
		_, err := s.a.TriggerAndWait(t.Context())
		require.ErrorIs(t, err, errMood)
		require.ErrorContains(t, err, "checkpoint 1: subtask 0 of \"op\"")
		require.Equal(t, []any{err}, s.told)
	})
}

// Nobody calls Run, which watches the time of all others.
func TestAwaitedCheckpointTimesOutWithoutRun(t *testing.T) {
	onStage(t, Options{Timeout: time.Minute}, nil, func(t *testing.T, s *stage) {
		begun := time.Now()
		_, err := s.a.TriggerAndWait(t.Context())
		require.ErrorIs(t, err, ErrTimeout)
		require.Equal(t, time.Minute, time.Since(begun))
	})
}

func TestEndOfTheContextEndsTheWaitAndNotTheCheckpoint(t *testing.T) {
	onStage(t, Options{Timeout: 2 * time.Hour}, after(time.Hour), func(t *testing.T, s *stage) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errMood) })
		_, err := s.a.TriggerAndWait(ctx)
		require.ErrorIs(t, err, errMood)
		require.NotErrorIs(t, err, ErrBusy)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []any{ID(1)}, s.told)

		_, err = s.a.TriggerAndWait(ctx)
		require.ErrorIs(t, err, errMood)
		require.Len(t, s.c.pending, 0, "nothing begins after the end of the context")
	})
}

// While another checkpoint is under way there is no room; Run would take it first.
func TestAwaitedCheckpointComesNextAfterTheOneUnderWay(t *testing.T) {
	onStage(t, Options{Interval: time.Second}, after(10*time.Second), func(t *testing.T, s *stage) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.a.Run(ctx)
		time.Sleep(5 * time.Second) // the first began after one
		begun := time.Now()
		stats, err := s.a.TriggerAndWait(t.Context())
		require.NoError(t, err)
		require.Equal(t, ID(2), stats.ID)
		require.Equal(t, 16*time.Second, time.Since(begun))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, []any{ID(1), ID(2), ID(3)}, s.told, "Run goes on afterwards")
	})
}

func TestWaitForRoomEndsWithTheContext(t *testing.T) {
	onStage(t, Options{}, nil, func(t *testing.T, s *stage) {
		_, err := s.a.Trigger()
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = s.a.TriggerAndWait(ctx)
		require.ErrorIs(t, err, ErrBusy)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, s.a.queued)
		require.Len(t, s.c.pending, 1)
	})
}

func TestEndOfTheAttemptEndsTheWait(t *testing.T) {
	lose := func(s *stage) { s.c.lose(ErrLockLost) }
	for name, c := range map[string]struct {
		end  func(*stage)
		want error
	}{
		"end":    {func(s *stage) { s.a.End() }, ErrEnded},
		"cancel": {func(s *stage) { s.c.Cancel() }, ErrEnded},
		"close":  {func(s *stage) { _ = s.c.Close() }, ErrEnded},
		"lost":   {lose, ErrLockLost},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, Options{}, nil, func(t *testing.T, s *stage) {
				errs := make(chan error, 2)
				for range 2 { // the second waits for room
					go func() {
						_, err := s.a.TriggerAndWait(context.Background())
						errs <- err
					}()
					synctest.Wait()
				}
				c.end(s)
				require.ErrorIs(t, <-errs, c.want)
				require.ErrorIs(t, <-errs, c.want)
				_, err := s.a.TriggerAndWait(context.Background())
				require.ErrorIs(t, err, c.want)
			})
		})
	}
}

// The one under way is in its commit, which does not end with the attempt.
func TestEndOfTheAttemptEndsTheWaitForRoom(t *testing.T) {
	onStage(t, Options{}, acknowledgeAll, func(t *testing.T, s *stage) {
		committing, release := make(chan struct{}), make(chan struct{})
		s.c.objects = &moody{Objects: s.c.objects, fail: func(op, _ string) error {
			if op == "create" {
				close(committing)
				<-release
			}
			return nil
		}}
		_, err := s.a.Trigger()
		require.NoError(t, err)
		<-committing
		errs := make(chan error)
		go func() {
			_, err := s.a.TriggerAndWait(context.Background())
			errs <- err
		}()
		synctest.Wait()
		s.a.End()
		require.ErrorIs(t, <-errs, ErrEnded)
		close(release)
	})
}

func TestEarlierAttemptCannotTriggerAndWait(t *testing.T) {
	onStage(t, Options{}, acknowledgeAll, func(t *testing.T, s *stage) {
		before := s.a
		var err error
		s.a, err = s.c.Begin(t.Context(), s, oneTask)
		require.NoError(t, err)
		_, err = before.TriggerAndWait(t.Context())
		require.ErrorIs(t, err, ErrFenced)
		_, err = s.a.TriggerAndWait(t.Context())
		require.NoError(t, err)
	})
}

func TestAwaitedCheckpointWhoseCommitFailsReturnsTheError(t *testing.T) {
	onStage(t, Options{}, acknowledgeAll, func(t *testing.T, s *stage) {
		s.c.objects = &moody{Objects: s.c.objects, fail: func(op, _ string) error {
			if op == "create" {
				return errMood
			}
			return nil
		}}
		_, err := s.a.TriggerAndWait(t.Context())
		require.True(t, errors.Is(err, errMood), "%v", err)
		require.ErrorContains(t, err, "metadata")
	})
}
