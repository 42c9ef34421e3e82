// Package density decides how many cases the tests of Weir try. Many of them take a
// sample of a large set: crashes after each operation, flips of each byte, random
// programs, sizes around 2^31. The environment variable WEIR_TESTS chooses the size of
// the sample:
//
//   - unset or "quick": what everybody runs; all packages in two minutes.
//   - "campaign": what CI runs, several minutes for each of the larger packages.
//   - "dense": every case, hours; for a nightly run. Use go test -timeout 0.
//
// It knows nothing of what is tested.
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

// parse returns the level that a value of the variable names.
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

// Of returns the one of three sizes that the variable chooses. It fails the test if the
// variable has another value.
func Of[T any](t testing.TB, atQuick, atCampaign, atDense T) T {
	t.Helper()
	chosen, err := parse(os.Getenv(Variable))
	if err != nil {
		t.Fatal(err)
	}
	return []T{atQuick, atCampaign, atDense}[chosen]
}

// InCampaigns skips a test that is too long for everybody's run.
func InCampaigns(t testing.TB) {
	t.Helper()
	if !Of(t, false, true, true) {
		t.Skipf("runs with %s=campaign", Variable)
	}
}
