package version

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// released records what a Set reported as unused.
type released struct{ runs, files []uint64 }

func newSet(r *released) Set {
	return NewSet(
		func(s *SealedRun) { r.runs = append(r.runs, s.Number) },
		func(f *File) { r.files = append(r.files, f.Number) },
	)
}

func fileOf(number, ofRun uint64, from, to string) *File {
	return &File{FileMeta: FileMeta{Number: number, Run: ofRun, Bounds: run.Range{From: []byte(from), To: []byte(to)}}}
}

func TestSetReportsRunsAndFilesThatNoVersionHas(t *testing.T) {
	var r released
	s := newSet(&r)
	table := memtable.NewHash(memtable.Options{})
	defer table.Close()
	s.Install(s.Current().WithRun(&SealedRun{Number: 1, Table: table}))
	large := fileOf(7, 2, "a", "b")
	s.Install(s.Current().WithRun(NewSealedFile(2, large)))
	pinned := s.Current().Ref()
	require.Equal(t, []uint64{2, 1}, []uint64{pinned.Memory[0].Number, pinned.Memory[1].Number})

	// Both runs are flushed into the tree, the first as a new file.
	c := &Change{}
	c.Added[0] = []*File{fileOf(8, 1, "a", "b"), large}
	next, err := pinned.Tree.Apply(c)
	require.NoError(t, err)
	s.Install(s.Current().Without(2, next))
	require.Empty(t, r, "the pinned version has the runs")
	s.Unref(pinned)
	require.Equal(t, released{runs: []uint64{1}}, r, "the tree still has the file of run 2")

	// Two versions share the tree.
	pinned = s.Current().Ref()
	s.Install(s.Current().WithRun(NewSealedFile(3, fileOf(9, 3, "a", "b"))))
	s.Unref(pinned)
	require.Empty(t, r.files, "the current version still has the tree")

	// A compaction removes both files.
	next, err = next.Apply(&Change{Removed: map[*File]bool{large: true, c.Added[0][0]: true}})
	require.NoError(t, err)
	s.Install(New(nil, next))
	require.ElementsMatch(t, []uint64{7, 8, 9}, r.files)
	require.EqualValues(t, 5, s.Generation())
}

func TestVersionSwitchesToFilesOnlyIfItHasAllFlushedRuns(t *testing.T) {
	var r released
	s := newSet(&r)
	first, second, third := NewSealedFile(1, fileOf(1, 1, "a", "b")), NewSealedFile(2, fileOf(2, 2, "a", "b")), NewSealedFile(3, fileOf(3, 3, "a", "b"))
	s.Install(s.Current().WithRun(first))
	old := s.Current().Ref()
	s.Install(s.Current().WithRun(second))
	whole := s.Current().Ref()
	s.Install(s.Current().WithRun(third))

	flushed, files := []*SealedRun{second, first}, []*File{fileOf(9, 2, "a", "b")}
	require.Nil(t, old.WithFiles(flushed, files))
	require.Empty(t, whole.WithFiles(flushed, files).Memory)
	require.Equal(t, []*SealedRun{third}, s.Current().WithFiles(flushed, files).Memory)
	later := New([]*SealedRun{NewSealedFile(4, fileOf(4, 4, "a", "b")), third}, &Tree{})
	require.Nil(t, later.WithFiles(flushed, files))
}

func TestApplyKeepsLevelsSortedAndDisjoint(t *testing.T) {
	apply := func(t *Tree, level int, files ...*File) (*Tree, error) {
		c := &Change{}
		c.Added[level] = files
		return t.Apply(c)
	}
	empty := &Tree{}
	tree, err := apply(empty, 0, fileOf(1, 1, "a", "z"), fileOf(3, 3, "m", "z"), fileOf(2, 3, "a", "m"))
	require.NoError(t, err)
	var numbers []uint64
	for _, f := range tree.Levels[0] {
		numbers = append(numbers, f.Number)
	}
	require.Equal(t, []uint64{2, 3, 1}, numbers, "newest run first; within a run by key")
	require.Empty(t, empty.Levels[0], "Apply must not change the old tree")

	for name, files := range map[string][]*File{
		"twice":         {fileOf(1, 9, "a", "b")},
		"of one run":    {fileOf(4, 3, "c", "d")},
		"without range": {fileOf(4, 4, "b", "a")},
	} {
		_, err := apply(tree, 0, files...)
		require.ErrorIs(t, err, sstable.ErrCorrupt, name)
	}
	tree, err = apply(tree, 1, fileOf(5, 0, "m", "z"), fileOf(6, 0, "a", "m"))
	require.NoError(t, err)
	require.EqualValues(t, 6, tree.Levels[1][0].Number)
	require.EqualValues(t, 5, Find(tree.Levels[1], []byte("m")).Number)
	require.Nil(t, Find(tree.Levels[1], []byte("z")))
	_, err = apply(tree, 1, fileOf(7, 0, "l", "n"))
	require.ErrorIs(t, err, sstable.ErrCorrupt)
}
