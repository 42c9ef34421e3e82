// Package programs runs random programs for tests. A program is a test function that draws its
// operations from rapid. If a program fails, rapid looks for a shorter one that fails in the same
// way, prints the steps that it logs, and how to run it again.
//
// It knows nothing about the systems under test.
package programs

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Try runs n random programs. After a program has failed, it only runs shorter programs of the
// same failure, and fails t with the shortest.
func Try(t testing.TB, n int, program func(*rapid.T)) {
	t.Helper()
	for ran, failed := 0, false; ran < n; {
		rapid.Check(quiet{t}, func(r *rapid.T) {
			if ran >= n && !failed {
				return // rapid runs 100 programs in each Check
			}
			ran++
			passed := false
			defer func() { failed = failed || !passed }()
			program(r)
			passed = !r.Failed()
		})
	}
}

// quiet is a test without rapid's log line for each drawn number. Programs log their steps instead.
type quiet struct{ testing.TB }

// Logf drops lines about drawn numbers.
func (q quiet) Logf(format string, args ...any) {
	q.Helper()
	if !strings.HasPrefix(format, "[rapid] draw") {
		q.TB.Logf(format, args...)
	}
}

// Dice draws the choices of a program. Rapid shrinks numbers towards 0 and booleans towards false.
type Dice struct{ T *rapid.T }

// IntN returns a number from 0 to n-1. Small numbers are more frequent.
func (d Dice) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(d.T, "") }

// Uniform returns a number from 0 to n-1, all with the same probability; n is at most 4096.
func (d Dice) Uniform(n int) int {
	const bits = 16
	random := 0
	for range bits {
		random <<= 1
		if rapid.Bool().Draw(d.T, "") {
			random++
		}
	}
	return random * n >> bits
}

// Uint64 returns any number, to seed another source of random numbers.
func (d Dice) Uint64() uint64 { return rapid.Uint64().Draw(d.T, "") }

// Halved reports whether the next halvings booleans are all true: with a probability of 1/2 to the
// power of halvings.
func (d Dice) Halved(halvings int) bool {
	for range halvings {
		if !rapid.Bool().Draw(d.T, "") {
			return false
		}
	}
	return true
}

// StepsOfRepeat is the average number of steps in one call of rapid's Repeat.
const StepsOfRepeat = 30

// Repeat takes the given number of steps on average. Rapid can leave out any of them.
func (d Dice) Repeat(times int, step func()) {
	for ; times > 0; times -= StepsOfRepeat {
		d.T.Repeat(map[string]func(*rapid.T){"step": func(*rapid.T) { step() }})
	}
}

// Test returns a testing.TB for code that runs within a program of t: its failures, log lines and
// cleanups belong to the program.
func Test(t testing.TB, r *rapid.T) testing.TB { return test{t, r} }

type test struct {
	testing.TB
	r *rapid.T
}

func (t test) Helper()                           { t.r.Helper() }
func (t test) Log(args ...any)                   { t.r.Log(args...) }
func (t test) Logf(format string, args ...any)   { t.r.Logf(format, args...) }
func (t test) Error(args ...any)                 { t.r.Error(args...) }
func (t test) Errorf(format string, args ...any) { t.r.Errorf(format, args...) }
func (t test) Fatal(args ...any)                 { t.r.Fatal(args...) }
func (t test) Fatalf(format string, args ...any) { t.r.Fatalf(format, args...) }
func (t test) Fail()                             { t.r.Fail() }
func (t test) FailNow()                          { t.r.FailNow() }
func (t test) Failed() bool                      { return t.r.Failed() }
func (t test) Cleanup(f func())                  { t.r.Cleanup(f) }
