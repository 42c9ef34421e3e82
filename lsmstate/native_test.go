package lsmstate

import (
	"fmt"
	"testing"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/statetest"
)

// Every snapshot of the kit's random work is a native one: overlapping, canceled,
// restored at other parallelisms, and gone on from.
func TestNativeSnapshotsConform(t *testing.T) {
	for _, mode := range []snapshot.Mode{snapshot.Full, snapshot.Incremental} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			for seed := range uint64(4) {
				statetest.RandomNative(t, opener(Options{}), mode, seed, 400)
				statetest.RandomNative(t, opener(Options{tune: inFiles, knownOfGroup: 2}), mode, 100+seed, 400)
			}
		})
	}
}
