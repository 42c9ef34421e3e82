package statetest

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/weirstate/weir/internal/programs"
	"github.com/weirstate/weir/snapshot"
)

// tryProgram runs one random program. If it fails, rapid runs smaller and smaller programs that fail
// in the same way, and the test reports the smallest one.
func tryProgram(t testing.TB, open Opener, mode snapshot.Mode, program func(*world)) {
	t.Helper()
	programs.Try(t, 1, func(r *rapid.T) {
		w := newWorld(programs.Test(t, r), open, programs.Dice{T: r})
		w.mode = mode
		passed := false
		defer func() {
			if !passed {
				w.explain()
				w.giveUp()
			}
		}()
		program(w)
		passed = !r.Failed()
	})
}
