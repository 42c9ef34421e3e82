package job

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

// held returns a job whose source stops after its first batch, of 512 elements, and
// starts it.
func held(t *testing.T, ctx context.Context, o Options, source *tape, out *paper[count]) *Running {
	t.Helper()
	source.before = func(_ int, offset int64) (bool, error) { return offset > 0, nil }
	running, err := countJob(o, source, out, nil).Start(ctx)
	require.NoError(t, err)
	for running.Records() < batchEvents {
		time.Sleep(time.Millisecond)
	}
	return running
}

// A clean shutdown: a last checkpoint, then the end. The next run reads nothing again.
func TestNextRunGoesOnWhereTheAwaitedCheckpointWas(t *testing.T) {
	o, source, out := memory("shutdown"), numbers(2_000, 1), &paper[count]{}
	o.Checkpoints.Interval = time.Hour
	var told []checkpoint.ID
	o.OnCheckpoint = func(r CheckpointReport) { told = append(told, r.ID) }
	ctx, cancel := context.WithCancelCause(t.Context())
	running := held(t, ctx, o, source, out)
	stats, err := running.CheckpointAndWait(t.Context())
	require.NoError(t, err)
	require.Equal(t, []checkpoint.ID{stats.ID}, told)
	require.NotZero(t, stats.Bytes)
	cancel(errEnough)
	_, err = running.Wait()
	require.ErrorIs(t, err, errEnough)
	_, err = running.CheckpointAndWait(t.Context())
	require.ErrorIs(t, err, ErrNotRunning)
	requireNoneLeft(t)

	source.before = nil
	report, err := countJob(o, source, out, nil).Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, stats.ID, report.Restores[0].Checkpoint)
	require.EqualValues(t, batchEvents, report.Restores[0].Offset)
	require.EqualValues(t, 2_000-batchEvents, report.Records)
	requireCounts(t, 2_000, out)
}

func TestAwaitedCheckpointOfAJobThatFailsReturnsTheEnd(t *testing.T) {
	o, source, out := memory("fails"), numbers(2_000, 1), &paper[count]{}
	o.Checkpoints.Interval = time.Hour
	syncing := make(chan struct{})
	fail := make(chan struct{})
	out.sync = func() error { close(syncing); <-fail; return nil }
	running := held(t, t.Context(), o, source, out)
	go func() {
		<-syncing // the checkpoint is under way
		running.Fail(errBroken)
	}()
	_, err := running.CheckpointAndWait(t.Context())
	require.ErrorIs(t, err, checkpoint.ErrEnded)
	close(fail) // the checkpoint could not become complete before
	_, err = running.Wait()
	require.ErrorIs(t, err, errBroken)
	requireNoneLeft(t)
}

func TestAwaitedCheckpointNeedsAStorage(t *testing.T) {
	source, out := numbers(2_000, 1), &paper[count]{}
	ctx, cancel := context.WithCancelCause(t.Context())
	running := held(t, ctx, Options{Name: "bare", Open: hash}, source, out)
	_, err := running.CheckpointAndWait(t.Context())
	require.ErrorIs(t, err, ErrNoCheckpoints)
	cancel(errEnough)
	_, err = running.Wait()
	require.ErrorIs(t, err, errEnough)
}
