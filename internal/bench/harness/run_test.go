package harness

import (
	"context"
	"errors"
	"io"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/bench/benchtest"
	"github.com/weirstate/weir/internal/bench/dataset"
)

// testPlan returns a plan with a new directory.
func testPlan(t *testing.T, d dataset.Dataset, backend, storage string, k Kind) Plan {
	return Plan{
		Backend: backend, Storage: storage, Kind: k,
		Dataset: d, Dir: t.TempDir(), Parallelism: 2, CheckpointEvery: 5 * time.Millisecond,
	}
}

// resultLinesOf returns the lines that the sinks have written, sorted.
func resultLinesOf(t *testing.T, p Plan) (lines []string) {
	for _, path := range p.resultFiles() {
		lines = append(lines, strings.Split(strings.TrimSuffix(benchtest.ContentOf(t, path), "\n"), "\n")...)
	}
	slices.Sort(lines)
	return lines
}

func TestJobWritesTheLinesOfTheModel(t *testing.T) {
	d, flights := benchtest.DatasetOf(t, benchtest.FlightsInOrder(t, 1))
	want := benchtest.ModelLines(flights)
	slices.Sort(want)
	for _, prefix := range []string{"total ", "day 2001-01-01", "day 2001-01-02", "hour ", "session "} {
		require.True(t, slices.ContainsFunc(want, func(line string) bool { return strings.HasPrefix(line, prefix) }), prefix)
	}
	for _, backend := range AllBackends {
		for _, parallelism := range []int{1, 3} {
			p := testPlan(t, d, backend, "none", Uninterrupted)
			p.Parallelism = parallelism
			c := newChildRun(io.Discard)
			c.request = p.request(p.processes()[0])
			require.NoError(t, c.execute(context.Background()))
			require.Equal(t, want, resultLinesOf(t, p), p)
		}
	}
}

func TestJobThatFailsTwiceWritesTheLinesOfTheModel(t *testing.T) {
	d, flights := benchtest.SmallDataset(t)
	want := benchtest.ModelLines(flights)
	slices.Sort(want)
	for _, backend := range AllBackends {
		for storage, k := range map[string]Kind{"file": KilledTwice, "memory": FailedTwice} {
			p := testPlan(t, d, backend, storage, k)
			m, err := p.Measure(context.Background(), nil)
			require.NoError(t, err)
			require.Equal(t, want, resultLinesOf(t, p), p)

			require.Len(t, m.Restores, 3)
			require.Zero(t, m.Restores[0].Checkpoint)
			for i, r := range m.Restores[1:] {
				require.GreaterOrEqual(t, r.Checkpoint, uint64(minCheckpoints*(i+1)), p)
				require.Positive(t, r.Offset)
				require.Positive(t, r.Took)
			}
			require.Equal(t, 3, m.Restores[2].Parallelism)
			require.GreaterOrEqual(t, len(m.Checkpoints), 2*minCheckpoints)
			require.EqualValues(t, benchtest.DayFlights/4, m.Result.Flights)
		}
	}
}

func TestRestoreFromAnotherThanTheNewestCheckpointIsAnError(t *testing.T) {
	three := []Completed{{ID: 4}, {ID: 5}, {ID: 6}}
	for name, bad := range map[string]struct {
		checkpoints []Completed
		from        Restored
	}{
		"too few checkpoints": {three[:2], Restored{Checkpoint: 5, Offset: 1}},
		"from the beginning":  {three, Restored{}},
		"offset zero":         {three, Restored{Checkpoint: 6}},
		"an older one":        {three, Restored{Checkpoint: 5, Offset: 1}},
		"another failure":     {three, Restored{Checkpoint: 6, Offset: 1, Cause: "disk full"}},
		"a newer one skipped": {three, Restored{Checkpoint: 6, Offset: 1, Skipped: []string{"corrupt"}}},
	} {
		r := &planRun{}
		require.NoError(t, r.handle(message{Restored: &Restored{}}))
		for _, c := range bad.checkpoints {
			require.NoError(t, r.handle(message{Position: 10, Checkpoint: &c}))
		}
		require.ErrorIs(t, r.handle(message{Restored: &bad.from}), ErrRestore, name)
	}
	r := &planRun{}
	require.ErrorIs(t, r.handle(message{Restored: &Restored{Checkpoint: 1, Offset: 1}}), ErrRestore, "the first start restored a checkpoint")
}

func TestRecordsBetweenCheckpointAndFailureAreReplayed(t *testing.T) {
	r := &planRun{}
	require.NoError(t, r.handle(message{Restored: &Restored{}}))
	for id := range uint64(3) {
		require.NoError(t, r.handle(message{Position: 100, Checkpoint: &Completed{ID: id + 1}}))
	}
	for _, position := range []int64{130, 0, 110} {
		require.NoError(t, r.handle(message{Position: position}))
	}
	require.NoError(t, r.handle(message{Position: 90, Restored: &Restored{Checkpoint: 3, Offset: 90}}))
	require.EqualValues(t, 40, r.measured.Replayed)
}

// BenchmarkJob runs the flight job in this process without checkpoints. Use it with -cpuprofile:
// the command bench runs the job in child processes.
func BenchmarkJob(b *testing.B) {
	input, err := dataset.FindInput()
	require.NoError(b, err)
	d, err := dataset.Prepare(context.Background(), input, b.TempDir(), math.MaxInt64)
	require.NoError(b, err)
	for _, backend := range AllBackends {
		b.Run(backend, func(b *testing.B) {
			for b.Loop() {
				p := Plan{Backend: backend, Storage: "none", Kind: Uninterrupted, Dataset: d, Dir: b.TempDir(), Parallelism: 2}
				c := newChildRun(io.Discard)
				c.request = p.request(p.processes()[0])
				require.NoError(b, c.execute(context.Background()))
			}
			b.ReportMetric(float64(d.Total())*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func TestRunOnAURLRemovesItsCheckpoints(t *testing.T) {
	d, flights := benchtest.SmallDataset(t)
	want := benchtest.ModelLines(flights)
	slices.Sort(want)
	p := testPlan(t, d, "fs", "file", KilledTwice)
	root := filepath.ToSlash(filepath.Join(p.Dir, "store"))
	if !strings.HasPrefix(root, "/") {
		root = "/" + root // Windows
	}
	p.URL, p.Job = (&url.URL{Scheme: "fs+file", Path: root}).String(), "mine"
	storage, err := checkpoint.NewFiles(filepath.Join(p.Dir, "store"))
	require.NoError(t, err)
	objects := func() []checkpoint.ObjectInfo {
		list, err := storage.List(context.Background(), "mine/")
		require.NoError(t, err)
		return slices.DeleteFunc(list, func(o checkpoint.ObjectInfo) bool {
			emptyFolder := errors.Is(o.Irregular, syscall.EISDIR) // a kill between the removal of a file and of its folder
			return emptyFolder || strings.HasPrefix(o.Name, "mine/attempts")
		})
	}
	m, err := p.Measure(context.Background(), nil)
	require.NoError(t, err)
	require.NotEmpty(t, m.Checkpoints)
	require.Equal(t, want, resultLinesOf(t, p))
	require.Empty(t, objects())

	stop, cancel := context.WithCancel(context.Background())
	_, err = p.Measure(stop, func(_ int64, restores int) {
		if restores == 1 {
			cancel()
		}
	})
	require.Error(t, err, "interrupted")
	require.NotEmpty(t, objects())
	require.NoError(t, p.Discard())
	require.Empty(t, objects())
}
