package pace

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPacerOffersTheProcessorOncePerQuantum(t *testing.T) {
	offers := 0
	defer func(before func()) { offer = before }(offer)
	offer = func() { offers++ }
	var p Pacer
	for range 3 {
		for range QuantumNanos/1000 - 1 {
			require.False(t, p.Spend(1000))
		}
		before := offers
		require.True(t, p.Spend(1000))
		require.Equal(t, before+1, offers)
	}
	require.True(t, p.Spend(10*QuantumNanos), "one long step is one quantum")
	require.Equal(t, 4, offers)
}
