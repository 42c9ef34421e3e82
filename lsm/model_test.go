package lsm

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
)

var (
	modelOperations = flag.Int("lsm.operations", 0, "number of operations to compare with the model; default by WEIR_TESTS: 24,000, 600,000 or 100,000,000")
	modelSeed       = flag.Uint64("lsm.seed", 0, "run the program of this seed alone and print it")
)

// program is operations as data, so that some can be left out.
type program struct {
	seed       uint64
	operations []uint64 // the seed of each
	budget     *Budget  // shared with other programs at the same time; nil if it is not
}

// programOperations is the length of a program.
const programOperations = 2000

func newProgram(seed uint64) program {
	rng := rand.New(rand.NewPCG(seed, 0))
	p := program{seed: seed, operations: make([]uint64, programOperations)}
	for i := range p.operations {
		p.operations[i] = rng.Uint64()
	}
	return p
}

// modelActions are what an operation may be, and how often it is.
var modelActions = []struct {
	weight int
	do     func(*world)
}{
	{390, (*world).writeOne},
	{10, (*world).drain},
	{30, (*world).writeBatch},
	{20, (*world).deleteRange},
	{210, (*world).get},
	{50, (*world).peek},
	{50, (*world).floor},
	{20, (*world).streamStore},
	{15, (*world).openScan},
	{15, (*world).useScans},
	{15, (*world).openView},
	{20, (*world).useViews},
	{30, (*world).openCursor},
	{90, (*world).useCursors},
	{15, (*world).seal},
	{6, (*world).flush},
	{4, (*world).syncLog},
	{2, (*world).compact},
	{3, (*world).reopen},
	{3, (*world).crash},
	{4, (*world).checkpoint},
	{1, (*world).restore},
	{5, (*world).compareAll},
}

func modelAction(rng *rand.Rand) func(*world) {
	all := 0
	for _, a := range modelActions {
		all += a.weight
	}
	n := rng.IntN(all)
	for _, a := range modelActions {
		if n -= a.weight; n < 0 {
			return a.do
		}
	}
	return nil
}

// run returns what went wrong.
func (p program) run(root string, log func(string, ...any), seen *modelCounts) error {
	rng := rand.New(rand.NewPCG(p.seed, 1))
	o := newModelOptions(rng)
	if p.budget != nil {
		o.Budget, o.shared = p.budget, true
	}
	w := newWorld(o, root, log, seen)
	w.rng = rng
	w.open()
	for _, seed := range p.operations {
		if w.failed() != nil {
			break
		}
		seen.Operations++
		w.rng = rand.New(rand.NewPCG(p.seed, seed))
		modelAction(w.rng)(w)
	}
	if w.failed() == nil {
		w.compareAll()
	}
	w.end()
	return w.failed()
}

// reduced returns the program without operations that it does not need to fail. The workers do not
// do the same in each run, so a program that does not fail is tried again.
func (p program) reduced(dir func() string) program {
	runs := 500 // at most, a minute or so
	fails := func(p program) bool {
		for range 3 {
			if runs--; runs < 0 {
				return false
			}
			if p.run(dir(), unheard, new(modelCounts)) != nil {
				return true
			}
		}
		return false
	}
	for size := len(p.operations) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(p.operations); {
			fewer := p
			fewer.operations = slices.Delete(slices.Clone(p.operations), i, i+size)
			if fails(fewer) {
				p = fewer
			} else {
				i += size
			}
		}
	}
	return p
}

func unheard(string, ...any) {}

// describe runs the program again, until it fails if it does, and returns what
// happened.
func (p program) describe(dir func() string) string {
	var text strings.Builder
	for range 5 {
		text.Reset()
		err := p.run(dir(), func(format string, arguments ...any) { fmt.Fprintf(&text, format+"\n", arguments...) }, new(modelCounts))
		if err != nil {
			fmt.Fprintf(&text, "%v\n", err)
			break
		}
	}
	return text.String()
}

// A program is random operations on a store with random options, in memory or on a disk, with open
// views and iterators, crashes, checkpoints and restores. A sorted map with the same operations
// must give the same results.
func TestStoreIsASortedMap(t *testing.T) {
	if *modelSeed > 0 {
		t.Log(newProgram(*modelSeed).describe(t.TempDir))
		return
	}
	n := sample(t, modelOperations, 24_000, 600_000, 100_000_000)
	const shards = 2
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			var seen modelCounts
			for seed := 1 + shard; seen.Operations < int64(n/shards); seed += shards {
				p := newProgram(uint64(seed))
				if err := p.run(t.TempDir(), unheard, &seen); err != nil {
					t.Fatalf("-lsm.seed=%d: %v\n%s", seed, err, p.reduced(t.TempDir).describe(t.TempDir))
				}
			}
			t.Logf("%+v", seen)
			if n >= 24_000 { // else it has proved nothing
				each := int64(n / shards)
				require.Greater(t, seen.Flushes, each/30)
				require.Greater(t, seen.Compactions, each/100)
				require.Greater(t, seen.Crashes, each/1000)
				require.Greater(t, seen.Lost, each/8000)
				require.Greater(t, seen.Checkpoints, each/1000)
				require.Greater(t, seen.Restores, each/4000)
				require.Greater(t, seen.Reopened, each/1000)
				require.Greater(t, seen.Large, each/8000)
				require.Greater(t, seen.Gaps, each/100)
			}
		})
	}
}

// Programs at the same time on one budget, whose stores seal each other's memtables and
// close each other's tables all the time.
func TestStoresOfOneBudgetAreSortedMaps(t *testing.T) {
	programs := density.Of(t, 1, 8, 80)
	b := NewBudget(8 << 20)
	b.LimitOpenFiles(2)
	b.leastShared = 1
	b.activeBytes.Add(b.Limit()) // there is never enough
	var group sync.WaitGroup
	for shard := range 4 {
		group.Go(func() {
			var seen modelCounts
			for i := range programs {
				p := newProgram(uint64(1000 + 4*i + shard))
				p.budget = b
				if err := p.run(t.TempDir(), unheard, &seen); err != nil {
					t.Errorf("seed %d: %v", p.seed, err)
				}
			}
			t.Logf("%+v", seen)
		})
	}
	group.Wait()
	require.NoError(t, b.Close())
}
