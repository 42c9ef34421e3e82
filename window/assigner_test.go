package window

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
)

// edges are times and sizes near math.MinInt64, 0 and math.MaxInt64.
var edges = []int64{
	math.MinInt64, math.MinInt64 + 1, math.MinInt64 + 9, math.MinInt64 / 2, -1000, -11, -10, -9, -1, 0,
	1, 2, 9, 10, 11, 1000, math.MaxInt64 / 2, math.MaxInt64 - 10, math.MaxInt64 - 2, math.MaxInt64 - 1,
}

func TestWindowsAreExactDespiteOverflow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func() int64 {
		if r.IntN(2) == 0 {
			return int64(r.Uint64()) >> r.IntN(64)
		}
		return edges[r.IntN(len(edges))]
	}
	tried := 0
	for range 300_000 {
		a, at := Sliding(number(), number(), number()), number()
		if a.validate() != nil || a.size/a.slide > 50 || at == math.MaxInt64 {
			continue
		}
		tried++
		require.Equal(t, unbounded(a, at), slices.Collect(a.windows(at)), "%+v at %d", a, at)
	}
	require.Greater(t, tried, 5_000)
}

// unbounded returns the windows of a time, computed with numbers of unlimited size.
func unbounded(a Assigner, t int64) (windows []Window) {
	size, slide := big.NewInt(a.size), big.NewInt(a.slide)
	start := new(big.Int).Sub(big.NewInt(t), big.NewInt(a.offset))
	start.Mod(start, slide) // never negative
	start.Sub(big.NewInt(t), start)
	for ; ; start.Sub(start, slide) {
		end := new(big.Int).Add(start, size)
		if end.Cmp(big.NewInt(t)) <= 0 {
			return windows
		}
		windows = append(windows, Window{cut(start), cut(end)})
	}
}

// cut returns n, or the nearest int64.
func cut(n *big.Int) int64 {
	switch {
	case n.IsInt64():
		return n.Int64()
	case n.Sign() < 0:
		return math.MinInt64
	default:
		return math.MaxInt64
	}
}

func TestWindowsOfATimeContainItAndDiffer(t *testing.T) {
	for _, size := range edges {
		for _, slide := range edges {
			a := Sliding(size, slide, 3)
			if a.validate() != nil || size/slide > 1000 {
				continue
			}
			for _, at := range edges {
				seen := make(map[Window]bool)
				for w := range a.windows(at) {
					require.LessOrEqual(t, w.Start, at)
					require.Less(t, at, w.End)
					require.False(t, seen[w])
					seen[w] = true
				}
				require.NotEmpty(t, seen)
			}
		}
	}
}

func TestAssignersOutOfRangeAreRefused(t *testing.T) {
	const most = math.MaxInt64
	for _, a := range []Assigner{
		{}, Tumbling(0, 0), Tumbling(-1, 0), Tumbling(math.MinInt64, 0), Session(0), Session(-5),
		Sliding(10, 0, 0), Sliding(10, -1, 0), Sliding(10, 11, 0), Sliding(maxOverlap+1, 1, 0), Sliding(most, 1, 0),
	} {
		require.ErrorIs(t, a.validate(), state.ErrInvalid, "%+v", a)
	}
	for _, a := range []Assigner{
		Tumbling(1, most), Tumbling(most, math.MinInt64), Session(1), Session(most),
		Sliding(10, 10, 0), Sliding(10, 1, -7), Sliding(maxOverlap, 1, 0), Sliding(most, most/1000, 0),
	} {
		require.NoError(t, a.validate(), "%+v", a)
	}
	require.Len(t, slices.Collect(Sliding(maxOverlap, 1, 0).windows(0)), maxOverlap)
}

func TestNamespacesSortLikeWindowsAndDecode(t *testing.T) {
	require.Equal(t, []byte{0x80, 0, 0, 0, 0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 1, 2}, Window{1, 258}.appendNamespace(nil))
	last := ""
	for _, start := range edges {
		for _, end := range edges {
			w := Window{start, end}
			namespace := w.appendNamespace(nil)
			encoded, err := windowCodec.Append(nil, w)
			require.NoError(t, err)
			require.Equal(t, encoded, namespace)
			require.Less(t, last, string(namespace))
			last = string(namespace)
			if start < end {
				back, err := windowOf(namespace)
				require.NoError(t, err)
				require.Equal(t, w, back)
			}
		}
	}
	for _, bad := range [][]byte{nil, make([]byte, 15), make([]byte, 16), make([]byte, 17), Window{5, 4}.appendNamespace(nil)} {
		_, err := windowOf(bad)
		require.ErrorIs(t, err, state.ErrCorrupt, "%v", bad)
	}
}
