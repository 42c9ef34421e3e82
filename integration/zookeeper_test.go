package integration

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/zkstore"
)

// heldTasks is a job with one subtask, which acknowledges each checkpoint with some data.
type heldTasks struct {
	attempt *checkpoint.Attempt
	failed  chan error
}

func (j *heldTasks) Trigger(at checkpoint.Trigger) {
	u := j.attempt.Upload(at.ID, "op", 0)
	if err := u.Acknowledge(nil, []byte("data")); err != nil {
		u.Decline(err)
	}
}
func (j *heldTasks) Complete(checkpoint.Stats)    {}
func (j *heldTasks) Aborted(checkpoint.ID, error) {}
func (j *heldTasks) Fail(err error)               { j.failed <- err }

// coordinate begins an attempt of the job "job" in a new coordinator with files in dir.
func coordinate(ctx context.Context, t *testing.T, dir, address string) (*checkpoint.Coordinator, *heldTasks) {
	open, err := checkpoint.OpenCompleted("zk://" + address + "/coordinators?session=3s&wait=true")
	require.NoError(t, err)
	files, err := checkpoint.NewFiles(dir)
	require.NoError(t, err)
	storage, err := checkpoint.NewStorage(files, checkpoint.StorageOptions{Completed: open})
	require.NoError(t, err)
	c, err := checkpoint.NewCoordinator(ctx, checkpoint.Options{Job: "job", Storage: storage, Retain: 2})
	require.NoError(t, err)
	tasks := &heldTasks{failed: make(chan error, 100)}
	tasks.attempt, err = c.Begin(ctx, tasks, []checkpoint.Subtasks{{Operator: "op", Parallelism: 1}})
	require.NoError(t, err)
	return c, tasks
}

// treeOf returns the content of all files below a directory.
func treeOf(t *testing.T, dir string) map[string]string {
	tree := make(map[string]string)
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		tree[path] = string(data)
		return err
	}))
	return tree
}

// The network of a coordinator stops for longer than its session, another coordinator takes over, and the
// network delivers what the first one has sent. The first one must change nothing.
func TestCoordinatorThatWakesUpChangesNothing(t *testing.T) {
	z := startZooKeeper(t)
	link := newProxy(t, z.Address)
	dir := t.TempDir()
	first, tasks := coordinate(t.Context(), t, dir, link.address())
	for range 3 {
		_, err := tasks.attempt.TriggerAndWait(t.Context())
		require.NoError(t, err)
	}
	link.hold()
	held := make(chan error, 1)
	go func() { // its commit is sent, and is under way until the network delivers it
		_, err := tasks.attempt.TriggerAndWait(t.Context())
		held <- err
	}()
	second, others := coordinate(t.Context(), t, dir, z.Address) // waits for the end of the session
	require.EqualValues(t, 3, others.attempt.Restored().ID)
	newest, err := others.attempt.TriggerAndWait(t.Context())
	require.NoError(t, err)
	require.NoError(t, second.Close()) // all removals are done
	before := treeOf(t, dir)

	link.resume()
	require.Error(t, <-held)
	require.ErrorIs(t, <-tasks.failed, checkpoint.ErrLockLost)
	_, err = first.Begin(t.Context(), tasks, []checkpoint.Subtasks{{Operator: "op", Parallelism: 1}})
	require.ErrorIs(t, err, checkpoint.ErrLockLost)
	require.ErrorIs(t, first.Close(), checkpoint.ErrLockLost)
	require.Equal(t, before, treeOf(t, dir))

	third, tasks := coordinate(t.Context(), t, dir, z.Address)
	require.Equal(t, newest.ID, tasks.attempt.Restored().ID)
	require.NoError(t, third.Close())
}

func TestEveryZnodeIsClosedToOthers(t *testing.T) {
	chroot := "/" + newRoot("closed")
	as := func(user string) zkstore.Options {
		o := zkstore.Options{Servers: []string{shared.ZooKeeper}, Chroot: chroot, Session: 5 * time.Second, ACL: zkstore.Creator}
		o.Auth = func() (zkstore.Credentials, error) { return zkstore.Credentials{User: user, Password: "CANARY"}, nil }
		return o
	}
	s, err := zkstore.Open(t.Context(), "job", as("owner"))
	require.NoError(t, err)
	attempt, err := s.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Commit(t.Context(), checkpoint.Entry{ID: 1, Attempt: attempt}))

	c, _, err := zk.Connect([]string{shared.ZooKeeper}, 5*time.Second, zk.WithLogInfo(false))
	require.NoError(t, err)
	defer c.Close()
	for _, path := range []string{"", "/job", "/job/leader", "/job/attempt", "/job/ids", "/job/completed", "/job/completed/0000000000000000001"} {
		_, _, err := c.Get(chroot + path)
		require.ErrorIs(t, err, zk.ErrNoAuth, path)
		_, err = c.Set(chroot+path, nil, -1)
		require.ErrorIs(t, err, zk.ErrNoAuth, path)
	}
	require.ErrorIs(t, c.Delete(chroot+"/job/completed/0000000000000000001", -1), zk.ErrNoAuth)
	require.NoError(t, s.Close())

	other := as("other")
	other.Session = time.Second
	_, err = zkstore.Open(t.Context(), "job", other)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "zk://"+shared.ZooKeeper+chroot)
	require.NotContains(t, err.Error(), "CANARY")
}

// A quota for the entries lets two checkpoints complete. The third fails at once, and the job continues.
func TestCommitAboveTheQuotaFailsAtOnce(t *testing.T) {
	chroot := "/" + newRoot("quota")
	o := zkstore.Options{Servers: []string{shared.ZooKeeper}, Chroot: chroot, Session: 5 * time.Second}
	s, err := zkstore.Open(t.Context(), "job", o)
	require.NoError(t, err)
	c, _, err := zk.Connect(o.Servers, 5*time.Second, zk.WithLogInfo(false))
	require.NoError(t, err)
	defer c.Close()
	path := "/zookeeper/quota"
	for _, part := range []string{chroot, "/job", "/completed"} {
		path += part
		_, err := c.Create(path, nil, 0, zk.WorldACL(zk.PermAll))
		require.NoError(t, err)
	}
	for name, data := range map[string]string{ // the znode of the folder counts too
		"/zookeeper_limits": "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3",
		"/zookeeper_stats":  "count=0,bytes=0",
	} {
		_, err := c.Create(path+name, []byte(data), 0, zk.WorldACL(zk.PermAll))
		require.NoError(t, err)
	}

	attempt, err := s.Begin(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	commit := func(id checkpoint.ID) error {
		return s.Commit(ctx, checkpoint.Entry{ID: id, Attempt: attempt})
	}
	require.NoError(t, commit(1))
	require.NoError(t, commit(2))
	err = commit(3)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "zk://"+shared.ZooKeeper+chroot+"/job/completed/")
	require.NoError(t, ctx.Err())
	require.NoError(t, s.Remove(ctx, 1))
	require.NoError(t, commit(4))
	require.NoError(t, s.Close())
}

// The numbers survive every way in which a server and its sessions can end.
func TestNumbersAscendWhateverHappensToTheServer(t *testing.T) {
	z := startZooKeeper(t)
	var attempt checkpoint.AttemptID
	var next checkpoint.ID
	for name, happen := range map[string]func(){
		"nothing": func() {},
		"stopped for a time": func() {
			require.NoError(t, z.Pause())
			time.Sleep(300 * time.Millisecond)
			require.NoError(t, z.Resume())
		},
		"stopped for long": func() {
			require.NoError(t, z.Pause())
			time.Sleep(2600 * time.Millisecond)
			require.NoError(t, z.Resume())
		},
		"killed and started":  func() { require.NoError(t, z.Kill()); require.NoError(t, z.Start(t.Context())) },
		"stopped and started": func() { require.NoError(t, z.Stop()); require.NoError(t, z.Start(t.Context())) },
	} {
		s, err := zkstore.Open(t.Context(), "job", zkstore.Options{Servers: []string{z.Address}, Session: 2 * time.Second, Wait: true})
		require.NoError(t, err, name)
		for range 2 {
			a, err := s.Begin(t.Context())
			if err != nil {
				require.ErrorIs(t, err, checkpoint.ErrLockLost, name)
				break
			}
			require.Greater(t, a, attempt, name)
			attempt = a
			first, err := s.ReserveIDs(t.Context(), 1, 4)
			if err != nil {
				require.ErrorIs(t, err, checkpoint.ErrLockLost, name)
				break
			}
			require.GreaterOrEqual(t, first, next, name)
			next = first + 4
			happen()
		}
		require.NoError(t, s.Close())
	}
	require.NotZero(t, next)
}

func TestServerThatIsDownIsAnErrorWithItsAddress(t *testing.T) {
	z := startZooKeeper(t)
	require.NoError(t, z.Kill())
	_, err := zkstore.Open(t.Context(), "job", zkstore.Options{Servers: []string{z.Address}, Session: 2 * time.Second})
	require.ErrorContains(t, err, "no server has answered within 2s")
	require.ErrorContains(t, err, "zk://"+z.Address+"/job")
}
