package run

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomKey returns a key of up to three bytes, over an alphabet of the lowest and highest
// byte values.
func randomKey(rng *rand.Rand) []byte {
	key := make([]byte, rng.IntN(4))
	for i := range key {
		key[i] = []byte{0, 1, 0xfe, 0xff}[rng.IntN(4)]
	}
	return key
}

// allKeys returns all keys that randomKey can return.
func allKeys() (keys [][]byte) {
	level := [][]byte{{}}
	for range 4 {
		keys = append(keys, level...)
		var next [][]byte
		for _, key := range level {
			for _, c := range []byte{0, 1, 0xfe, 0xff} {
				next = append(next, append(slices.Clone(key), c))
			}
		}
		level = next
	}
	return keys
}

// randomRange returns a range of random keys, sometimes empty, sometimes without end.
func randomRange(rng *rand.Rand) Range {
	r := Range{From: randomKey(rng)}
	if rng.IntN(4) > 0 {
		r.To = randomKey(rng)
	}
	return r
}

// contains is the definition of a range: reference for Range.Contains.
func contains(r Range, key []byte) bool {
	return bytes.Compare(r.From, key) <= 0 && (r.To == nil || bytes.Compare(key, r.To) < 0)
}

func TestRangesCoverTheUnionOfAddedRanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	keys := allKeys()
	for range 2000 {
		var all []Range
		var set Ranges
		for range rng.IntN(6) {
			r := randomRange(rng)
			all = append(all, r)
			set.Add(r)
			require.True(t, set.Valid(), "%x", set)
		}
		within := randomRange(rng)
		clipped := set.Clip(within)
		require.True(t, clipped.Valid())
		for _, key := range keys {
			in := slices.ContainsFunc(all, func(r Range) bool { return contains(r, key) })
			require.Equal(t, in, set.Covers(key), "%x in %x", key, set)
			require.Equal(t, in && contains(within, key), clipped.Covers(key))
		}
	}
}

func TestCoversPrefixNeedsTheWholePrefix(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	covered := 0
	for range 2000 {
		var set Ranges
		for range rng.IntN(6) {
			set.Add(randomRange(rng))
		}
		for _, prefix := range allKeys() {
			whole := PrefixRange(prefix)
			clipped := set.Clip(whole)
			want := len(clipped) == 1 && bytes.Equal(clipped[0].From, whole.From) &&
				(clipped[0].To == nil) == (whole.To == nil) && bytes.Equal(clipped[0].To, whole.To)
			require.Equal(t, want, set.CoversPrefix(prefix), "%x in %x", prefix, set)
			if want {
				covered++
			}
		}
	}
	require.Greater(t, covered, 1000)
}

func TestValidRejectsInvalidRanges(t *testing.T) {
	require.True(t, Ranges{{[]byte("a"), []byte("b")}, {[]byte("c"), nil}}.Valid())
	for _, s := range []Ranges{
		{{[]byte("b"), []byte("b")}},
		{{[]byte("b"), []byte("a")}},
		{{[]byte("a"), []byte("b")}, {[]byte("b"), []byte("c")}},
		{{[]byte("a"), nil}, {[]byte("c"), []byte("d")}},
		{{[]byte("c"), []byte("d")}, {[]byte("a"), []byte("b")}},
	} {
		require.False(t, s.Valid(), "%q", s)
	}
}

func TestRangeOperationsMatchTheirKeySets(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	keys := allKeys()
	for range 2000 {
		a, b := randomRange(rng), randomRange(rng)
		if a.Empty() || b.Empty() {
			continue
		}
		overlap := false
		span, intersection := a.Span(b), a.Intersect(b)
		for _, key := range keys {
			overlap = overlap || contains(a, key) && contains(b, key)
			require.Equal(t, contains(a, key) && contains(b, key), contains(intersection, key))
			require.False(t, (contains(a, key) || contains(b, key)) && !contains(span, key))
			require.Equal(t, contains(a, key), a.Contains(key))
		}
		if overlap {
			require.True(t, a.Overlaps(b))
		}
		require.Equal(t, a.Overlaps(b), b.Overlaps(a))
		require.Equal(t, a.Overlaps(b), !intersection.Empty())
	}
}

func TestPrefixRangeContainsExactlyTheKeysOfThePrefix(t *testing.T) {
	for _, prefix := range allKeys() {
		r := PrefixRange(prefix)
		for _, key := range allKeys() {
			require.Equal(t, bytes.HasPrefix(key, prefix), contains(r, key), "%x %x", prefix, key)
		}
	}
}

// All sequences of four operations on one key, cut into runs in all ways, are compared with a
// value to which the operations are applied directly.
func TestEntriesCombineToTheResultOfAllOperations(t *testing.T) {
	type step struct {
		op  Kind
		add string
	}
	steps := []step{{Set, "s"}, {Delete, ""}, {Append, "a"}, {Append, "b"}}
	do := func(value *string, s step) *string {
		switch {
		case s.op == Delete:
			return nil
		case s.op == Append && value != nil:
			joined := *value + s.add
			return &joined
		}
		return &s.add
	}
	// Two bits of n select each step; bit i of cuts begins a new run before step i.
	for n := range 256 {
		var sequence []step
		for i := range 4 {
			sequence = append(sequence, steps[n>>(2*i)&3])
		}
		var whole *string
		for _, s := range sequence {
			whole = do(whole, s)
		}
		for cuts := range 16 {
			type held struct {
				kind  Kind
				value string
			}
			runs := []held{{}}
			for i, s := range sequence {
				if cuts>>i&1 == 1 {
					runs = append(runs, held{})
				}
				r := &runs[len(runs)-1]
				if s.op == Append && r.kind.HasValue() {
					r.value += s.add
				} else {
					r.value = s.add
				}
				r.kind = r.kind.Then(s.op)
			}
			var f Lookup
			for _, r := range slices.Backward(runs) {
				if r.kind != 0 && f.AddTransient(r.kind, []byte(r.value)) {
					break
				}
			}
			require.Equal(t, whole != nil, f.Exists())
			if whole != nil {
				got, err := f.AppendTo(nil)
				require.NoError(t, err)
				require.Equal(t, *whole, string(got))
				require.Equal(t, int64(len(got)), f.Size())
				streamed, err := io.ReadAll(f.Reader())
				require.NoError(t, err)
				require.Equal(t, got, streamed)
			}
		}
	}
}

func TestWholeNeedsASinglePiece(t *testing.T) {
	var f Lookup
	require.True(t, f.AddTransient(Set, []byte("x")))
	b, ok := f.Whole()
	require.True(t, ok)
	require.Equal(t, "x", string(b))
	f.Reset()
	require.False(t, f.Exists())
	require.False(t, f.AddTransient(Append, []byte("y")))
	require.True(t, f.AddTransient(Set, []byte("x")))
	_, ok = f.Whole()
	require.False(t, ok)
}

func TestPrepareSetsPrefixAndHashes(t *testing.T) {
	split := Split{Name: "two", Func: func(key []byte) int { return min(2, len(key)) }}
	var k LookupKey
	split.Prepare(&k, []byte("abc"))
	require.Equal(t, "ab", string(k.Prefix()))
	require.Equal(t, Hash([]byte("abc")), k.Hash)
	require.Equal(t, Hash([]byte("ab")), k.PrefixHash)
	split.Prepare(&k, []byte("ab"))
	require.Equal(t, k.Hash, k.PrefixHash)
}
