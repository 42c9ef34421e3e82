// Package sorted holds the tests of examples/backend from another module.
package sorted

import (
	"testing"

	"github.com/weirstate/weir/bench/suite"
	"github.com/weirstate/weir/examples/backend/sorted"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/statetest"
)

func TestSortedConforms(t *testing.T) {
	statetest.Run(t, func(_ testing.TB, o state.Options) (snapshot.Backend, error) { return sorted.New(o) })
}

// BenchmarkState runs the suite of keyed state on the backend and on a bare Go map.
func BenchmarkState(b *testing.B) {
	suite.Operations(b, suite.GoMap, suite.Engine{
		Name: "sorted",
		Open: func(_ testing.TB, o state.Options) (backend.Backend, error) { return sorted.New(o) },
	})
}
