package largejob

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/state/codec"
)

func TestLargeDatasetWritesEachKeyOncePerRound(t *testing.T) {
	d := NewDataset(1003)
	require.EqualValues(t, 500, d.Keys)
	require.EqualValues(t, 1000, d.Total())
	type record struct {
		update
		partition int
	}
	seen := make(map[record]bool)
	for p := range dataset.Partitions {
		for i := range d.Records[p] {
			u := updateAt(&d, p, i)
			require.True(t, u.round == 0 || seen[record{update{u.key, u.round - 1}, p}], "%+v", u)
			seen[record{u, p}] = true
		}
	}
	require.Len(t, seen, 1000)
}

// secondRound is a source that begins with the second round, so that the state lacks the values
// of the first.
type secondRound struct{ updates }

func (s *secondRound) Open(ctx context.Context, partition int, _ int64) (job.Reader[update], error) {
	return s.updates.Open(ctx, partition, s.dataset.Records[partition]/Rounds)
}

func TestLargeJobFailsIfStateIsMissing(t *testing.T) {
	preset, err := weir.Memory(weir.MemoryOptions{})
	require.NoError(t, err)
	graph := job.New(job.Options{Name: "lost", Open: preset.Open})
	source := &secondRound{updates{dataset: NewDataset(1000), limit: &dataset.ReadLimit{}}}
	source.limit.Lift()
	from := job.From(graph, "updates", job.Source[update](source), job.SourceOptions{})
	values := job.Process(job.KeyBy(from, codec.Int[int64](), func(u update) int64 { return u.key }), "values", openValues)
	job.AddSink(values, "sum", func(context.Context, []byte) (job.Sink[update], error) { return openSum(t.TempDir()+"/sum", nil) })
	running, err := graph.Start(t.Context())
	require.NoError(t, err)
	_, err = running.Wait()
	require.ErrorIs(t, err, ErrState)
}
