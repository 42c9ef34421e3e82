package compaction

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// level0 returns a shape with runs of the given sizes, the newest first.
func level0(sizes ...int64) (s Shape) {
	for i, size := range sizes {
		n := uint64(len(sizes) - i)
		s.Levels[0] = append(s.Levels[0], Table{Number: n, Run: n, Bytes: size})
	}
	return s
}

// pickedSizes returns the sizes of the picked tables.
func pickedSizes(s Shape, p *Pick) (sizes []int64) {
	if p == nil {
		return nil
	}
	for _, t := range s.Levels[0] {
		if slices.Contains(p.Files, t.Number) {
			sizes = append(sizes, t.Bytes)
		}
	}
	return sizes
}

func TestTieredMergesTheNewestRunsOfSimilarSize(t *testing.T) {
	for _, c := range []struct{ runs, want []int64 }{
		{[]int64{1, 1, 1, 1, 4, 22}, []int64{1, 1, 1, 1}}, // the drawing above tiered
		{[]int64{4, 4, 22}, nil},
		{[]int64{1, 1, 4, 4, 22}, []int64{1, 1, 4, 4}},
		{[]int64{10, 22}, nil},
		{[]int64{1, 1, 1, 1, 5, 4, 4, 20, 22}, []int64{1, 1, 1, 1}},
		{[]int64{4, 5, 4, 4, 20, 22}, []int64{4, 5, 4, 4}},
		{[]int64{17, 20, 22}, nil},
		{[]int64{1, 1, 1, 3}, []int64{1, 1, 1, 3}}, // the largest has three times the average
		{[]int64{1, 1, 1, 4}, nil},
		{[]int64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536}, nil},
		{[]int64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144}, []int64{1, 4, 16, 64}}, // too many runs
	} {
		s := level0(c.runs...)
		require.Equal(t, c.want, pickedSizes(s, NewTiered(0).Pick(s)), "%v", c.runs)
	}
}

// A window that began inside a run of several files would leave a part of the run above it.
func TestTieredPickDoesNotBeginInsideARun(t *testing.T) {
	s := level0(100, 1, 1, 1, 1)
	s.Levels[0][1].Run = s.Levels[0][0].Run
	require.Nil(t, NewTiered(4).Pick(s))
}

// Whatever sizes flushes have, level 0 stays below maxTieredRuns if all picks are carried out.
func TestTieredBoundsTheNumberOfRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		picker := NewTiered(rapid.IntRange(2, 8).Draw(t, "runs"))
		var sizes []int64 // newest first
		for range rapid.IntRange(1, 200).Draw(t, "flushes") {
			sizes = slices.Insert(sizes, 0, rapid.Int64Range(1, 1000).Draw(t, "size"))
			sizes, _ = mergeAll(t, picker, sizes)
			require.Less(t, len(sizes), maxTieredRuns)
		}
	})
}

// mergeAll carries out picks until none is left. It returns the sizes of the runs then, and the
// total size of the merged runs.
func mergeAll(t require.TestingT, picker Picker, sizes []int64) (left []int64, rewritten int64) {
	for {
		s := level0(sizes...)
		p := picker.Pick(s)
		if p == nil {
			return sizes, rewritten
		}
		first := slices.IndexFunc(s.Levels[0], func(x Table) bool { return x.Number == p.Files[0] })
		sum := int64(0)
		for i := range p.Files {
			require.Equal(t, p.Files[i], s.Levels[0][first+i].Number, "only adjacent runs may be merged")
			sum += sizes[first+i]
		}
		sizes = slices.Replace(sizes, first, first+len(p.Files), sum)
		rewritten += sum
	}
}

// The figures are those of the comment on tiered.
func TestTieredRewritesAByteLessThanOncePerDoublingOfTheStore(t *testing.T) {
	for memtables, want := range map[int64]int64{1024: 7, 4096: 9} {
		var sizes []int64
		total := int64(0)
		for range memtables {
			var rewritten int64
			sizes, rewritten = mergeAll(t, NewTiered(4), slices.Insert(sizes, 0, 1))
			total += rewritten
		}
		require.Equal(t, want, (total+memtables/2)/memtables, "rewrites of a byte, rounded")
	}
}
