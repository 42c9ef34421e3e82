package integration

import (
	"context"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/integration/loadjob"
	"github.com/weirstate/weir/integration/s3proxy"
)

// maxRequests is the largest number of S3 requests that a checkpoint without changes may cost, with those
// that remove the oldest one.
const maxRequests = 5

func TestCheckpointWithoutChangesCostsFewRequests(t *testing.T) {
	for _, subtasks := range []int{1, 4, 8} {
		r := countRequests(t, subtasks)
		t.Logf("%d subtasks: %+v", subtasks, r)
		require.LessOrEqual(t, r.Unchanged.Total(), maxRequests*checkpointsCounted, "subtasks: %d", subtasks)
	}
}

// checkpointsCounted is the number of checkpoints of each kind.
const checkpointsCounted = 10

// requests are the numbers of requests of one job.
type requests struct {
	First                  s3proxy.Counts // of the first checkpoint
	SmallChange, Unchanged s3proxy.Counts // of checkpointsCounted checkpoints
}

func countRequests(t *testing.T, subtasks int) (r requests) {
	ctx := context.Background()
	proxy, err := s3proxy.Start(shared.S3)
	require.NoError(t, err)
	defer proxy.Close()
	at := s3At(proxy.URL, newRoot("requests")) + "&dir=" + url.QueryEscape(filepath.Join(t.TempDir(), "trees"))
	open := func() *loadjob.Job {
		j, err := loadjob.Open(ctx, "lsm+"+at, subtasks)
		require.NoError(t, err)
		return j
	}
	// The removals of old checkpoints run in the background, so counts are read after Close.
	count := func(before func(j *loadjob.Job), n int, change func(j *loadjob.Job, i int)) s3proxy.Counts {
		j := open()
		before(j)
		start := proxy.Counts()
		for i := range n {
			change(j, i)
			_, err := j.Checkpoint(ctx)
			require.NoError(t, err)
		}
		require.NoError(t, j.Close())
		return proxy.Counts().Minus(start)
	}
	write := func(j *loadjob.Job, from, to int64, seed uint64) { require.NoError(t, j.Write(from, to, seed)) }
	none := func(*loadjob.Job) {}
	r.First = count(none, 1, func(j *loadjob.Job, _ int) { write(j, 0, 4000, 1) })
	again := func(j *loadjob.Job) { // a restored tree writes its manifest anew
		_, err := j.Checkpoint(ctx)
		require.NoError(t, err)
	}
	r.SmallChange = count(again, checkpointsCounted, func(j *loadjob.Job, i int) { write(j, int64(i*40), int64(i*40+40), 2) })
	r.Unchanged = count(again, checkpointsCounted, func(*loadjob.Job, int) {})
	return r
}
