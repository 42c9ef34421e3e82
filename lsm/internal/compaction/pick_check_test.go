package compaction

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

func fileOf(number, ofRun uint64, from, to string) *version.File {
	return &version.File{FileMeta: version.FileMeta{
		Number: number, Run: ofRun, Bounds: run.Range{From: []byte(from), To: []byte(to)},
	}}
}

// The tree of the drawing above CheckPick, with one more file that overlaps none of the others.
func TestCheckPickKeepsTheOrderOfEntries(t *testing.T) {
	a, b, c := fileOf(1, 9, "k", "l"), fileOf(2, 8, "k", "l"), fileOf(3, 7, "k", "l")
	apart := fileOf(4, 7, "x", "z")
	var tree version.Tree
	tree.Levels[0] = []*version.File{a, b}
	tree.Levels[1] = []*version.File{c, apart}
	for _, pick := range []struct {
		name  string
		files []*version.File
		to    int
		want  string // part of the error, empty if the pick is valid
	}{
		{"an older run stays above the output", []*version.File{a}, 1, "table 2 overlaps input 1"},
		{"the output overlaps its level", []*version.File{a, b}, 1, "table 3 overlaps input 1"},
		{"all overlapping files", []*version.File{a, b, c}, 1, ""},
		{"join within level 0", []*version.File{a, b}, 0, ""},
		{"the older runs only", []*version.File{b, c}, 1, ""},
		{"past an overlapping level", []*version.File{b}, 2, "table 3 overlaps input 2"},
		{"a file that overlaps nothing", []*version.File{apart}, 2, ""},
		{"from level 1 up to level 0", []*version.File{a, c}, 0, "table 3 would move up from level 1 to 0"},
	} {
		inputs := make(map[*version.File]bool)
		for _, f := range pick.files {
			inputs[f] = true
		}
		err := CheckPick(&tree, inputs, pick.to)
		if pick.want == "" {
			require.NoError(t, err, pick.name)
			continue
		}
		require.ErrorIs(t, err, ErrPick, pick.name)
		require.ErrorContains(t, err, pick.want, pick.name)
	}
}

// Run 9 has two files. The output of the second and a run that reaches over the first belongs
// to run 9, and would overlap the first.
func TestCheckPickKeepsFilesOfARunDisjoint(t *testing.T) {
	first, second, wide := fileOf(1, 9, "a", "f"), fileOf(2, 9, "m", "p"), fileOf(3, 8, "c", "z")
	var tree version.Tree
	tree.Levels[0] = []*version.File{first, second, wide}
	err := CheckPick(&tree, map[*version.File]bool{second: true, wide: true}, 0)
	require.ErrorIs(t, err, ErrPick)
	require.ErrorContains(t, err, "table 1 has the same run as the output")
	require.NoError(t, CheckPick(&tree, map[*version.File]bool{first: true, second: true, wide: true}, 0))
}
