package zkstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// Each test in this file reproduces a bug that another system had with its ZooKeeper store, and
// names the code that protects Weir from it. Each was seen to fail without that code.

// jobTasks is a job with one subtask. It acknowledges each checkpoint with one file.
type jobTasks struct {
	attempt *checkpoint.Attempt
	failed  chan error
}

func (j *jobTasks) Complete(checkpoint.Stats)    {}
func (j *jobTasks) Aborted(checkpoint.ID, error) {}
func (j *jobTasks) Fail(err error)               { j.failed <- err }
func (j *jobTasks) Trigger(at checkpoint.Trigger) {
	u := j.attempt.Upload(at.ID, "op", 0)
	if err := j.acknowledge(u); err != nil {
		u.Decline(err)
	}
}

// acknowledge writes the file of the subtask.
func (j *jobTasks) acknowledge(u *checkpoint.Upload) error {
	file, err := u.Create(u.Context(), u.Name())
	if err != nil {
		return err
	}
	if _, err := file.Write(make([]byte, 100)); err != nil {
		return err
	}
	if err := file.Commit(); err != nil {
		return err
	}
	space := backend.SubtaskKeyspace(0, 1, 8)
	return u.Acknowledge(&snapshot.Handle{
		Keyspace: space, Files: []snapshot.FileRef{{Name: u.Name(), Size: 100, Bounds: space.Groups}},
	}, nil)
}

// coordinated is a coordinator of the job "job" and its current attempt.
type coordinated struct {
	*checkpoint.Coordinator
	*jobTasks
}

// coordinate begins an attempt of the job in a new coordinator, whose files are in a directory.
func coordinate(t *testing.T, e *ensemble, dir string) coordinated {
	t.Helper()
	open, err := NewOpener(e.options())
	require.NoError(t, err)
	c := coordinateWith(t, dir, open)
	require.NoError(t, c.begin(t))
	return c
}

// coordinateWith returns a coordinator of the job "job", whose files are in a directory, with a completed
// store: nil for the one in the directory.
func coordinateWith(t *testing.T, dir string, open checkpoint.CompletedOpener) coordinated {
	t.Helper()
	objects, err := checkpoint.NewFiles(dir)
	require.NoError(t, err)
	storage, err := checkpoint.NewStorage(objects, checkpoint.StorageOptions{InlineBytes: -1, Completed: open})
	require.NoError(t, err)
	c, err := checkpoint.NewCoordinator(t.Context(), checkpoint.Options{Job: "job", Storage: storage, Retain: 2, TolerableFailures: 100})
	require.NoError(t, err)
	return coordinated{c, &jobTasks{failed: make(chan error, 100)}}
}

// begin begins an attempt.
func (c coordinated) begin(t *testing.T) (err error) {
	c.attempt, err = c.Begin(t.Context(), c.jobTasks, []checkpoint.Subtasks{{Operator: "op", Parallelism: 1}})
	return err
}

// take completes a checkpoint.
func (c coordinated) take(t *testing.T) checkpoint.ID {
	t.Helper()
	stats, err := c.attempt.TriggerAndWait(t.Context())
	require.NoError(t, err)
	return stats.ID
}

// filesOf returns the names of the job's objects in a directory.
func filesOf(t *testing.T, dir string) (names []string) {
	objects, err := checkpoint.NewFiles(dir)
	require.NoError(t, err)
	listed, err := objects.List(context.Background(), "job/")
	require.NoError(t, err)
	for _, o := range listed {
		if o.Irregular == nil {
			names = append(names, o.Name)
		}
	}
	return names
}

// FLINK-7783: a checkpoint was dropped in recovery because ZooKeeper did not answer, and its files
// were removed. Protection: a request without an answer is repeated (Store.run), and List returns
// every error instead of leaving an entry out.
func TestBug2HiccupOfZooKeeperRemovesNoCheckpoint(t *testing.T) {
	dir := t.TempDir()
	e := newEnsemble()
	first := coordinate(t, e, dir)
	first.take(t)
	newest := first.take(t)
	require.NoError(t, first.Close())
	before := filesOf(t, dir)

	dry := e.asked()
	again := coordinate(t, e, dir)
	require.NoError(t, again.Close())
	requests := e.asked() - dry
	for f, name := range map[fault]string{lostBefore: "lost", lostAfter: "answer lost", expiresBefore: "expired", refused: "refused"} {
		for index := range requests {
			t.Run(fmt.Sprintf("%s %d", name, index), func(t *testing.T) {
				e.failAt(e.asked()+index, f)
				objects, err := checkpoint.NewFiles(dir)
				require.NoError(t, err)
				open, err := NewOpener(e.options())
				require.NoError(t, err)
				storage, err := checkpoint.NewStorage(objects, checkpoint.StorageOptions{InlineBytes: -1, Completed: open})
				require.NoError(t, err)
				c, err := checkpoint.NewCoordinator(t.Context(), checkpoint.Options{Job: "job", Storage: storage, Retain: 2})
				if err == nil {
					var a *checkpoint.Attempt
					a, err = c.Begin(t.Context(), &jobTasks{failed: make(chan error, 9)}, []checkpoint.Subtasks{{Operator: "op", Parallelism: 1}})
					if err == nil {
						require.Equal(t, newest, a.Restored().ID)
						require.Empty(t, a.Skipped())
					}
					_ = c.Close()
				}
				if f == lostBefore || f == lostAfter {
					require.NoError(t, err)
				}
				e.loseAll(false)
				require.Equal(t, before, filesOf(t, dir), "no file is removed")
				after := coordinate(t, e, dir)
				require.Equal(t, newest, after.attempt.Restored().ID)
				require.NoError(t, after.Close())
			})
		}
	}
}

// FLINK-5940, FLINK-5942: one damaged entry kept the job from recovering. Protection: Store.read
// returns damage as Entry.Err; the coordinator passes over the checkpoint, reports it and keeps it.
func TestBug12DamagedEntryIsKeptReportedAndPassedOver(t *testing.T) {
	whole := checkpoint.Entry{ID: 2, Attempt: 1, Size: 7}.Encode()
	for name, content := range map[string]string{
		"empty": "", "short": string(whole[:20]), "flipped": string(whole[:30]) + "x" + string(whole[31:]), "text": "broken",
		"another checkpoint's": string(checkpoint.Entry{ID: 9, Attempt: 1}.Encode()), "large": string(make([]byte, 5000)),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			e := newEnsemble()
			first := coordinate(t, e, dir)
			require.EqualValues(t, 1, first.take(t))
			require.EqualValues(t, 2, first.take(t))
			require.NoError(t, first.Close())
			damaged := "/weir/test/job/completed/0000000000000000002"
			e.put(damaged, content)
			before := filesOf(t, dir)

			second := coordinate(t, e, dir)
			require.EqualValues(t, 1, second.attempt.Restored().ID)
			require.Len(t, second.attempt.Skipped(), 1)
			require.ErrorIs(t, second.attempt.Skipped()[0], checkpoint.ErrCorrupt)
			require.ErrorContains(t, second.attempt.Skipped()[0], "zk://h1:2181,h2:2182"+damaged)
			require.NotContains(t, second.attempt.Skipped()[0].Error(), "broken")
			for range 4 {
				second.take(t)
			}
			require.NoError(t, second.Close())
			require.Equal(t, content, string(e.nodes[damaged].data), "it is kept")
			for _, name := range before {
				if strings.HasPrefix(name, "job/chk-2/") {
					require.Contains(t, filesOf(t, dir), name, "and so are its files")
				}
			}
		})
	}
}

// FLINK-14091: after a lost connection the counter of checkpoint IDs was dead, and every checkpoint
// failed. Protection: ReserveIDs keeps nothing between calls and reads the counter again.
func TestBug13IDsAscendAfterLostConnectionsAndSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnsemble()
		last := checkpoint.ID(0)
		for session := range 3 {
			s := e.open(t)
			for range 5 {
				e.loseAll(true)
				time.AfterFunc(5*time.Second, func() { e.loseAll(false) })
				first, err := s.ReserveIDs(t.Context(), 1, 3)
				require.NoError(t, err)
				require.Greater(t, first, last)
				last = first + 2
				time.Sleep(time.Minute)
			}
			if session < 2 {
				e.expire(e.newest())
				synctest.Wait()
				_, err := s.ReserveIDs(t.Context(), 1, 3)
				require.ErrorIs(t, err, checkpoint.ErrLockLost)
			}
			require.NoError(t, s.Close())
		}
	})
}

// FLINK-4201: suspending a job removed its checkpoints from ZooKeeper. Protection: Store.Close ends
// the session and removes nothing; only the ephemeral znode of the leader vanishes with it.
func TestBug14CloseRemovesNothingButTheLeadership(t *testing.T) {
	dir := t.TempDir()
	e := newEnsemble()
	c := coordinate(t, e, dir)
	c.take(t)
	c.take(t)
	e.mu.Lock()
	before := pathsOf(e)
	e.mu.Unlock()
	require.Contains(t, before, "/weir/test/job/leader")
	files := filesOf(t, dir)
	require.NoError(t, c.Close())
	require.Equal(t, slices.DeleteFunc(before, func(path string) bool { return path == "/weir/test/job/leader" }), pathsOf(e))
	require.Equal(t, files, filesOf(t, dir))
	for _, s := range e.sessions {
		require.True(t, s.ended)
	}
}

// pathsOf returns the paths of all znodes.
func pathsOf(e *ensemble) (paths []string) {
	for path := range e.nodes {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// A coordinator that is cut off, and one that has taken over, on the same directory.
func TestCoordinatorThatLostItsSessionTouchesNothing(t *testing.T) {
	dir := t.TempDir()
	e := newEnsemble()
	first := coordinate(t, e, dir)
	first.take(t)
	e.expire(e.newest())
	second := coordinate(t, e, dir)
	require.EqualValues(t, 1, second.attempt.Restored().ID)
	newest := second.take(t)
	before := filesOf(t, dir)

	_, err := first.attempt.TriggerAndWait(t.Context())
	require.Error(t, err)
	require.ErrorIs(t, first.begin(t), checkpoint.ErrLockLost)
	_, err = first.Collect(t.Context(), false)
	require.ErrorIs(t, err, checkpoint.ErrLockLost)
	require.ErrorIs(t, first.Close(), checkpoint.ErrLockLost)
	after := slices.DeleteFunc(filesOf(t, dir), func(name string) bool {
		return strings.HasPrefix(name, "job/chk-2/") // its own, written before it knew; collected below
	})
	require.Equal(t, before, after)
	require.NoError(t, second.begin(t))
	require.Equal(t, newest, second.attempt.Restored().ID)
	require.NoError(t, second.Close())
	require.Equal(t, before, filesOf(t, dir))
}

// The ensemble was emptied, or the URL names another chroot. The job must not start without state, and
// its files must stay.
func TestStoreThatHasNeverSeenTheJobIsRefused(t *testing.T) {
	dir := t.TempDir()
	e := newEnsemble()
	first := coordinate(t, e, dir)
	first.take(t)
	require.NoError(t, first.Close())
	before := filesOf(t, dir)

	files, err := checkpoint.NewFiles(dir)
	require.NoError(t, err)
	other, err := NewOpener(newEnsemble().options())
	require.NoError(t, err)
	for name, open := range map[string]checkpoint.CompletedOpener{"another ensemble": other, "the storage": nil} {
		storage, err := checkpoint.NewStorage(files, checkpoint.StorageOptions{Completed: open})
		require.NoError(t, err)
		for range 3 {
			c, err := checkpoint.NewCoordinator(t.Context(), checkpoint.Options{Job: "job", Storage: storage})
			require.NoError(t, err)
			_, err = c.Begin(t.Context(), first.jobTasks, []checkpoint.Subtasks{{Operator: "op", Parallelism: 1}})
			require.ErrorIs(t, err, checkpoint.ErrNotRestorable, name)
			require.ErrorContains(t, err, "the completed store has never seen the job")
			require.NoError(t, c.Close())
		}
		require.Equal(t, before, filesOf(t, dir))
	}
	again := coordinate(t, e, dir)
	require.EqualValues(t, 1, again.attempt.Restored().ID)
	require.NoError(t, again.Close())
}

// A job began in ZooKeeper, and ran without it from then on. ZooKeeper has seen the job and lists no checkpoint. The
// job must not start without state when it returns there.
func TestJobWhoseListIsInTheStorageDoesNotReturnToZooKeeper(t *testing.T) {
	dir := t.TempDir()
	e := newEnsemble()
	require.NoError(t, coordinate(t, e, dir).Close())
	own := coordinateWith(t, dir, nil)
	require.NoError(t, own.begin(t))
	own.take(t)
	require.NoError(t, own.Close())
	before := filesOf(t, dir)

	open, err := NewOpener(e.options())
	require.NoError(t, err)
	for range 2 {
		c := coordinateWith(t, dir, open)
		err := c.begin(t)
		require.ErrorIs(t, err, checkpoint.ErrNotRestorable)
		require.ErrorContains(t, err, "lists the job's checkpoints itself")
		require.NoError(t, c.Close())
		require.Equal(t, before, filesOf(t, dir))
	}
	own = coordinateWith(t, dir, nil)
	require.NoError(t, own.begin(t))
	require.EqualValues(t, 1, own.attempt.Restored().ID)
	require.NoError(t, own.Close())
}
