package statetest

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirstate/weir/snapshot"
)

// dice draws the choices of a random program. Rapid shrinks a failing program towards lower numbers.
type dice struct{ t *rapid.T }

// IntN returns a number from 0 to n-1.
func (d dice) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(d.t, "") }

// stepsTogether is the average number of steps of one call of rapid's Repeat.
const stepsTogether = 30

// repeat takes approx. the given number of steps. Rapid can shrink them to any subset.
func (d dice) repeat(times int, step func()) {
	for ; times > 0; times -= stepsTogether {
		d.t.Repeat(map[string]func(*rapid.T){"step": func(*rapid.T) { step() }})
	}
}

// tryProgram runs one random program. If it fails, rapid runs smaller and smaller programs that fail
// in the same way, and the test reports the smallest one.
func tryProgram(t testing.TB, open Opener, mode snapshot.Mode, program func(*world)) {
	t.Helper()
	ran, hasFailed := false, false // whether a program ran, and failed
	rapid.Check(quietLog{t}, func(r *rapid.T) {
		if ran && !hasFailed {
			return // run one program; rapid would run a hundred
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

// trial is the testing.TB of one program. Failures and cleanups belong to the program, not to the test
// that runs it.
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

// quietLog is a testing.TB without rapid's log line for each drawn number. Failing programs log their
// calls instead.
type quietLog struct{ testing.TB }

func (q quietLog) Logf(format string, args ...any) {
	q.Helper()
	if !strings.HasPrefix(format, "[rapid] draw") {
		q.TB.Logf(format, args...)
	}
}
