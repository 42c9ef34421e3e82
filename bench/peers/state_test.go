package main

import (
	"testing"

	"github.com/weirstate/weir/bench/peers/pebblestate"
	"github.com/weirstate/weir/bench/suite"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
)

// stateBudgetBytes is the memory of a backend in bytes.
const stateBudgetBytes = 64 << 20

// BenchmarkState runs the operations of keyed state on Go maps, on Weir's LSM backend and on a
// backend over Pebble.
func BenchmarkState(b *testing.B) {
	suite.Operations(b, suite.GoMap,
		suite.Engine{Name: "lsm", Open: func(b testing.TB, o state.Options) (backend.Backend, error) {
			return lsmstate.Create(b.TempDir(), lsmstate.Options{Options: o, Budget: lsm.NewBudget(stateBudgetBytes)})
		}},
		suite.Engine{Name: "pebble", Lacks: []string{"timerRegisterAndFire"}, Open: func(b testing.TB, o state.Options) (backend.Backend, error) {
			return pebblestate.Open(b.TempDir(), pebblestate.Options{Options: o, BudgetBytes: stateBudgetBytes, Merger: joiner})
		}},
	)
}
