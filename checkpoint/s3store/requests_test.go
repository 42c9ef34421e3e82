package s3store

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// treeJob is a job whose subtasks have LSM backends with one value each.
type treeJob struct {
	t        *testing.T
	attempt  *checkpoint.Attempt
	preset   *weir.Preset
	backends []snapshot.Backend
	values   []state.ValueState[string]
}

const treeSubtasks = 4

// openTreeJob begins an attempt of the job.
func openTreeJob(t *testing.T, preset *weir.Preset, c *checkpoint.Coordinator) *treeJob {
	j := &treeJob{t: t, preset: preset}
	var err error
	j.attempt, err = c.Begin(t.Context(), j, []checkpoint.Subtasks{{Operator: "op", Parallelism: treeSubtasks}})
	require.NoError(t, err)
	for i := range treeSubtasks {
		b, err := preset.Open(state.Options{Keyspace: state.SubtaskKeyspace(i, treeSubtasks, 128)})
		require.NoError(t, err)
		keyed, err := state.NewKeyed(b, codec.String[string]())
		require.NoError(t, err)
		value, err := state.ValueOf(keyed, state.ValueDescriptor[string]{Name: "value", Codec: codec.String[string]()})
		require.NoError(t, err)
		require.NoError(t, j.attempt.Restore(t.Context(), b, "op"))
		j.backends, j.values = append(j.backends, b), append(j.values, value)
		for n := 0; ; n++ { // the first key of the subtask
			key := strings.Repeat("k", n)
			group, err := state.KeyGroupOf(codec.String[string](), key, 128)
			require.NoError(t, err)
			if state.SubtaskOf(group, treeSubtasks, 128) == i {
				require.NoError(t, keyed.SetKey(key))
				break
			}
		}
	}
	return j
}

// Trigger implements checkpoint.Tasks.
func (j *treeJob) Trigger(t checkpoint.Trigger) {
	for i, b := range j.backends {
		if _, err := j.attempt.Upload(t.ID, "op", i).Snapshot(b, snapshot.Options{Mode: j.preset.Mode, Synchronous: j.preset.Synchronous}, nil); err != nil {
			j.t.Error(err)
		}
	}
}

// Complete implements checkpoint.Tasks.
func (*treeJob) Complete(checkpoint.Stats) {}

// Aborted implements checkpoint.Tasks.
func (j *treeJob) Aborted(_ checkpoint.ID, reason error) { j.t.Error(reason) }

// Fail implements checkpoint.Tasks.
func (j *treeJob) Fail(reason error) { j.t.Error(reason) }

// A checkpoint without changes costs at most 5 requests, with those that remove the oldest one. So
// does one with small changes in every subtask, for they share an object.
func TestRequestsOfACheckpoint(t *testing.T) {
	server := newServer(t)
	preset, err := weir.Open(t.Context(), "lsm+"+server.address("p", "&dir="+url.QueryEscape(t.TempDir())))
	require.NoError(t, err)
	c, err := checkpoint.NewCoordinator(t.Context(), checkpoint.Options{Job: "job", Storage: preset.Storage})
	require.NoError(t, err)
	j := openTreeJob(t, preset, c)
	take := func() {
		_, err := j.attempt.TriggerAndWait(t.Context())
		require.NoError(t, err)
	}
	change := func(text string) {
		for _, value := range j.values {
			require.NoError(t, value.Set(strings.Repeat(text, 1000)))
		}
	}
	change("a")
	take()
	take() // has removed the first one, or will with the next

	const n = 10
	server.operations()
	for range n {
		take()
	}
	operations := server.operations()
	require.LessOrEqual(t, len(operations), 5*n+5, "with the removal of the checkpoint before: %v", operations)
	for i := range n {
		change(strings.Repeat("b", i+1))
		take()
	}
	operations = server.operations()
	require.LessOrEqual(t, len(operations), 6*n+6, "%v", operations)
	for _, b := range j.backends {
		require.NoError(t, b.Close())
	}
	require.NoError(t, c.Close())
	require.NoError(t, preset.Close())
}
