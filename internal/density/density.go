// Package density chooses how many cases the tests of Weir try. Many tests take a sample of
// a large set: crashes after each operation, flips of each byte, random programs, sizes
// around 2^31. The environment variable WEIR_TESTS chooses the size of the sample:
//
//   - unset or "quick": for every change; all packages take two minutes.
//   - "campaign": for CI; each of the larger packages takes several minutes.
//   - "dense": for a nightly run; all cases, which takes hours. Use go test -timeout 0.
//
// Benchmarks choose the size of their data in the same way.
package density

import (
	"fmt"
	"os"
	"testing"
)

// Variable is the name of the environment variable.
const Variable = "WEIR_TESTS"

type level int

const (
	quick level = iota
	campaign
	dense
)

// parse returns the level for a value of the environment variable.
func parse(value string) (level, error) {
	switch value {
	case "", "quick":
		return quick, nil
	case "campaign":
		return campaign, nil
	case "dense":
		return dense, nil
	}
	return quick, fmt.Errorf("unknown %s %q: want quick, campaign or dense", Variable, value)
}

// Of returns atQuick, atCampaign or atDense, as the environment variable says. It fails the
// test if the variable has any other value.
func Of[T any](t testing.TB, atQuick, atCampaign, atDense T) T {
	t.Helper()
	chosen, err := parse(os.Getenv(Variable))
	if err != nil {
		t.Fatal(err)
	}
	return []T{atQuick, atCampaign, atDense}[chosen]
}

// InCampaigns skips the test at level quick. It is for tests that take long.
func InCampaigns(t testing.TB) {
	t.Helper()
	if !Of(t, false, true, true) {
		t.Skipf("runs with %s=campaign", Variable)
	}
}
