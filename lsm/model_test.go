package lsm

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/programs"
)

// programLengths are the average numbers of operations in a program. Short programs run first, because
// rapid shrinks them to a few operations in a second.
var programLengths = []int{60, 360, 2000}

// modelActions are the operations of a program, with their relative frequency.
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
	{15, (*world).sealWith},
	{4, (*world).syncLog},
	{2, (*world).compact},
	{3, (*world).reopen},
	{3, (*world).crash},
	{4, (*world).checkpoint},
	{1, (*world).restore},
	{5, (*world).compareAll},
}

// act runs one random operation.
func (w *world) act() {
	all := 0
	for _, a := range modelActions {
		all += a.weight
	}
	n := w.dice.Uniform(all)
	for _, a := range modelActions {
		if n -= a.weight; n < 0 {
			a.do(w)
			return
		}
	}
}

// runModel runs random operations on a store with random options, in memory or on a disk, with
// open views and iterators, crashes, checkpoints and restores. The store must return the same rows
// as a sorted map that gets the same operations. If b is nil, the program draws the budget.
func runModel(t *testing.T, r *rapid.T, operations int, b *Budget, seen *modelCounts) {
	dice := programs.Dice{T: r}
	o := newModelOptions(dice)
	if b != nil {
		o.Budget, o.shared = b, true
	}
	w := newWorld(o, t.TempDir(), r.Logf, seen)
	w.dice = dice
	check := func() {
		if err := w.failed(); err != nil {
			r.Fatal(err)
		}
	}
	defer check()
	defer w.end()
	w.open()
	check()
	dice.Repeat(operations, func() {
		seen.Operations++
		w.act()
		check()
	})
	w.compareAll()
}

func TestStoreIsASortedMap(t *testing.T) {
	n := density.Of(t, 6, 150, 25_000) // programs of each length and shard
	var shards [2]modelCounts
	t.Run("shards", func(t *testing.T) {
		for shard := range shards {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				for _, operations := range programLengths {
					programs.Try(t, n, func(r *rapid.T) { runModel(t, r, operations, nil, &shards[shard]) })
				}
				t.Logf("%+v", shards[shard])
			})
		}
	})
	for _, count := range []func(c *modelCounts) int64{
		func(c *modelCounts) int64 { return c.Flushes / 100 },
		func(c *modelCounts) int64 { return c.Compactions / 50 },
		func(c *modelCounts) int64 { return c.Crashes },
		func(c *modelCounts) int64 { return c.Lost },
		func(c *modelCounts) int64 { return c.Checkpoints },
		func(c *modelCounts) int64 { return c.Restores },
		func(c *modelCounts) int64 { return c.Reopened },
		func(c *modelCounts) int64 { return c.Large },
		func(c *modelCounts) int64 { return c.Sources },
		func(c *modelCounts) int64 { return c.Gaps / 10 },
		func(c *modelCounts) int64 { return c.Lacked / 100 },
	} {
		require.Positive(t, count(&shards[0])+count(&shards[1]), "the programs had too few events of this kind")
	}
}

// Stores of several concurrent programs share a budget: they constantly seal each other's memtables
// and close each other's tables.
func TestStoresOfOneBudgetAreSortedMaps(t *testing.T) {
	n := density.Of(t, 1, 8, 80)
	b := NewBudget(8 << 20)
	b.LimitOpenFiles(2)
	b.leastShared = 1
	b.activeBytes.Add(b.Limit()) // the budget counts as used up, so every write seals a memtable
	t.Run("stores", func(t *testing.T) {
		for store := range 4 {
			t.Run(fmt.Sprint(store), func(t *testing.T) {
				t.Parallel()
				var seen modelCounts
				programs.Try(t, n, func(r *rapid.T) { runModel(t, r, 2000, b, &seen) })
				t.Logf("%+v", seen)
			})
		}
	})
	require.NoError(t, b.Close())
}
