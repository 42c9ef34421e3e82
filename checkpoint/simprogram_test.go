package checkpoint

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/programs"
)

// drawSimOptions draws the options of a simulation.
func drawSimOptions(d programs.Dice) simOptions {
	packBytes, packCutBytes := int64(0), int64(0)
	if d.Halved(1) { // the files of the model have 2 to 200 bytes
		packBytes, packCutBytes = []int64{20, 1 << 10}[d.IntN(2)], []int64{30, 300, 64 << 20}[d.IntN(3)]
	}
	return simOptions{
		packBytes: packBytes, packCutBytes: packCutBytes,
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
	var mu sync.Mutex
	var all simStats
	t.Cleanup(func() { // after the shards, which are parallel
		if all.Programs >= shards*n { // fewer if -run chose one shard
			requireCoverage(t, all)
		}
	})
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			var seen simStats
			programs.Try(t, n, func(r *rapid.T) {
				s := newSimulation(drawSimOptions(programs.Dice{T: r}), simActions, r.Logf)
				defer func() { seen.add(s.seen) }()
				s.seen.Programs = 1
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
			mu.Lock()
			defer mu.Unlock()
			all.add(seen)
		})
	}
}

// requireCoverage checks that the programs of all shards met what they are meant to test. The
// programs are random. The bounds are at least 4.8 standard deviations below the means of 400
// programs: checkpoints in doubt, the rarest event, have mean 77 and deviation 13.
func requireCoverage(t *testing.T, seen simStats) {
	require.Greater(t, seen.Complete, seen.Programs)
	require.Greater(t, seen.Aborted, seen.Programs/2)
	require.Greater(t, seen.Restored, seen.Programs*3/2)
	require.Greater(t, seen.Faults, seen.Programs/4)
	require.Greater(t, seen.Interrupts, seen.Programs*5)
	require.Greater(t, seen.Crashes, seen.Programs/30)
	require.Greater(t, seen.InDoubt, seen.Programs/30)
	require.Greater(t, seen.Shared, seen.Programs/3)
	require.Greater(t, seen.Reused, seen.Programs/3)
	require.Greater(t, seen.Packs, seen.Programs/10)
	require.Greater(t, seen.Packed, seen.Programs/10)
}
