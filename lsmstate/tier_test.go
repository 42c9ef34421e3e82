package lsmstate

import (
	"flag"
	"fmt"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/state/statetest"
)

// tierSizes are sizes of hot tiers in bytes: no tier, one that evicts and spills at every operation,
// one that spills often, and one that holds everything.
var tierSizes = []int64{0, 1, 4 << 10, 16 << 20}

var tierFlag = flag.Int64("lsmstate.tier", -1, "bytes of the hot tiers in tests of faults and native snapshots; -1 for sizes that depend on the test")

// setTier sets the size of the hot tier.
func setTier(o *Options, bytes int64) { o.Tier, o.tierBytes = bytes > 0, bytes }

// tierOf chooses the size of a hot tier. The choice is random, but the same for each run of a test.
func tierOf(t testing.TB, dir string) int64 {
	if *tierFlag >= 0 {
		return *tierFlag
	}
	return tierSizes[xxhash.Sum64String(t.Name()+dir)%uint64(len(tierSizes))]
}

func TestBackendWithATierConforms(t *testing.T) {
	for _, bytes := range density.Of(t, []int64{1 << 10, 16 << 20}, []int64{1, 4 << 10}, tierSizes[1:]) {
		t.Run(fmt.Sprint(bytes, " bytes"), func(t *testing.T) {
			o := Options{tune: inFiles, timersPerGroup: 2}
			setTier(&o, bytes)
			statetest.Run(t, opener(o))
		})
	}
}
