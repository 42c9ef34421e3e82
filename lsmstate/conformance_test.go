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

// open is Create as the kit wants it.
func open(dir string, o Options) (snapshot.Backend, error) {
	b, err := Create(dir, o)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// opener opens backends in memory, each in a directory of its own, that share the
// least budget there is.
func opener(o Options) statetest.Opener {
	o.FS, o.Budget = vfstest.NewMem(vfstest.MemOptions{}), lsm.NewBudget(4<<20)
	opened := 0
	return func(_ testing.TB, contract backend.Options) (snapshot.Backend, error) {
		opened++
		o.Options = contract
		return open(fmt.Sprint("backend", opened), o)
	}
}

// inFiles makes the tree so small that nearly every row is read from files, which
// are merged all the time.
func inFiles(o *lsm.Options) {
	o.MemtableBytes, o.BlockBytes, o.FileBytes = 1<<10, 512, 8<<10
}

func TestBackendConforms(t *testing.T) { statetest.Run(t, opener(Options{})) }

func TestBackendConformsWhateverIsInFiles(t *testing.T) {
	statetest.Run(t, opener(Options{tune: inFiles, knownOfGroup: 2}))
}

func TestBackendConformsWhateverTimersAreInMemory(t *testing.T) {
	for known := range 3 {
		statetest.Random(t, opener(Options{tune: inFiles, knownOfGroup: known + 1}), 1000)
	}
}

// randomOptions are options of the tree as a seed has them.
func randomOptions(seed uint64) Options {
	rng := rand.New(rand.NewPCG(seed, 7))
	o := Options{
		knownOfGroup: 1 + rng.IntN(5),
		Compression:  [][]lsm.Compression{{lsm.NoCompression}, {lsm.S2}, {lsm.S2, lsm.Zstd}}[rng.IntN(3)],
		tune: func(o *lsm.Options) {
			o.MemtableBytes = 1 << (9 + rng.IntN(9))
			o.BlockBytes = 512 << rng.IntN(4)
			o.FileBytes = 4 << (10 + rng.IntN(8))
			o.Log = lsm.LogMode(rng.IntN(4))
		},
	}
	if rng.IntN(2) == 0 {
		o.Picker = lsm.NewTiered(3 + rng.IntN(4))
	}
	return o
}

func TestBackendConformsWhateverTheOptions(t *testing.T) {
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
