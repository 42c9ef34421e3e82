package checkpoint

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/vfs"
)

// keptAfterACrash are the ways in which a power cut treats what was not synced:
// nothing is kept, all, or some of it, in three ways.
func keptAfterACrash(crash uint64) []vfs.CrashOptions {
	kept := []vfs.CrashOptions{{Keep: 0}, {Keep: 1}}
	for seed := range uint64(3) {
		kept = append(kept, vfs.CrashOptions{Keep: 0.5, Rand: rand.New(rand.NewPCG(seed, crash))})
	}
	return kept
}

// After every operation that changes the disk the power goes. What was said to
// be complete is there, and as the job was; nothing half-made is taken for
// complete; the job goes on; nothing is left over. See simulation.end.
func TestCheckpointsSurviveACrashAfterEveryOperation(t *testing.T) {
	operations, crashes, second := uint64(0), 0, 0
	s := newSimulation(scriptOptions, nil, nil)
	s.before = func() {
		operations++
		for i, kept := range keptAfterACrash(operations) {
			crashes++
			after := s.fork(s.mem.CrashClone(kept))
			if !testing.Short() && (operations+uint64(i))%8 == 0 {
				after.before = func() {
					if second++; second%17 > 0 {
						return
					}
					again := after.fork(after.mem.CrashClone(vfs.CrashOptions{
						Keep: float64(second/17%3) / 2, Rand: rand.New(rand.NewPCG(uint64(second), 0)),
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
	t.Logf("%d crashes at %d operations, %d during recovery", crashes, operations, second/17)
}
