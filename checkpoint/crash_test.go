package checkpoint

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/vfs/vfstest"
)

// keptAfterACrash returns five ways in which a power cut may treat data that was not synced:
// nothing is kept, everything, or a random half, in three ways.
func keptAfterACrash(crash uint64) []vfstest.CrashOptions {
	kept := []vfstest.CrashOptions{{Keep: 0}, {Keep: 1}}
	for seed := range uint64(3) {
		kept = append(kept, vfstest.CrashOptions{Keep: 0.5, Rand: rand.New(rand.NewPCG(seed, crash))})
	}
	return kept
}

// The power is cut after every operation that changes the disk. Checkpoints that were reported
// complete exist and restore to the right state, no unfinished checkpoint counts as complete,
// the job continues, and no orphan is left: see simulation.end. Quick tests try one in fifteen
// cases; longer ones crash some recoveries as well.
func TestCheckpointsSurviveACrashAfterEveryOperation(t *testing.T) {
	for name, options := range scriptOptions {
		t.Run(name, func(t *testing.T) { crashAfterEveryOperation(t, options) })
	}
}

func crashAfterEveryOperation(t *testing.T, options simOptions) {
	operations, crashes, second := uint64(0), 0, 0
	sample := density.Of(t, uint64(15), 1, 1) // one of this many cases is tried
	everyRecovery, everySecond := density.Of(t, uint64(0), 8, 1), density.Of(t, 0, 17, 5)
	s := newSimulation(options, nil, nil)
	s.before = func() {
		operations++
		for i, kept := range keptAfterACrash(operations) {
			if (operations+uint64(i))%sample > 0 {
				continue
			}
			crashes++
			after := s.fork(s.mem.CrashClone(kept))
			if everyRecovery > 0 && (operations+uint64(i))%everyRecovery == 0 {
				after.before = func() {
					if second++; second%everySecond > 0 {
						return
					}
					again := after.fork(after.mem.CrashClone(vfstest.CrashOptions{
						Keep: float64(second/everySecond%3) / 2, Rand: rand.New(rand.NewPCG(uint64(second), 0)),
					}))
					again.end(modelOperators(1, 1, 1))
					require.NoError(t, again.violation, "crash %d after operation %d, then after %d", i, operations, second)
				}
			}
			after.end(modelOperators(2, 1, 1))
			require.NoError(t, after.violation, "crash %d after operation %d", i, operations)
		}
	}
	s.script()
	require.NoError(t, s.violation)
	s.before()
	require.Equal(t, 5, s.reported)
	t.Logf("%d crashes at %d operations, %d during recovery", crashes, operations, second/max(everySecond, 1))
}
