package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestJobGivesTheResultOfTheModel(t *testing.T) {
	p := testPlan(t)
	want := model(t, p)
	require.Greater(t, len(want.days), 200, "no midnight among the flights")
	require.EqualValues(t, testFlights, want.distinct())
	require.Greater(t, p.flights, want.distinct(), "no flight twice")
	for _, kind := range allBackends {
		p.backend = kind
		m, err := p.measure(context.Background(), nil)
		require.NoError(t, err)
		require.Equal(t, want.digest(), m.digest, kind.name)
		require.Nil(t, m.last)
	}
}

func TestResultIsTheSameWhereverTheBackendsAreDropped(t *testing.T) {
	p := testPlan(t)
	want := model(t, p).digest()
	p.every = time.Nanosecond // one is always due
	for _, kind := range allBackends {
		for _, at := range []struct {
			flights     int64
			synchronous bool
		}{{1, false}, {10_000, false}, {10_000, true}, {18_000, false}} {
			t.Run(fmt.Sprintf("%s/%+v", kind.name, at), func(t *testing.T) {
				p := p
				p.backend, p.dropAt, p.snapshots.Synchronous = kind, at.flights, at.synchronous
				m, err := p.measure(context.Background(), nil)
				require.NoError(t, err)
				require.Equal(t, want, m.digest)
				require.Positive(t, m.snapshots)
				require.Positive(t, m.replayed, "nothing was lost")
				require.Positive(t, m.restored)
				requireEmpty(t, p.dir)
			})
		}
	}
}

// The snapshot is taken before a midnight and the backends are dropped after
// it, so that every report is sent twice.
func TestRestoreGoesBackToTheSnapshot(t *testing.T) {
	ctx := context.Background()
	p := testPlan(t)
	p.every = time.Hour
	r := &run{plan: p}
	var err error
	r.job, err = newJob(p.backend.open, &r.days)
	require.NoError(t, err)
	r.snapshots, err = newSnapshots(p.dir, p.every, p.snapshots)
	require.NoError(t, err)

	require.NoError(t, r.process(ctx, func() bool { return r.at >= 10_000 }))
	snapshotAt := position{r.at, len(r.days.all)}
	require.Zero(t, snapshotAt.reports)
	require.NoError(t, r.snapshots.start(ctx, r.job, snapshotAt))
	require.NoError(t, r.process(ctx, func() bool { return len(r.days.all) > 0 }))
	require.NoError(t, r.snapshots.awaitFirst())
	require.NoError(t, r.drop())
	require.NoError(t, r.restore(ctx))

	require.Equal(t, snapshotAt, position{r.at, len(r.days.all)})
	require.Positive(t, r.at)
	require.NoError(t, r.process(ctx, func() bool { return false }))
	origins, err := r.job.finish()
	require.NoError(t, err)
	require.Equal(t, model(t, p).digest(), result{r.days.all, origins}.digest())
	require.NoError(t, r.close())
	requireEmpty(t, p.dir)
}

func TestTaskGoesOnBetweenSnapshotsThatItWaitsFor(t *testing.T) {
	p := testPlan(t)
	p.dropAt, p.pollFlights, p.snapshots.Synchronous = 10_000, 1000, true
	p.every = 20 * time.Millisecond
	m, err := p.measure(context.Background(), nil)
	require.NoError(t, err)
	atWork := m.took
	for _, pause := range m.pauses {
		atWork -= pause
	}
	require.GreaterOrEqual(t, atWork, p.every*time.Duration(len(m.pauses)))
}

func TestOnlyTheNewestCompleteSnapshotIsKept(t *testing.T) {
	p := testPlan(t)
	p.every, p.snapshots.Synchronous = time.Nanosecond, true
	r := &run{plan: p}
	var err error
	r.job, err = newJob(p.backend.open, &r.days)
	require.NoError(t, err)
	r.snapshots, err = newSnapshots(p.dir, p.every, p.snapshots)
	require.NoError(t, err)
	require.NoError(t, r.process(context.Background(), func() bool { return r.snapshots.count == 5 }))
	require.NoError(t, r.snapshots.abandon())
	files, err := os.ReadDir(p.dir)
	require.NoError(t, err)
	require.Len(t, files, len(r.job.operators()))
	require.NoError(t, r.close())
	requireEmpty(t, p.dir)
}

func TestRunFailsIfThereIsNothingToRestore(t *testing.T) {
	p := testPlan(t)
	p.dropAt, p.every = 10_000, time.Hour
	_, err := p.measure(context.Background(), nil)
	require.ErrorIs(t, err, errNothingToRestore)
	requireEmpty(t, p.dir)
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, files)
}

// BenchmarkJob runs the job over the whole input. With -cpuprofile it shows
// where the time goes.
func BenchmarkJob(b *testing.B) {
	const flights = 3_000_000
	input, err := findInput("")
	require.NoError(b, err)
	for _, kind := range allBackends {
		for _, dropAt := range []int64{0, flights / 2} {
			p := plan{
				backend: kind, input: input, flights: flights, dropAt: dropAt,
				dir: b.TempDir(), every: time.Second, pollFlights: defaultPollFlights,
			}
			b.Run(fmt.Sprintf("%s/%v", kind.name, p), func(b *testing.B) {
				for b.Loop() {
					_, err := p.measure(context.Background(), nil)
					require.NoError(b, err)
				}
				b.ReportMetric(flights*float64(b.N)/b.Elapsed().Seconds(), "flights/s")
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	input, err := findInput("")
	require.NoError(b, err)
	flights := int64(0)
	for b.Loop() {
		n, err := countFlights(context.Background(), input, math.MaxInt64)
		require.NoError(b, err)
		flights += n
	}
	b.ReportMetric(float64(flights)/b.Elapsed().Seconds(), "flights/s")
}
