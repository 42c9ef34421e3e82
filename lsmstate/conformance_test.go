package lsmstate

import (
	"fmt"
	"testing"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/internal/vfs"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/statetest"
)

// open is Open as the kit wants it.
func open(dir string, o Options) (snapshot.Backend, error) {
	b, err := Open(dir, o)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// opener opens backends in memory, each in a directory of its own, that share the
// least budget there is.
func opener(o Options) statetest.Opener {
	o.FS, o.Budget = vfs.NewMem(vfs.MemOptions{}), lsm.NewBudget(4<<20)
	opened := 0
	return func(_ testing.TB, contract state.Options) (snapshot.Backend, error) {
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
		statetest.Random(t, opener(Options{tune: inFiles, knownOfGroup: known + 1}), uint64(10+known), 1000)
	}
}

func TestBackendConformsOnDisk(t *testing.T) {
	statetest.Random(t, func(t testing.TB, o state.Options) (snapshot.Backend, error) {
		return open(t.TempDir(), Options{Options: o})
	}, 0, 500)
}

func TestBackendExchangesSnapshotsWithTheOthers(t *testing.T) {
	hash := func(_ testing.TB, o state.Options) (snapshot.Backend, error) { return heapstate.NewHash(o) }
	for seed, pair := range []struct{ from, to statetest.Opener }{
		{opener(Options{}), hash}, {hash, opener(Options{})}, {opener(Options{}), opener(Options{})},
	} {
		statetest.Exchange(t, pair.from, pair.to, uint64(seed))
	}
}
