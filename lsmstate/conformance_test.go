package lsmstate

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/statetest"
	"github.com/weirstate/weir/vfs/vfstest"
)

// open is Create with the signature of statetest.
func open(dir string, o Options) (snapshot.Backend, error) {
	b, err := Create(dir, o)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// opener opens backends on a file system in memory, each in its own directory. They share a budget of
// the minimum size.
func opener(o Options) statetest.Opener {
	o.FS, o.Budget = vfstest.NewMem(vfstest.MemOptions{}), lsm.NewBudget(4<<20)
	opened := 0
	return func(_ testing.TB, contract backend.Options) (snapshot.Backend, error) {
		opened++
		o.Options = contract
		return open(fmt.Sprint("backend", opened), o)
	}
}

// inFiles lowers the limits of the tree so that nearly every row is read from tables, and compactions
// run all the time.
func inFiles(o *lsm.Options) {
	o.MemtableBytes, o.BlockBytes, o.FileBytes = 1<<10, 512, 8<<10
}

func TestBackendConforms(t *testing.T) { statetest.Run(t, opener(Options{})) }

func TestBackendConformsWithRowsInTables(t *testing.T) {
	statetest.Run(t, opener(Options{tune: inFiles, timersPerGroup: 2}))
}

func TestBackendConformsWithFewTimersInMemory(t *testing.T) {
	for limit := range 3 {
		statetest.Random(t, opener(Options{tune: inFiles, timersPerGroup: limit + 1}), 1000)
	}
}

// randomOptions returns random options that depend on the seed.
func randomOptions(seed uint64) Options {
	rng := rand.New(rand.NewPCG(seed, 7))
	tier := tierSizes[rng.IntN(len(tierSizes))]
	o := Options{
		timersPerGroup: 1 + rng.IntN(5),
		Compression:    [][]lsm.Compression{{lsm.NoCompression}, {lsm.S2}, {lsm.S2, lsm.Zstd}}[rng.IntN(3)],
		tune: func(o *lsm.Options) {
			o.MemtableBytes = 1 << (9 + rng.IntN(9))
			o.BlockBytes = 512 << rng.IntN(4)
			o.FileBytes = 4 << (10 + rng.IntN(8))
			if tier == 0 { // a tree with a log takes no runs of a tier
				o.Log = lsm.LogMode(rng.IntN(4))
			}
		},
	}
	setTier(&o, tier)
	if rng.IntN(2) == 0 {
		o.Picker = lsm.NewTiered(3 + rng.IntN(4))
	}
	return o
}

func TestBackendConformsWithRandomOptions(t *testing.T) {
	for seed := range density.Of(t, uint64(3), 8, 500) {
		statetest.Random(t, opener(randomOptions(seed)), 500)
		statetest.RandomNative(t, opener(randomOptions(seed)), snapshot.Incremental, 300)
	}
}

func TestBackendConformsOnDisk(t *testing.T) {
	statetest.Random(t, func(t testing.TB, o backend.Options) (snapshot.Backend, error) {
		return open(t.TempDir(), Options{Options: o})
	}, 500)
}

func TestBackendExchangesSnapshotsWithTheOthers(t *testing.T) {
	hash := func(_ testing.TB, o backend.Options) (snapshot.Backend, error) { return heapstate.NewHash(o) }
	for _, pair := range []struct{ from, to statetest.Opener }{
		{opener(Options{}), hash}, {hash, opener(Options{})}, {opener(Options{}), opener(Options{})},
	} {
		statetest.Exchange(t, pair.from, pair.to)
	}
}
