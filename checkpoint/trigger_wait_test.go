package checkpoint

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// bubbleJob is a job with one subtask, whose coordinator runs in a synctest bubble.
type bubbleJob struct {
	c       *Coordinator
	a       *Attempt
	barrier func(*Upload) // called for each trigger; nil for nothing
	events  []any         // calls of Tasks: the ID of each complete checkpoint, the reason of each aborted one
}

func (s *bubbleJob) Trigger(t Trigger) {
	if s.barrier != nil {
		s.barrier(s.a.Upload(t.ID, "op", 0))
	}
}
func (s *bubbleJob) Complete(stats Stats)    { s.events = append(s.events, stats.ID) }
func (s *bubbleJob) Aborted(_ ID, err error) { s.events = append(s.events, err) }
func (s *bubbleJob) Fail(error)              {}
func acknowledgeAll(u *Upload)               { _ = u.Acknowledge(nil, []byte("part")) }
func declineAll(u *Upload)                   { u.Decline(errTest) }
func after(d time.Duration) func(*Upload)    { return func(u *Upload) { go slowly(u, d) } }

// slowly acknowledges after d, unless the checkpoint ends first.
func slowly(u *Upload, d time.Duration) {
	select {
	case <-time.After(d):
		acknowledgeAll(u)
	case <-u.Context().Done():
	}
}

// inBubble runs a test in a synctest bubble, which fails if goroutines are left at its end.
func inBubble(t *testing.T, o Options, barrier func(*Upload), test func(t *testing.T, s *bubbleJob)) {
	synctest.Test(t, func(t *testing.T) {
		o.Job, o.Storage = "job", storageOn(t, unlimited())
		s := &bubbleJob{barrier: barrier}
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

func TestTriggerAndWaitReturnsAfterTasksComplete(t *testing.T) {
	inBubble(t, Options{}, after(time.Second), func(t *testing.T, s *bubbleJob) {
		for id := ID(1); id <= 2; id++ {
			stats, err := s.a.TriggerAndWait(t.Context())
			require.NoError(t, err)
			require.Equal(t, id, stats.ID)
			require.EqualValues(t, len("part"), stats.Bytes)
			require.Equal(t, time.Second, stats.Took)
			require.Len(t, s.events, int(id))
			require.Equal(t, id, s.events[id-1])
			entries, err := s.c.completed.List(t.Context())
			require.NoError(t, err)
			require.Equal(t, id, entries[len(entries)-1].ID)
		}
	})
}

func TestAwaitedCheckpointThatIsDeclinedReturnsTheReason(t *testing.T) {
	inBubble(t, Options{}, declineAll, func(t *testing.T, s *bubbleJob) {
		_, err := s.a.TriggerAndWait(t.Context())
		require.ErrorIs(t, err, errTest)
		require.ErrorContains(t, err, "checkpoint 1: subtask 0 of \"op\"")
		require.Equal(t, []any{err}, s.events)
	})
}

// Nothing calls Run, which otherwise enforces timeouts.
func TestAwaitedCheckpointTimesOutWithoutRun(t *testing.T) {
	inBubble(t, Options{Timeout: time.Minute}, nil, func(t *testing.T, s *bubbleJob) {
		begun := time.Now()
		_, err := s.a.TriggerAndWait(t.Context())
		require.ErrorIs(t, err, ErrTimeout)
		require.Equal(t, time.Minute, time.Since(begun))
	})
}

func TestEndOfTheContextEndsTheWaitAndNotTheCheckpoint(t *testing.T) {
	inBubble(t, Options{Timeout: 2 * time.Hour}, after(time.Hour), func(t *testing.T, s *bubbleJob) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errTest) })
		_, err := s.a.TriggerAndWait(ctx)
		require.ErrorIs(t, err, errTest)
		require.NotErrorIs(t, err, ErrBusy)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []any{ID(1)}, s.events)

		_, err = s.a.TriggerAndWait(ctx)
		require.ErrorIs(t, err, errTest)
		require.Len(t, s.c.pending, 0, "no checkpoint starts after the end of the context")
	})
}

// While a checkpoint is in progress there is no room. When it ends, TriggerAndWait comes before
// Run.
func TestAwaitedCheckpointIsNextAfterTheOneInProgress(t *testing.T) {
	inBubble(t, Options{Interval: time.Second}, after(10*time.Second), func(t *testing.T, s *bubbleJob) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.a.Run(ctx)
		time.Sleep(5 * time.Second) // the first checkpoint began after 1 s
		begun := time.Now()
		stats, err := s.a.TriggerAndWait(t.Context())
		require.NoError(t, err)
		require.Equal(t, ID(2), stats.ID)
		require.Equal(t, 16*time.Second, time.Since(begun))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, []any{ID(1), ID(2), ID(3)}, s.events, "Run continues afterwards")
	})
}

func TestWaitForRoomEndsWithTheContext(t *testing.T) {
	inBubble(t, Options{}, nil, func(t *testing.T, s *bubbleJob) {
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
	lose := func(s *bubbleJob) { s.c.endForLostLock(ErrLockLost) }
	for name, c := range map[string]struct {
		end  func(*bubbleJob)
		want error
	}{
		"end":    {func(s *bubbleJob) { s.a.End() }, ErrEnded},
		"cancel": {func(s *bubbleJob) { s.c.Cancel() }, ErrEnded},
		"close":  {func(s *bubbleJob) { _ = s.c.Close() }, ErrEnded},
		"lost":   {lose, ErrLockLost},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{}, nil, func(t *testing.T, s *bubbleJob) {
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

// A commit is in progress; it does not end with the attempt.
func TestEndOfTheAttemptEndsTheWaitForRoom(t *testing.T) {
	inBubble(t, Options{}, acknowledgeAll, func(t *testing.T, s *bubbleJob) {
		committing, release := make(chan struct{}), make(chan struct{})
		s.c.objects = &faultyObjects{Objects: s.c.objects, fail: func(op, _ string) error {
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
	inBubble(t, Options{}, acknowledgeAll, func(t *testing.T, s *bubbleJob) {
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
	inBubble(t, Options{}, acknowledgeAll, func(t *testing.T, s *bubbleJob) {
		s.c.objects = &faultyObjects{Objects: s.c.objects, fail: func(op, _ string) error {
			if op == "create" {
				return errTest
			}
			return nil
		}}
		_, err := s.a.TriggerAndWait(t.Context())
		require.True(t, errors.Is(err, errTest), "%v", err)
		require.ErrorContains(t, err, "metadata")
	})
}
