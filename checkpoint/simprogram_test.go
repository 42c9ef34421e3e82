package checkpoint

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/programs"
)

// drawSimOptions draws the options of a simulation.
func drawSimOptions(d programs.Dice) simOptions {
	return simOptions{
		Options: Options{
			Interval:          time.Duration(d.IntN(2)) * 20 * time.Second,
			MinPause:          time.Duration(d.IntN(2)) * 5 * time.Second,
			Timeout:           time.Minute,
			MaxConcurrent:     1 + d.IntN(3),
			TolerableFailures: d.IntN(3),
			Retain:            1 + d.IntN(3),
		},
		memory:            d.Halved(2),
		inlineBytes:       []int64{-1, 250, 0}[d.IntN(3)],
		interruptHalvings: []int{0, 2, 4}[d.IntN(3)],
	}
}

// A program is a random order of writes, barriers, snapshots, acknowledgements, declines,
// timeouts, attempts, failing and slow operations, and crashes of the process. simulation
// checks the result of every step.
func TestEverySimulatedScheduleKeepsCompletedCheckpoints(t *testing.T) {
	const shards = 4
	n := density.Of(t, 100, 2_500, 250_000) // for each shard
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			var seen simStats
			programs.Try(t, n, func(r *rapid.T) {
				s := newSimulation(drawSimOptions(programs.Dice{T: r}), simActions, r.Logf)
				defer func() { seen.add(s.seen) }()
				s.drawn = programs.Dice{T: r}
				s.actBegin()
				check := func(r *rapid.T) {
					if s.violation != nil {
						r.Fatal(s.violation)
					}
				}
				for range 2 { // 60 steps on average
					r.Repeat(map[string]func(*rapid.T){"": check, "step": func(*rapid.T) { s.step() }})
				}
				s.end(modelOperators(2, 1, 1))
				check(r)
			})
			t.Logf("%+v", seen)
			requireCoverage(t, n, seen)
		})
	}
}

// requireCoverage checks that n programs met what they are meant to test.
func requireCoverage(t *testing.T, n int, seen simStats) {
	require.Greater(t, seen.Complete, n)
	require.Greater(t, seen.Aborted, n/2)
	require.Greater(t, seen.Restored, n*3/2)
	require.Greater(t, seen.Faults, n/4)
	require.Greater(t, seen.Interrupts, n*5)
	require.Greater(t, seen.Crashes, n/30)
	require.Greater(t, seen.InDoubt, n/30)
	require.Greater(t, seen.Shared, n/3)
	require.Greater(t, seen.Reused, n/3)
}
