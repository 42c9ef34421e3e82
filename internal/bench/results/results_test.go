package results

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// resultOf writes a file for each content and reads them.
func resultOf(t *testing.T, contents ...string) (Result, error) {
	var paths []string
	for _, content := range contents {
		path := filepath.Join(t.TempDir(), "lines.txt")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		paths = append(paths, path)
	}
	return Read(paths...)
}

func TestDigestDependsOnLinesAndNotOnTheirOrder(t *testing.T) {
	one, err := resultOf(t, "day x\nday y\nhour z\n", "session u\n")
	require.NoError(t, err)
	other, err := resultOf(t, "session u\nhour z\n", "day y\nday x\n")
	require.NoError(t, err)
	require.Equal(t, one, other)
	require.Equal(t, map[string]int64{"day": 2, "hour": 1, "session": 1}, one.Lines)
	for _, different := range []string{
		"day x\nday y\nhour z\nsession u\nsession u\n", "day x\nday y\nhour z\n",
		"day x\nday y\nhour z\nsession v\n", "day xday y\nhour z\nsession u\n",
	} {
		got, err := resultOf(t, different)
		require.NoError(t, err)
		require.NotEqual(t, one.Digest(), got.Digest(), different)
	}
	twice, err := resultOf(t, "a\na\n")
	require.NoError(t, err)
	nothing, err := resultOf(t, "")
	require.NoError(t, err)
	require.NotEqual(t, nothing.Digest(), twice.Digest(), "two equal lines cancel each other")
}

func TestLateFlightIsAnError(t *testing.T) {
	_, err := resultOf(t, "day x\nlate hour 2001-01-31T23:59\n")
	require.ErrorIs(t, err, ErrLate)
}

func TestLastLineWithoutLineFeedIsAnError(t *testing.T) {
	_, err := resultOf(t, "day x\nday y")
	require.Error(t, err)
}

func TestFlightsIsTheSumOverAllTotals(t *testing.T) {
	r, err := resultOf(t, "total ORD 1234 flights, worst 9 min\ntotal JFK 6 flights, worst 0 min\n")
	require.NoError(t, err)
	require.EqualValues(t, 1240, r.Flights)
}
