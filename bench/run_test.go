package main

import (
	"context"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testPlan has a directory of its own.
func testPlan(t *testing.T, d deck, backend, storage string, k kind) plan {
	return plan{
		backend: backend, storage: storage, kind: k,
		deck: d, dir: t.TempDir(), parallelism: 2, every: 5 * time.Millisecond,
	}
}

// linesOf are what the sinks have written, sorted.
func linesOf(t *testing.T, p plan) (lines []string) {
	for _, path := range p.lines() {
		lines = append(lines, strings.Split(strings.TrimSuffix(contentOf(t, path), "\n"), "\n")...)
	}
	slices.Sort(lines)
	return lines
}

func TestJobWritesTheLinesOfTheModel(t *testing.T) {
	d, flights := deckOf(t, flightsInOrder(t, 1))
	want := modelLines(flights)
	slices.Sort(want)
	for _, of := range []string{"total ", "day 2001-01-01", "day 2001-01-02", "hour ", "session "} {
		require.True(t, slices.ContainsFunc(want, func(line string) bool { return strings.HasPrefix(line, of) }), of)
	}
	for _, backend := range allBackends {
		for _, parallelism := range []int{1, 3} {
			p := testPlan(t, d, backend, "none", uninterrupted)
			p.parallelism = parallelism
			l := newLife(io.Discard)
			l.order = p.order(p.processes()[0])
			require.NoError(t, l.carryOut(context.Background()))
			require.Equal(t, want, linesOf(t, p), p)
		}
	}
}

func TestJobThatIsKilledTwiceWritesTheSameLines(t *testing.T) {
	d, flights := testDeck(t)
	want := modelLines(flights)
	slices.Sort(want)
	for _, backend := range allBackends {
		for storage, k := range map[string]kind{"file": killedTwice, "memory": failedTwice} {
			p := testPlan(t, d, backend, storage, k)
			m, err := p.measure(context.Background(), nil)
			require.NoError(t, err)
			require.Equal(t, want, linesOf(t, p), p)

			require.Len(t, m.restores, 3)
			require.Zero(t, m.restores[0].Checkpoint)
			for i, r := range m.restores[1:] {
				require.GreaterOrEqual(t, r.Checkpoint, uint64(minCheckpoints*(i+1)), p)
				require.Positive(t, r.Offset)
				require.Positive(t, r.Took)
			}
			require.Equal(t, 3, m.restores[2].Parallelism)
			require.GreaterOrEqual(t, len(m.checkpoints), 2*minCheckpoints)
			require.EqualValues(t, dayFlights/4, m.result.flights)
		}
	}
}

func TestLifeThatDoesNotGoOnFromTheNewestCheckpointFailsTheRun(t *testing.T) {
	three := []completed{{ID: 4}, {ID: 5}, {ID: 6}}
	for name, bad := range map[string]struct {
		checkpoints []completed
		from        restored
	}{
		"too few checkpoints": {three[:2], restored{Checkpoint: 5, Offset: 1}},
		"from the beginning":  {three, restored{}},
		"offset zero":         {three, restored{Checkpoint: 6}},
		"an older one":        {three, restored{Checkpoint: 5, Offset: 1}},
		"another failure":     {three, restored{Checkpoint: 6, Offset: 1, Cause: "disk full"}},
		"a newer one skipped": {three, restored{Checkpoint: 6, Offset: 1, Skipped: []string{"corrupt"}}},
	} {
		begin := func(from restored) error {
			r := &run{}
			require.NoError(t, r.note(message{Restored: &restored{}}))
			for _, c := range bad.checkpoints {
				require.NoError(t, r.note(message{Position: 10, Checkpoint: &c}))
			}
			return r.note(message{Restored: &from})
		}
		require.ErrorIs(t, begin(bad.from), errRestore, name)
	}
	r := &run{}
	require.ErrorIs(t, r.note(message{Restored: &restored{Checkpoint: 1, Offset: 1}}), errRestore, "leftovers of another run")
}

func TestRecordsBetweenCheckpointAndFailureAreReplayed(t *testing.T) {
	r := &run{}
	require.NoError(t, r.note(message{Restored: &restored{}}))
	for id := range uint64(3) {
		require.NoError(t, r.note(message{Position: 100, Checkpoint: &completed{ID: id + 1}}))
	}
	for _, position := range []int64{130, 0, 110} {
		require.NoError(t, r.note(message{Position: position}))
	}
	require.NoError(t, r.note(message{Position: 90, Restored: &restored{Checkpoint: 3, Offset: 90}}))
	require.EqualValues(t, 40, r.measured.replayed)
}

// BenchmarkJob runs the job in this process, without checkpoints. With
// -cpuprofile it shows where the time goes.
func BenchmarkJob(b *testing.B) {
	input, err := findInput("")
	require.NoError(b, err)
	d, err := deal(context.Background(), input, b.TempDir(), math.MaxInt64)
	require.NoError(b, err)
	for _, backend := range allBackends {
		b.Run(backend, func(b *testing.B) {
			for b.Loop() {
				p := plan{backend: backend, storage: "none", kind: uninterrupted, deck: d, dir: b.TempDir(), parallelism: 2}
				l := newLife(io.Discard)
				l.order = p.order(p.processes()[0])
				require.NoError(b, l.carryOut(context.Background()))
			}
			b.ReportMetric(float64(d.total())*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
