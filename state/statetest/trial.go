package statetest

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirstate/weir/snapshot"
)

// dice draw what a random program does. Lower numbers are simpler: a program that fails
// is shrunk towards them.
type dice struct{ t *rapid.T }

// IntN returns a number from 0 to n, excluded.
func (d dice) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(d.t, "") }

// stepsTogether is how many steps rapid draws in one go, on the average.
const stepsTogether = 30

// repeat takes a step about so many times. It can be shrunk to any of the steps.
func (d dice) repeat(times int, step func()) {
	for ; times > 0; times -= stepsTogether {
		d.t.Repeat(map[string]func(*rapid.T){"step": func(*rapid.T) { step() }})
	}
}

// tryProgram runs one random program, and if it fails ever smaller ones that fail the same
// way. The smallest is the one that the test reports.
func tryProgram(t testing.TB, open Opener, mode snapshot.Mode, program func(*world)) {
	t.Helper()
	ran, hasFailed := false, false // a program
	rapid.Check(quiet{t}, func(r *rapid.T) {
		if ran && !hasFailed {
			return // one is enough; rapid would run a hundred
		}
		ran = true
		w := newWorld(trial{t, r}, open, dice{r})
		w.mode = mode
		passed := false
		defer func() {
			if !passed {
				hasFailed = true
				w.explain()
				w.giveUp()
			}
		}()
		program(w)
		passed = !r.Failed()
	})
}

// trial is the test of one program: a failure is that of the program, and what the test
// is to clean up goes with it.
type trial struct {
	testing.TB
	r *rapid.T
}

func (t trial) Helper()                           { t.r.Helper() }
func (t trial) Log(args ...any)                   { t.r.Log(args...) }
func (t trial) Logf(format string, args ...any)   { t.r.Logf(format, args...) }
func (t trial) Error(args ...any)                 { t.r.Error(args...) }
func (t trial) Errorf(format string, args ...any) { t.r.Errorf(format, args...) }
func (t trial) Fatal(args ...any)                 { t.r.Fatal(args...) }
func (t trial) Fatalf(format string, args ...any) { t.r.Fatalf(format, args...) }
func (t trial) Fail()                             { t.r.Fail() }
func (t trial) FailNow()                          { t.r.FailNow() }
func (t trial) Failed() bool                      { return t.r.Failed() }
func (t trial) Cleanup(f func())                  { t.r.Cleanup(f) }

// quiet is a test without the log of every number that rapid draws: the calls that these
// become are logged by themselves.
type quiet struct{ testing.TB }

func (q quiet) Logf(format string, args ...any) {
	q.Helper()
	if !strings.HasPrefix(format, "[rapid] draw") {
		q.TB.Logf(format, args...)
	}
}
