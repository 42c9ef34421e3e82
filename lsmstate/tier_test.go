package lsmstate

import (
	"fmt"
	"testing"

	"github.com/weirstate/weir/state/statetest"
)

// Tiers of one byte evict at every operation, those of 4 KiB spill often, and those of 16 MiB hold
// everything.
func TestBackendWithATierConforms(t *testing.T) {
	for _, bytes := range []int64{1, 4 << 10, 16 << 20} {
		t.Run(fmt.Sprint(bytes, " bytes"), func(t *testing.T) {
			statetest.Run(t, opener(Options{Tier: true, tierBytes: bytes, tune: inFiles, timersPerGroup: 2}))
		})
	}
}
