package job

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs/vfstest"
)

// withSchema returns a codec of int64 whose schema has schemaBytes.
func withSchema(schemaBytes int) codec.Codec[int64] {
	return longSchema{codec.Int[int64](), schemaBytes}
}

type longSchema struct {
	codec.Codec[int64]
	bytes int
}

func (c longSchema) ID() codec.ID {
	id := c.Codec.ID()
	id.Schema = strings.Repeat("s", c.bytes)
	return id
}

// declaringJob returns a graph with an operator that declares many states with long schemas,
// and counts its elements.
func declaringJob(o Options, source *tape, states, schemaBytes int, processed *atomic.Int64) *Graph {
	g := New(o)
	in := From(g, "numbers", source, SourceOptions{})
	Process(KeyBy(in, codec.Int[int64](), keyOf), "states", func(task *Task[int64, int64]) (func(Event[int64]) error, error) {
		for i := range states {
			d := state.ValueDescriptor[int64]{Name: fmt.Sprint("state-", i), Codec: withSchema(schemaBytes)}
			if _, err := state.ValueOf(task.Keyed(), d); err != nil {
				return nil, err
			}
		}
		return func(Event[int64]) error {
			processed.Add(1)
			return nil
		}, nil
	})
	return g
}

func onFiles(t *testing.T) *checkpoint.Storage {
	files, err := checkpoint.FilesOn(vfstest.NewMem(vfstest.MemOptions{}), "checkpoints")
	require.NoError(t, err)
	storage, err := checkpoint.NewStorage(files, checkpoint.StorageOptions{})
	require.NoError(t, err)
	return storage
}

// The job checks its declared states before the first element: the first checkpoint may be
// hours later.
func TestJobWithTooManyStatesForACheckpointDoesNotBegin(t *testing.T) {
	for name, c := range map[string]struct {
		storage             *checkpoint.Storage
		states, schemaBytes int
		want                error
	}{
		"metadata":     {onFiles(t), 11, 1 << 20, checkpoint.ErrTooLarge},
		"frame":        {checkpoint.NewMemory(checkpoint.MemoryOptions{FrameBytes: 1000}), 2, 1000, checkpoint.ErrFrameTooLarge},
		"whole memory": {checkpoint.NewMemory(checkpoint.MemoryOptions{TotalBytes: 10_000}), 2, 1000, checkpoint.ErrMemoryFull},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Name: "large", Open: hash, Parallelism: 5, MaxRestarts: 3}
			o.Checkpoints.Storage = c.storage
			var processed atomic.Int64
			report, err := declaringJob(o, numbers(1_000, 1), c.states, c.schemaBytes, &processed).Run(t.Context())
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, "after 0 restarts")
			require.Empty(t, report.Restores)
			require.Zero(t, processed.Load())
			goleak.VerifyNone(t)
		})
	}
}

// 128 subtasks with 60 states of 1,400 bytes fit, since the metadata has each state once.
// Without a storage there is no limit.
func TestJobWithManySubtasksAndStatesTakesCheckpoints(t *testing.T) {
	for _, storage := range []*checkpoint.Storage{nil, onFiles(t), checkpoint.NewMemory(checkpoint.MemoryOptions{})} {
		o := Options{Name: "wide", Open: hash, Parallelism: 128}
		source := numbers(1_000, 1)
		var processed, completed atomic.Int64
		if storage != nil {
			o.Checkpoints = checkpoint.Options{Storage: storage, Interval: 1}
			o.OnCheckpoint = func(r CheckpointReport) {
				if r.Err == nil {
					completed.Add(1)
				}
			}
			source.before = func(int, int64) (bool, error) { return completed.Load() == 0, nil }
		}
		_, err := declaringJob(o, source, 60, 1400, &processed).Run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1_000, processed.Load())
	}
}
