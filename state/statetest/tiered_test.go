package statetest_test

import (
	"fmt"
	"testing"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/statetest"
)

// tieredOf returns an Opener of Tiered with an event at every n-th operation.
func tieredOf(n int) statetest.Opener {
	return func(_ testing.TB, o state.Options) (snapshot.Backend, error) {
		return statetest.NewTiered(o, n, uint64(n))
	}
}

func TestTieredConforms(t *testing.T) {
	for _, every := range []int{0, 2, 50} {
		t.Run(fmt.Sprint("an event every ", every), func(t *testing.T) { statetest.Run(t, tieredOf(every)) })
	}
}
