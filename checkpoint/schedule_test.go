package checkpoint

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
)

var (
	schedules = flag.Int("checkpoint.schedules", 0, "number of schedules to simulate; 0 for as many as WEIR_TESTS says")
	oneSeed   = flag.Uint64("checkpoint.seed", 0, "simulate this schedule alone and print it")
)

// schedule is a run of the simulation as data, so that actions can be left out.
type schedule struct {
	options simOptions
	seed    uint64
	actions []uint64 // the seed of each
}

func newSchedule(seed uint64) schedule {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := schedule{seed: seed, actions: make([]uint64, 10+rng.IntN(55))}
	for i := range s.actions {
		s.actions[i] = rng.Uint64()
	}
	s.options = simOptions{
		Options: Options{
			Interval:          time.Duration(rng.IntN(2)) * 20 * time.Second,
			MinPause:          time.Duration(rng.IntN(2)) * 5 * time.Second,
			Timeout:           time.Minute,
			MaxConcurrent:     1 + rng.IntN(3),
			TolerableFailures: rng.IntN(3),
			Retain:            1 + rng.IntN(3),
		},
		memory:      rng.IntN(4) == 0,
		inlineBytes: []int64{-1, 250, 0}[rng.IntN(3)],
		interrupts:  []int{0, 4, 20}[rng.IntN(3)],
	}
	return s
}

// run returns what went wrong.
func (s schedule) run(log func(string), seen *simStats) error {
	sim := newSimulation(s.options, simActions, log)
	defer func() { seen.add(sim.seen) }()
	for i, seed := range append([]uint64{0}, s.actions...) {
		sim.rng = rand.New(rand.NewPCG(s.seed, seed))
		a := sim.pick(func(simAction) bool { return true })
		if i == 0 {
			sim.actBegin()
		} else {
			sim.logf("- %s", a.name)
			a.run(sim)
		}
		if sim.violation != nil {
			return sim.violation
		}
		if sim.dead() {
			sim.reboot()
		}
	}
	sim.end(modelOperators(2, 1, 1))
	return sim.violation
}

// reduced is the schedule without actions that it does not need to fail.
func (s schedule) reduced() schedule {
	for size := len(s.actions) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(s.actions); {
			fewer := s
			fewer.actions = slices.Delete(slices.Clone(s.actions), i, i+size)
			if fewer.run(nil, new(simStats)) != nil {
				s = fewer
			} else {
				i += size
			}
		}
	}
	return s
}

// describe runs the schedule again and returns what happened.
func (s schedule) describe() string {
	var log strings.Builder
	fmt.Fprintf(&log, "memory %v, inline %d, interrupts %d, %+v\n",
		s.options.memory, s.options.inlineBytes, s.options.interrupts, s.options.Options)
	if err := s.run(func(line string) { log.WriteString(line + "\n") }, new(simStats)); err != nil {
		fmt.Fprintf(&log, "%v\n", err)
	}
	return log.String()
}

// A schedule is a random order of writes, barriers, snapshots, acknowledgements,
// declines, timeouts, attempts, failing and slow operations and ends of the
// process. simulation says what must hold.
func TestEverySimulatedScheduleKeepsWhatItCompleted(t *testing.T) {
	if *oneSeed > 0 {
		t.Log(newSchedule(*oneSeed).describe())
		return
	}
	n := *schedules
	if n == 0 {
		n = density.Of(t, 400, 10_000, 1_000_000)
	}
	const shards = 4
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			var seen simStats
			for seed := 1 + shard; seed <= n; seed += shards {
				s := newSchedule(uint64(seed))
				if err := s.run(nil, &seen); err != nil {
					t.Fatalf("-checkpoint.seed=%d: %v\n%s", seed, err, s.reduced().describe())
				}
			}
			t.Logf("%+v", seen)
			if n >= 400 { // else it has proved nothing
				each := n / shards
				require.Greater(t, seen.Complete, each*3/2)
				require.Greater(t, seen.Aborted, each/2)
				require.Greater(t, seen.Restored, each*3/2)
				require.Greater(t, seen.Faults, each/2)
				require.Greater(t, seen.Interrupts, each*5)
				require.Greater(t, seen.Crashes, each/20)
				require.Greater(t, seen.InDoubt, each/20)
				require.Greater(t, seen.Shared, each/2)
				require.Greater(t, seen.Reused, each/2)
			}
		})
	}
}
