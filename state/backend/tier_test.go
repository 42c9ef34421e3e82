package backend

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// clockTable is a table in a tier with one row in each slot, of one byte. A row that was used is removed
// when the hand meets it a second time.
type clockTable struct {
	TierTable // nil: the tier calls no other method
	tier      *Tier
	used      []bool
	gone      []bool
	hand      int
}

func (c *clockTable) Evict(slots int) (rows int, more bool) {
	for range slots {
		if c.hand == len(c.used) {
			c.hand = 0
			return rows, false
		}
		switch {
		case c.gone[c.hand]:
		case c.used[c.hand]:
			c.used[c.hand] = false
		default:
			c.gone[c.hand] = true
			c.tier.Charge(-1)
			rows++
		}
		c.hand++
	}
	return rows, true
}

func TestTierEvictsUsedRowsWhereverTheHandIs(t *testing.T) {
	for hand := range 5 {
		tier := NewTier(newRegistry(t), 0, nil, nil)
		for id := range ID(3) {
			c := &clockTable{tier: tier, used: make([]bool, 4), gone: make([]bool, 4), hand: hand}
			for i := range c.used[:hand] { // the hand has passed all rows that are left
				c.used[i] = true
				tier.Charge(1)
			}
			for i := hand; i < len(c.gone); i++ {
				c.gone[i] = true
			}
			tier.Add(id, c)
		}
		require.True(t, tier.Evict(0), "hand at %d", hand)
		require.Zero(t, tier.Bytes())
	}
}
func TestTierRefusesAFreezeAfterTheLastEpoch(t *testing.T) {
	r, err := NewRegistry(Options{})
	require.NoError(t, err)
	tier := NewTier(r, 0, func() error { return nil }, func() {})
	tier.epoch = math.MaxUint32 - 1
	run, err := tier.Freeze()
	require.NoError(t, err)
	run.Close()
	tier.Written()
	_, err = tier.Freeze()
	require.ErrorIs(t, err, ErrFull)
	require.True(t, tier.HasWrites(), "the epoch has not ended")
}
