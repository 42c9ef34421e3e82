package integration

import (
	"context"

	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/integration/servers"
	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/internal/bench/flightjob"
	"github.com/weirstate/weir/internal/bench/results"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/snapshot"
)

// A row of TestJobGoesOnAfterAServerWasKilled: a preset and the server that is killed.
type killedServer struct {
	preset preset
	// start starts servers of the test and returns the storage, the URL of ZooKeeper if the
	// preset has one, and the server to kill.
	start func(t testing.TB) (storage, zookeeper string, server *servers.Process)
}

func killedServers() map[string]killedServer {
	onOwnHDFS := func(t testing.TB, server func(*servers.HDFS) *servers.Process) (string, string, *servers.Process) {
		h := startHDFS(t)
		return "hdfs://" + h.Address + "/flights", "", server(h)
	}
	return map[string]killedServer{
		"S3 server": {preset{scheme: "lsm"}, func(t testing.TB) (string, string, *servers.Process) {
			s := startS3(t)
			return s3At(s.Endpoint, "flights"), "", s.Process
		}},
		"DataNode": {preset{scheme: "lsm"}, func(t testing.TB) (string, string, *servers.Process) {
			return onOwnHDFS(t, func(h *servers.HDFS) *servers.Process { return h.DataNode })
		}},
		"NameNode": {preset{scheme: "fs"}, func(t testing.TB) (string, string, *servers.Process) {
			return onOwnHDFS(t, func(h *servers.HDFS) *servers.Process { return h.NameNode })
		}},
		"ZooKeeper": {preset{scheme: "lsm", zk: true}, func(t testing.TB) (string, string, *servers.Process) {
			z := startZooKeeper(t)
			return s3URL(newRoot("killed")), zkAt(z.Address, "flights", 20*time.Second), z.Process
		}},
	}
}

// The server is killed while the job takes checkpoints, and is started again after checkpoints have
// failed. The job must not fail, must complete checkpoints again and must write the same result.
func TestJobGoesOnAfterAServerWasKilled(t *testing.T) {
	t.Parallel()
	flights := newFlightJob(t)
	for name, row := range killedServers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the servers are those of the row, and most of the time is waiting
			storage, zookeeper, server := row.start(t)
			run := newSupervisedJob(t, flights, row.preset.url(storage, filepath.Join(t.TempDir(), "trees"), zookeeper), t.TempDir())
			run.start()
			run.awaitCheckpoints(3)
			require.NoError(t, server.Kill())
			run.awaitFailure()
			require.NoError(t, server.Start(context.Background()))
			run.awaitCheckpoints(2)
			run.limit.Lift()
			require.Equal(t, flights.digest, run.result())
			require.Empty(t, leftObjects(t, storage))
		})
	}
}

// ZooKeeper does not answer for longer than the session of the coordinator, so another coordinator could lead
// the job. The job ends with ErrLockLost, as Options of package job document. When it is started again, it continues from
// its newest checkpoint.
func TestJobThatLostItsSessionContinuesWhenStartedAgain(t *testing.T) {
	t.Parallel()
	flights := newFlightJob(t)
	z := startZooKeeper(t)
	storage := s3URL(newRoot("expired"))
	url := preset{scheme: "lsm", zk: true}.url(storage, filepath.Join(t.TempDir(), "trees"), zkAt(z.Address, "flights", 4*time.Second))
	dir := t.TempDir()
	run := newSupervisedJob(t, flights, url, dir)
	run.start()
	run.awaitCheckpoints(3)
	require.NoError(t, z.Pause())
	require.ErrorIs(t, run.end(), checkpoint.ErrLockLost)
	require.NotEmpty(t, leftObjects(t, storage), "a job that has lost its lock removes nothing")
	require.NoError(t, z.Resume())

	again := newSupervisedJob(t, flights, url, dir)
	again.start()
	again.awaitCheckpoints(1)
	require.NotZero(t, again.restored.Load(), "the job must continue from a checkpoint")
	again.limit.Lift()
	require.Equal(t, flights.digest, again.result())
	require.Empty(t, leftObjects(t, storage))
}

// supervisedJob runs the flight job in this process. The sources stop in the middle of the input until
// limit is lifted, so that the job takes checkpoints for as long as the test needs them.
type supervisedJob struct {
	t           *testing.T
	preset      *weir.Preset
	limit       dataset.ReadLimit
	graph       *job.Graph
	dir         string
	checkpoints chan error    // one value per checkpoint: nil, or why it was aborted
	restored    atomic.Uint64 // the checkpoint from which the job has started
	done        chan error
}

// newSupervisedJob returns a job on the preset that a URL names, which writes its result to dir.
func newSupervisedJob(t *testing.T, f flightJob, url, dir string) *supervisedJob {
	p, err := weir.Open(context.Background(), url)
	require.NoError(t, err)
	r := &supervisedJob{t: t, preset: p, dir: dir, checkpoints: make(chan error, 10_000), done: make(chan error, 1)}
	r.limit.Set(f.dataset, func(records int64) int64 { return records / 2 })
	r.graph = flightjob.NewGraph(job.Options{
		Name: "flights", Open: p.Open, Parallelism: 2,
		Checkpoints: checkpoint.Options{
			Storage: p.Storage, Interval: 100 * time.Millisecond,
			Timeout: 3 * time.Second, TolerableFailures: 1000,
		},
		Snapshot:           snapshot.Options{Compression: snapshot.Zstd, Mode: p.Mode},
		DiscardCheckpoints: true,
		OnCheckpoint:       func(c job.CheckpointReport) { r.checkpoints <- c.Err },
		OnRestore:          func(c job.RestoreReport) { r.restored.Store(uint64(c.Checkpoint)) },
	}, f.dataset, &r.limit, dir)
	return r
}

func (r *supervisedJob) start() {
	running, err := r.graph.Start(r.t.Context())
	require.NoError(r.t, err)
	go func() {
		_, err := running.Wait()
		r.done <- err
	}()
}

// next returns the outcome of the next checkpoint. The test fails if the job ends or
// takes none in two minutes.
func (r *supervisedJob) next() error {
	r.t.Helper()
	select {
	case err := <-r.checkpoints:
		return err
	case err := <-r.done:
		require.FailNow(r.t, "the job has ended", "%v", err)
	case <-time.After(2 * time.Minute):
		require.FailNow(r.t, "no checkpoint in two minutes")
	}
	return nil
}

// awaitCheckpoints waits until n more checkpoints are complete.
func (r *supervisedJob) awaitCheckpoints(n int) {
	for n > 0 {
		if r.next() == nil {
			n--
		}
	}
}

// awaitFailure waits until a checkpoint has failed, and returns the reason.
func (r *supervisedJob) awaitFailure() error {
	for {
		if err := r.next(); err != nil {
			return err
		}
	}
}

// end waits for the end of the job, closes the preset and returns the error of the job.
func (r *supervisedJob) end() error {
	select {
	case err := <-r.done:
		require.NoError(r.t, r.preset.Close())
		return err
	case <-time.After(2 * time.Minute):
		require.FailNow(r.t, "the job has not ended in two minutes")
	}
	return nil
}

// result waits for the end of the job and returns the digest of its result.
func (r *supervisedJob) result() string {
	require.NoError(r.t, r.end())
	var paths []string
	for _, name := range flightjob.ResultFiles {
		paths = append(paths, filepath.Join(r.dir, name))
	}
	result, err := results.Read(paths...)
	require.NoError(r.t, err)
	return result.Digest()
}
