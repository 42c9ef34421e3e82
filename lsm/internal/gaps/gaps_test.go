package gaps

import (
	"math"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/run"
)

// firstByte is the split function of these tests: the prefix is the first byte of a key.
var firstByte = run.Split{Name: "first-byte", Func: func(key []byte) int { return min(len(key), 1) }}

// gapModel compares Gaps with the set of keys that have a value. Keys are one of two prefixes
// and a number.
type gapModel struct {
	gaps   Gaps
	shared *atomic.Int64
	live   map[string]bool
}

func lookupKey(prefix, n byte) (k run.LookupKey) {
	firstByte.Prepare(&k, []byte{prefix, n})
	return k
}

// check requires the invariants of Gaps.
func (m *gapModel) check(t *rapid.T) {
	total := int64(0)
	for _, of := range m.gaps.ByPrefix {
		bytesOfPrefix := gapBytes + int64(len(of.Prefix))
		for i, gap := range of.Gaps {
			require.Less(t, string(gap.First), string(gap.To))
			if i > 0 {
				require.Less(t, string(of.Gaps[i-1].To), string(gap.First), "gaps may not touch")
			}
			for key := range m.live {
				require.False(t, key[0] == of.Prefix[0] && string(gap.First) <= key && key < string(gap.To),
					"%x has a value and is in the gap from %x to %x", key, gap.First, gap.To)
			}
			bytesOfPrefix += gap.size()
		}
		require.NotEmpty(t, of.Gaps)
		require.Equal(t, bytesOfPrefix, of.Bytes)
		total += of.Bytes
	}
	require.Equal(t, total, m.gaps.Bytes)
	require.Equal(t, total, m.shared.Load())
}

// add adds a gap, if no key in it has a value, and requires that it can be found.
func (m *gapModel) add(t *rapid.T) {
	prefix, from := drawKey(t)
	to := rapid.ByteRange(from, 63).Draw(t, "to")
	for n := from; n <= to; n++ {
		if m.live[string([]byte{prefix, n})] {
			return
		}
	}
	covered := m.covered(prefix)
	p := lookupKey(prefix, from)
	first, end := []byte{prefix, from}, []byte{prefix, to, 0}
	if rapid.Bool().Draw(t, "touches the next key") {
		end = []byte{prefix, to + 1}
	}
	require.True(t, m.gaps.Add(&p, first, end, int(to-from)+1))
	for n := from; n <= to; n++ {
		covered[n] = true
	}
	require.Equal(t, covered, m.covered(prefix))
}

// covered returns the keys of a prefix that lie in a gap.
func (m *gapModel) covered(prefix byte) map[byte]bool {
	covered := make(map[byte]bool)
	for n := range byte(64) {
		p := lookupKey(prefix, n)
		if _, ok := m.gaps.Find(&p, p.Key); ok {
			covered[n] = true
		}
	}
	return covered
}

// put gives a key a value.
func (m *gapModel) put(t *rapid.T) {
	prefix, n := drawKey(t)
	p := lookupKey(prefix, n)
	m.live[string(p.Key)] = true
	m.gaps.Cut(&p)
}

// remove deletes a key. That alone makes no gap.
func (m *gapModel) remove(t *rapid.T) {
	prefix, n := drawKey(t)
	delete(m.live, string([]byte{prefix, n}))
}

func drawKey(t *rapid.T) (prefix, n byte) {
	return rapid.SampledFrom([]byte{'a', 'b'}).Draw(t, "prefix"), rapid.ByteRange(0, 63).Draw(t, "key")
}

func TestNoKeyInAGapHasAValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := gapModel{shared: new(atomic.Int64), live: map[string]bool{}}
		m.gaps = New(m.shared, math.MaxInt64)
		m.gaps.MinDead = rapid.IntRange(1, 3).Draw(t, "MinDead")
		t.Repeat(map[string]func(*rapid.T){
			"add": m.add, "put": m.put, "remove": m.remove, "": m.check,
			"forget": func(t *rapid.T) {
				prefix, n := drawKey(t)
				p := lookupKey(prefix, n)
				m.gaps.ForgetPrefix(&p)
				_, found := m.gaps.Find(&p, p.Key)
				require.False(t, found)
			},
		})
		m.gaps.Clear()
		require.Zero(t, m.shared.Load())
	})
}

func TestCutKeepsBothHalvesThatAreLongEnough(t *testing.T) {
	for name, c := range map[string]struct {
		key  byte
		want [][2]string // bounds of the gaps that remain
	}{
		"in the middle":        {50, [][2]string{{"a\x00", "a\x32"}, {"a\x32\x00", "a\x64"}}},
		"near the beginning":   {10, [][2]string{{"a\x0a\x00", "a\x64"}}},
		"near the end":         {90, [][2]string{{"a\x00", "a\x5a"}}},
		"outside of the gap":   {100, [][2]string{{"a\x00", "a\x64"}}},
		"at the first element": {0, [][2]string{{"a\x00\x00", "a\x64"}}},
	} {
		g := New(new(atomic.Int64), 1<<20)
		p := lookupKey('a', c.key)
		require.True(t, g.Add(&p, []byte{'a', 0}, []byte{'a', 100}, 100))
		g.Cut(&p)
		var got [][2]string
		for _, gap := range g.ByPrefix[p.PrefixHash].Gaps {
			got = append(got, [2]string{string(gap.First), string(gap.To)})
		}
		require.Equal(t, c.want, got, name)
	}
}

// Two stores share a limit. Above it, each keeps its own minimum.
func TestGapsAreBounded(t *testing.T) {
	shared := new(atomic.Int64)
	const limit = 16 << 10
	stores := []Gaps{New(shared, limit), New(shared, limit)}
	for n := range 2000 {
		g := &stores[n%2]
		key := []byte{byte(n >> 8), byte(n)} // a prefix of its own for every 256 gaps
		var p run.LookupKey
		firstByte.Prepare(&p, key)
		g.Add(&p, key, append(slices.Clone(key), 0), 20)
		require.LessOrEqual(t, shared.Load(), int64(limit+2*GapBytesPerStore))
	}
	g := &stores[0]
	p := lookupKey('x', 0)
	require.False(t, g.Add(&p, []byte("x"), append([]byte("x"), make([]byte, g.MaxGapBytes())...), 1000), "too long to keep")
	for i := range stores {
		stores[i].Clear()
	}
	require.Zero(t, shared.Load())
}

func TestPrefixKeepsItsLongestGaps(t *testing.T) {
	g := New(new(atomic.Int64), 1<<20)
	for n := range 2 * MaxGapsOfPrefix {
		var p run.LookupKey
		key := []byte{'a', byte(n >> 8), byte(n)}
		firstByte.Prepare(&p, key)
		g.Add(&p, key, append(slices.Clone(key), 0), 16+n)
	}
	p := lookupKey('a', 0)
	kept := g.ByPrefix[p.PrefixHash].Gaps
	require.LessOrEqual(t, len(kept), MaxGapsOfPrefix)
	require.Greater(t, len(kept), MaxGapsOfPrefix/4)
	_, found := g.Find(&p, []byte{'a', 0, 0})
	require.False(t, found, "the shortest gap was dropped")
	_, found = g.Find(&p, []byte{'a', 7, 255})
	require.True(t, found, "the longest gap was kept")
}

// Explorations become rare where they find nothing, and frequent where they find much.
func TestExplorationsAdaptToTheirResults(t *testing.T) {
	g := New(new(atomic.Int64), 1<<20)
	p := lookupKey('a', 1)
	deletesUntilDue := func() (n int) {
		for n = 1; !g.IsDue(&p); n++ {
		}
		return n
	}
	require.Equal(t, exploreEvery, deletesUntilDue())
	g.Adapt(&p, manyFound)
	require.Equal(t, exploreEvery/8, deletesUntilDue())
	g.Adapt(&p, manyFound)
	require.Equal(t, 1, deletesUntilDue())
	for range 3 * maxExploreEvery {
		g.Adapt(&p, 0)
	}
	require.Equal(t, maxExploreEvery, deletesUntilDue())
	g.Adapt(&p, manyFound)
	g.Adapt(&p, NotKept)
	require.Equal(t, maxExploreEvery, deletesUntilDue())
}
