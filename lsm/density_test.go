package lsm

import (
	"testing"

	"github.com/weirstate/weir/internal/density"
)

// sample returns the value of a flag if it is set, otherwise the default for the level of WEIR_TESTS.
func sample[T int | int64](t testing.TB, flag *T, atQuick, atCampaign, atDense T) T {
	t.Helper()
	if *flag > 0 {
		return *flag
	}
	return density.Of(t, atQuick, atCampaign, atDense)
}
