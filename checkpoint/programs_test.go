package checkpoint

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tryPrograms runs n random programs. Rapid draws them, shrinks one that fails, and prints how
// to run it again.
func tryPrograms(t *testing.T, n int, program func(*rapid.T)) {
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

// quiet is a test without rapid's log line for each number that it draws: programs log their
// steps instead.
type quiet struct{ *testing.T }

func (q quiet) Logf(format string, args ...any) {
	q.Helper()
	if !strings.HasPrefix(format, "[rapid] draw") {
		q.T.Logf(format, args...)
	}
}

// drawn makes the random choices of a program. Rapid shrinks numbers towards 0 and flips
// towards false.
type drawn struct{ r *rapid.T }

// IntN returns a number from 0 to n-1; small ones are more frequent.
func (d drawn) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(d.r, "") }

// halved returns true with a probability of 1/2 to the power of halvings.
func (d drawn) halved(halvings int) bool {
	for range halvings {
		if !rapid.Bool().Draw(d.r, "") {
			return false
		}
	}
	return true
}
