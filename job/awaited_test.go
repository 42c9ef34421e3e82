package job

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirstate/weir/checkpoint"
)

// startHeld starts a job whose source stops after its first batch of 512 elements, and waits
// until the batch is read.
func startHeld(t *testing.T, ctx context.Context, o Options, source *tape, out *paper[count]) *Running {
	t.Helper()
	source.before = func(_ int, offset int64) (bool, error) { return offset > 0, nil }
	running, err := countJob(o, source, out, nil).Start(ctx)
	require.NoError(t, err)
	for running.Records() < batchEvents {
		time.Sleep(time.Millisecond)
	}
	return running
}

// A clean shutdown takes a checkpoint and then cancels the job. The next run reads no element
// a second time.
func TestNextRunContinuesAtTheAwaitedCheckpoint(t *testing.T) {
	o, source, out := memory("shutdown"), numbers(2_000, 1), &paper[count]{}
	o.Checkpoints.Interval = time.Hour
	var reported []checkpoint.ID
	o.OnCheckpoint = func(r CheckpointReport) { reported = append(reported, r.ID) }
	ctx, cancel := context.WithCancelCause(t.Context())
	running := startHeld(t, ctx, o, source, out)
	stats, err := running.CheckpointAndWait(t.Context())
	require.NoError(t, err)
	require.Equal(t, []checkpoint.ID{stats.ID}, reported)
	require.NotZero(t, stats.Bytes)
	cancel(errEnough)
	_, err = running.Wait()
	require.ErrorIs(t, err, errEnough)
	_, err = running.CheckpointAndWait(t.Context())
	require.ErrorIs(t, err, ErrNotRunning)
	goleak.VerifyNone(t)

	source.before = nil
	report, err := countJob(o, source, out, nil).Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, stats.ID, report.Restores[0].Checkpoint)
	require.EqualValues(t, batchEvents, report.Restores[0].Offset)
	require.EqualValues(t, 2_000-batchEvents, report.Records)
	requireCounts(t, 2_000, out)
}

func TestAwaitedCheckpointReturnsErrEndedWhenTheJobFails(t *testing.T) {
	o, source, out := memory("fails"), numbers(2_000, 1), &paper[count]{}
	o.Checkpoints.Interval = time.Hour
	syncing := make(chan struct{})
	fail := make(chan struct{})
	out.sync = func() error { close(syncing); <-fail; return nil }
	running := startHeld(t, t.Context(), o, source, out)
	go func() {
		<-syncing // the checkpoint is pending
		running.Fail(errBroken)
	}()
	_, err := running.CheckpointAndWait(t.Context())
	require.ErrorIs(t, err, checkpoint.ErrEnded)
	close(fail) // until here the checkpoint could not become complete
	_, err = running.Wait()
	require.ErrorIs(t, err, errBroken)
	goleak.VerifyNone(t)
}

func TestAwaitedCheckpointNeedsAStorage(t *testing.T) {
	source, out := numbers(2_000, 1), &paper[count]{}
	ctx, cancel := context.WithCancelCause(t.Context())
	running := startHeld(t, ctx, Options{Name: "bare", Open: hash}, source, out)
	_, err := running.CheckpointAndWait(t.Context())
	require.ErrorIs(t, err, ErrNoCheckpoints)
	cancel(errEnough)
	_, err = running.Wait()
	require.ErrorIs(t, err, errEnough)
}
