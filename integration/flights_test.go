package integration

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/internal/bench/harness"
	"github.com/weirstate/weir/snapshot"
)

// flightRecords is the number of flights that the jobs of the tests read.
const flightRecords = 120_000

// flightJob is the flight job on a dataset that the test has prepared.
type flightJob struct {
	dataset dataset.Dataset
	digest  string // of the result without checkpoints and failures
}

// newFlightJob prepares the dataset and runs the job on the heap, without checkpoints and
// failures.
func newFlightJob(t *testing.T) flightJob {
	input, err := dataset.FindInput()
	require.NoError(t, err)
	d, err := dataset.Prepare(context.Background(), input, t.TempDir(), flightRecords)
	require.NoError(t, err)
	p := harness.Plan{Backend: "hash", Storage: "none", Kind: harness.Uninterrupted, Dataset: d, Dir: t.TempDir(), Parallelism: 2}
	m, err := p.Measure(context.Background(), nil)
	require.NoError(t, err)
	return flightJob{d, m.Result.Digest()}
}

// preset is a kind of state and a storage.
type preset struct {
	name    string
	scheme  string // fs or lsm
	storage func(t testing.TB, root string) string
	zk      bool // the completed store is ZooKeeper
}

var presets = []preset{
	{name: "fs on s3", scheme: "fs", storage: onS3},
	{name: "lsm on s3", scheme: "lsm", storage: onS3},
	{name: "fs on hdfs", scheme: "fs", storage: onHDFS},
	{name: "lsm on hdfs", scheme: "lsm", storage: onHDFS},
	{name: "fs on files, completed in zookeeper", scheme: "fs", storage: onFiles, zk: true},
	{name: "lsm on s3, completed in zookeeper", scheme: "lsm", storage: onS3, zk: true},
}

func onS3(_ testing.TB, root string) string   { return s3URL(root) }
func onHDFS(_ testing.TB, root string) string { return hdfsURL(root) }

func onFiles(t testing.TB, root string) string {
	return "file://" + filepath.ToSlash(t.TempDir()) + "/" + root
}

// url returns the URL of the preset on a storage. Trees are in dir.
func (p preset) url(storage, dir, zookeeper string) string {
	query := url.Values{}
	if p.scheme == "lsm" {
		query.Set("dir", dir)
	}
	if p.zk {
		query.Set("completed", zookeeper)
	}
	if len(query) == 0 {
		return p.scheme + "+" + storage
	}
	separator := "?"
	if strings.Contains(storage, "?") {
		separator = "&"
	}
	return p.scheme + "+" + storage + separator + query.Encode()
}

// newRoot returns a name that no other test has used on a shared server.
func newRoot(name string) string { return name + "-" + strconv.FormatUint(rand.Uint64(), 36) }

func TestFlightsHaveTheSameResultAfterTwoKillsOnEveryStore(t *testing.T) {
	job := newFlightJob(t)
	for _, preset := range presets {
		t.Run(preset.name, func(t *testing.T) {
			root := newRoot("flights")
			storage := preset.storage(t, root)
			p := harness.Plan{
				Backend: preset.scheme, Storage: preset.name, Kind: harness.KilledTwice,
				URL: preset.url(storage, filepath.Join(t.TempDir(), "trees"), zkURL(root)), Job: "flights",
				Dataset: job.dataset, Dir: t.TempDir(), Parallelism: 2, CheckpointEvery: 100 * time.Millisecond,
				Snapshots: snapshot.Options{Compression: snapshot.Zstd},
			}
			m, err := p.Measure(context.Background(), nil)
			require.NoError(t, err)
			require.Equal(t, job.digest, m.Result.Digest())
			require.Equal(t, []int{2, 2, 3}, parallelisms(m.Restores))
			require.Empty(t, leftObjects(t, storage), "objects of the job that has removed its checkpoints")
			t.Logf("%d checkpoints, median %v, slowest restore %v", len(m.Checkpoints), m.CheckpointTime(), m.SlowestRestore())
		})
	}
}

func parallelisms(starts []harness.Restored) (all []int) {
	for _, s := range starts {
		all = append(all, s.Parallelism)
	}
	return all
}

// leftObjects returns the objects of the job "flights", finished and unfinished, without the records of
// attempts, which a job keeps so that later attempts have higher numbers. A folder is no object: a process
// that is killed between the removals of an object and of its folder leaves the folder.
func leftObjects(t testing.TB, storage string) []checkpoint.ObjectInfo {
	ctx := context.Background()
	objects, err := checkpoint.OpenObjects(ctx, storage)
	require.NoError(t, err)
	list, err := objects.List(ctx, "flights/")
	require.NoError(t, err)
	if u, ok := objects.(checkpoint.UnfinishedLister); ok {
		unfinished, err := u.ListUnfinished(ctx, "flights/")
		require.NoError(t, err)
		list = append(list, unfinished...)
	}
	return slices.DeleteFunc(list, func(o checkpoint.ObjectInfo) bool {
		return strings.Contains(o.Name, "/attempts/") || errors.Is(o.Irregular, syscall.EISDIR)
	})
}
