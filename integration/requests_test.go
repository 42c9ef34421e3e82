package integration

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/integration/loadjob"
	"github.com/weirstate/weir/integration/s3proxy"
	"github.com/weirstate/weir/internal/await"
)

// maxRequests is the largest number of S3 requests that a checkpoint without changes may cost, with those
// that remove the oldest one.
const maxRequests = 5

// The log is the table of docs/storage.md.
func TestCheckpointWithoutChangesCostsFewRequests(t *testing.T) {
	var table strings.Builder
	fmt.Fprintln(&table, "\n| subtasks | without changes | 40 KiB of 4 MiB changed | first, 4 MiB |\n|---|---|---|---|")
	for _, subtasks := range []int{1, 4, 8} {
		c := newRequestCounter(t, subtasks)
		first := c.checkpoint(func() { c.write(0, 4000, 1) })
		require.Zero(t, first.Multipart)
		small := c.median(func(i int64) { c.write(i*40, i*40+40, 2) })
		c.awaitEndOfCompactions()
		unchanged := c.median(func(int64) {})
		require.LessOrEqual(t, unchanged.Total(), maxRequests, "subtasks: %d, requests: %+v", subtasks, unchanged)
		fmt.Fprintf(&table, "| %d | %s | %s | %s |\n", subtasks, requestsOf(unchanged), requestsOf(small), requestsOf(first))
		require.NoError(t, c.job.Close())
	}
	t.Log(table.String())
}

// requestsOf returns the cell of a table.
func requestsOf(c s3proxy.Counts) string {
	return fmt.Sprintf("%d: %d PUT, %d GET, %d LIST, %d DELETE", c.Total(), c.Put, c.Get+c.Head, c.List, c.Delete)
}

// requestCounter counts the requests of single checkpoints of a job.
type requestCounter struct {
	t       *testing.T
	proxy   *s3proxy.Proxy
	job     *loadjob.Job
	objects checkpoint.Objects // of the job; not through the proxy
	stats   checkpoint.Stats   // of the last checkpoint
}

func newRequestCounter(t *testing.T, subtasks int) *requestCounter {
	ctx := context.Background()
	c := &requestCounter{t: t}
	var err error
	c.proxy, err = s3proxy.Start(shared.S3)
	require.NoError(t, err)
	t.Cleanup(c.proxy.Close)
	root := newRoot("requests")
	c.job, err = loadjob.Open(ctx, "lsm+"+s3At(c.proxy.URL, root)+"&dir="+url.QueryEscape(filepath.Join(t.TempDir(), "trees")), subtasks)
	require.NoError(t, err)
	c.objects, err = checkpoint.OpenObjects(ctx, s3URL(root))
	require.NoError(t, err)
	return c
}

func (c *requestCounter) write(from, to int64, seed uint64) {
	require.NoError(c.t, c.job.Write(from, to, seed))
}

// checkpoint calls change, takes a checkpoint, waits until the checkpoint before it is removed, and returns the
// requests of all that.
func (c *requestCounter) checkpoint(change func()) s3proxy.Counts {
	begun := c.proxy.Counts()
	change()
	var err error
	c.stats, err = c.job.Checkpoint(context.Background())
	require.NoError(c.t, err)
	await.True(c.t, func() bool { return len(c.checkpoints()) == 1 }, func() string {
		return fmt.Sprintf("the folders of several checkpoints remain: %v", c.checkpoints())
	})
	return c.proxy.Counts().Minus(begun)
}

// checkpoints returns the IDs of the checkpoints that have an object in their folder, or an entry.
func (c *requestCounter) checkpoints() map[string]bool {
	list, err := c.objects.List(context.Background(), "load/")
	require.NoError(c.t, err)
	ids := make(map[string]bool)
	for _, o := range list {
		parts := strings.Split(o.Name, "/")
		if id, ok := strings.CutPrefix(parts[1], "chk-"); ok {
			ids[id] = true
		} else if parts[1] == "completed" {
			ids[strings.TrimLeft(parts[2], "0")] = true
		}
	}
	return ids
}

// awaitEndOfCompactions takes checkpoints until three have written the same number of bytes: a compaction in the
// background makes new files.
func (c *requestCounter) awaitEndOfCompactions() {
	for same, last := 0, int64(-1); same < 3; {
		c.checkpoint(func() {})
		if c.stats.NewBytes != last {
			same = 0
		}
		same, last = same+1, c.stats.NewBytes
	}
}

// median returns the requests of the checkpoint in the middle of 11, ordered by their number.
func (c *requestCounter) median(change func(i int64)) s3proxy.Counts {
	var all []s3proxy.Counts
	for i := range int64(11) {
		all = append(all, c.checkpoint(func() { change(i) }))
	}
	slices.SortFunc(all, func(a, b s3proxy.Counts) int { return cmp.Compare(a.Total(), b.Total()) })
	return all[len(all)/2]
}
