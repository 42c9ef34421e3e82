package density

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVariableSelectsTheSize(t *testing.T) {
	for value, want := range map[string]int{"": 1, "quick": 1, "campaign": 2, "dense": 3} {
		t.Setenv(Variable, value)
		require.Equal(t, want, Of(t, 1, 2, 3), value)
	}
}

func TestUnknownLevelIsAnError(t *testing.T) {
	for _, value := range []string{"dens", "Quick", "1"} {
		_, err := parse(value)
		require.ErrorContains(t, err, "want quick, campaign or dense")
	}
}

func TestInCampaignsSkipsAtQuick(t *testing.T) {
	for value, skipped := range map[string]bool{"": true, "campaign": false, "dense": false} {
		t.Setenv(Variable, value)
		passed := false
		t.Run(value, func(t *testing.T) {
			defer func() { passed = t.Skipped() == skipped }()
			InCampaigns(t)
		})
		require.True(t, passed, value)
	}
}
