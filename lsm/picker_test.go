package lsm

import (
	"bytes"
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/compaction"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// idle is a Picker that picks nothing.
type idle struct{}

func (idle) Pick(Shape) *Pick { return nil }

// treeOf returns the current tree.
func treeOf(db *DB) *version.Tree {
	db.lock.Lock()
	defer db.lock.Unlock()
	return db.versions.Current().Tree
}

// compactLevels compacts all tables of levels to the level to.
func compactLevels(t testing.TB, db *DB, to int, levels ...int) {
	db.compactor.running.Lock()
	defer db.compactor.running.Unlock()
	pick := Pick{To: to}
	now := treeOf(db)
	for _, level := range levels {
		for _, f := range now.Levels[level] {
			pick.Files = append(pick.Files, f.Number)
		}
	}
	require.NoError(t, db.compact(now, pick))
	require.NoError(t, treeOf(db).Check())
}

// tablesOf returns the number of tables in each level.
func tablesOf(db *DB) (n [version.NumLevels]int) {
	for level, files := range treeOf(db).Levels {
		n[level] = len(files)
	}
	return n
}

// boundsOf returns the bounds of the tables of a level, as text.
func boundsOf(db *DB, level int) (text string) {
	for _, f := range treeOf(db).Levels[level] {
		text += fmt.Sprintf("[%s,%s) ", f.Bounds.From, f.Bounds.To)
	}
	return text
}

// flushed requires that the writes succeeded and flushes the store.
func flushed(t testing.TB, db *DB, writes ...error) {
	for _, err := range writes {
		require.NoError(t, err)
	}
	require.NoError(t, db.Flush(context.Background()))
}

func TestTablesDoNotEndUnderATombstone(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}, FileBytes: 1})
	putAll(t, db, "a", "ab", "b")
	flushed(t, db)
	compactLevels(t, db, 2, 0)
	flushed(t, db, db.DeletePrefix([]byte("a")), db.DeletePrefix([]byte("ab")))
	putAll(t, db, "ac", "ad", "b", "c")
	flushed(t, db)
	compactLevels(t, db, 1, 0)
	require.Equal(t, "[a,b) [b,b\x00) [c,c\x00) ", boundsOf(db, 1))
	flushed(t, db, db.DeletePrefix(nil))
	compactLevels(t, db, 1, 0, 1)
	require.Equal(t, "[,) ", boundsOf(db, 1))
}

func TestRunSkipsTablesBelowItsKeys(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}, FileBytes: 1, PartitionBytes: 1})
	putAll(t, db, "a", "m", "n")
	flushed(t, db)
	compactLevels(t, db, 2, 0)
	flushed(t, db, db.DeleteRange(nil, []byte("b"))) // the range begins with the lowest key
	compactLevels(t, db, 1, 0)
	flushed(t, db, db.DeleteRange([]byte("m"), []byte("n")))
	flushed(t, db, db.DeleteRange([]byte("n"), []byte("o")), db.Put([]byte("p"), nil))
	compactLevels(t, db, 1, 0)
	require.Equal(t, "[,b) [m,p\x00) ", boundsOf(db, 1))
}

func TestRunWithTheLowestKeyEndsBeforeTablesThatStay(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}})
	flushed(t, db, db.Put([]byte("m"), nil))
	compactLevels(t, db, 1, 0)
	flushed(t, db, db.Put(nil, nil), db.Put([]byte("a"), nil))
	flushed(t, db, db.Put([]byte("z"), nil))
	compactLevels(t, db, 1, 0)
	require.Equal(t, "[,a\x00) [m,m\x00) [z,z\x00) ", boundsOf(db, 1))
}

func TestCompactRemovesDeletedKeysAndTheirTombstones(t *testing.T) {
	for name, remove := range map[string]func(*DB) error{
		"delete":        func(db *DB) error { return db.Delete([]byte("key")) },
		"delete prefix": func(db *DB) error { return db.DeletePrefix([]byte("key")) },
		"delete range":  func(db *DB) error { return db.DeleteRange(nil, nil) },
	} {
		db := memoryStore(t, Options{Picker: idle{}})
		require.NoError(t, remove(db))
		require.NoError(t, db.Compact(context.Background()))
		require.Equal(t, [version.NumLevels]int{}, tablesOf(db), name)
	}
}

// randomShape returns tables with random bounds. In levels from 1 on, the tables of a level do not
// overlap.
func randomShape(rng *rand.Rand) (s Shape) {
	number := uint64(0)
	table := func(from, to int) Table {
		number++
		return Table{Number: number, Bytes: 1 + int64(rng.IntN(100)), From: []byte{byte(from)}, To: []byte{byte(to)}}
	}
	runs := rng.IntN(6)
	if rng.IntN(4) == 0 {
		runs = rng.IntN(14)
	}
	for at := range runs {
		from := rng.IntN(10)
		t := table(from, from+1+rng.IntN(10-from))
		t.Run = uint64(100 - at)
		if rng.IntN(2) == 0 {
			t.Cut = t.From
		}
		if at > 0 && rng.IntN(2) == 0 && bytes.Compare(s.Levels[0][at-1].To, t.From) <= 0 {
			t.Run = s.Levels[0][at-1].Run
		}
		s.Levels[0] = append(s.Levels[0], t)
	}
	for level := 1; level < 4; level++ {
		for from := rng.IntN(4); from < 10; from += rng.IntN(4) {
			to := from + 1 + rng.IntN(3)
			s.Levels[level] = append(s.Levels[level], table(from, to))
			from = to
		}
	}
	return s
}

// treeOfShape returns a tree with the tables of s, without open files.
func treeOfShape(s Shape) *version.Tree {
	t := &version.Tree{}
	for level, tables := range s.Levels {
		for _, x := range tables {
			t.Levels[level] = append(t.Levels[level], &version.File{FileMeta: version.FileMeta{
				Number: x.Number, Run: x.Run, Size: x.Bytes, Bounds: x.Bounds(),
			}})
		}
	}
	return t
}

func TestOnlyPicksThatKeepTheOrderAreAccepted(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	right, wrong := 0, 0
	for range 3000 {
		s := randomShape(rng)
		tree := treeOfShape(s)
		require.NoError(t, tree.Check())
		for range 30 {
			p := Pick{To: rng.IntN(4)}
			inputs := make(map[*version.File]bool)
			chance := 1 + rng.IntN(8)
			for level, files := range tree.Levels {
				for _, f := range files {
					if level <= p.To+rng.IntN(20)/19 && rng.IntN(8) < chance {
						p.Files, inputs[f] = append(p.Files, f.Number), true
					}
				}
			}
			err := compaction.CheckPick(tree, inputs, p.To)
			if isInOrder(s, p) {
				right++
				require.NoError(t, err, "%+v of %+v", p, s)
			} else {
				wrong++
				require.ErrorIs(t, err, compaction.ErrPick, "%+v of %+v", p, s)
			}
		}
	}
	require.Greater(t, right, 10_000)
	require.Greater(t, wrong, 10_000)
}

// A store restored in parts has as many runs as before, wherever the borders of tables are.
func TestPartsOfRestoredStoresAreWholeRuns(t *testing.T) {
	var s Shape
	for run := range uint64(4) {
		s.Levels[0] = append(s.Levels[0], Table{Run: 9 - run, From: []byte("t"), To: []byte("z"), Cut: []byte("t")})
	}
	s.Levels[1] = []Table{{Run: 5, From: []byte("a"), To: []byte("m")}}
	require.Equal(t, 4.0, compaction.CountLevel0Runs(s))
	s.Levels[1][0].Run = 9 // level 1 has a newer run: a compaction has run since the restore
	require.Equal(t, 2.0, compaction.CountLevel0Runs(s))
}

func TestPickersPickInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, picker := range []Picker{NewLeveled(), NewTiered(0), NewTiered(2), NewTiered(12)} {
		picked := 0
		for range 10_000 {
			s := randomShape(rng)
			s.MemtableBytes, s.FileBytes = chosen[int64](rng, 1, 10, 100), chosen[int64](rng, 1, 10, 100)
			s.ExtraReadCost = chosen[int64](rng, 0, 1, 1000)
			if p := picker.Pick(s); p != nil {
				picked++
				require.True(t, isInOrder(s, *p), "%T: %+v of %+v", picker, p, s)
			}
		}
		require.Greater(t, picked, 500)
	}
}

// OverlappingSorted finds the overlapping tables of a level by binary search: a compaction of
// thousands of tables searches the next level for each of them.
func TestOverlappingTablesAreFoundByBinarySearch(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for n := range 300 {
		var level []run.Range
		for at := rng.IntN(3); at < 2*n; at += rng.IntN(3) {
			to := at + 1 + rng.IntN(3)
			level = append(level, run.Range{From: fmt.Appendf(nil, "%04d", at), To: fmt.Appendf(nil, "%04d", to)})
			at = to
		}
		for range 20 {
			from := rng.IntN(2*n + 2)
			r := run.Range{From: fmt.Appendf(nil, "%04d", from), To: fmt.Appendf(nil, "%04d", from+rng.IntN(20))}
			if rng.IntN(5) == 0 {
				r.To = nil
			}
			looked := 0
			got := version.OverlappingSorted(level, func(r run.Range) run.Range { looked++; return r }, r)
			var want []run.Range
			for _, other := range level {
				if other.Overlaps(r) {
					want = append(want, other)
				}
			}
			require.Equal(t, want, append([]run.Range(nil), got...))
			require.LessOrEqual(t, looked, len(want)+bits.Len(uint(len(level)))+1)
		}
	}
}

func TestTablesUnderARangeTombstoneAreDroppedUnread(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}, PartitionBytes: 1, FileBytes: 1})
	putAll(t, db, "a", "b")
	flushed(t, db)
	putAll(t, db, "c")
	flushed(t, db)
	compactLevels(t, db, 2, 0)
	require.Equal(t, "[a,a\x00) [b,b\x00) [c,c\x00) ", boundsOf(db, 2))
	db.compactor.running.Lock() // keeps the worker from dropping the tables
	putAll(t, db, "b")
	flushed(t, db)
	putAll(t, db, "b", "c")
	flushed(t, db)
	require.NoError(t, db.DeleteRange([]byte("b"), []byte("c")))
	putAll(t, db, "b")
	flushed(t, db)
	covered := treeOf(db).Covered()
	require.NoError(t, db.dropFiles(covered))
	db.compactor.running.Unlock()
	require.Len(t, covered, 2)
	require.Equal(t, "[b,c) [b,c\x00) ", boundsOf(db, 0), "the table of the tombstone and a table with more keys stay")
	require.Equal(t, "[a,a\x00) [c,c\x00) ", boundsOf(db, 2))
	it, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	require.Equal(t, "a b c ", keysOf(t, it))
	require.NoError(t, it.Close())
}

// pickers are the pickers of the golden files, by the name in the file name.
var pickers = map[string]Picker{"leveled": NewLeveled(), "tiered": NewTiered(0), "tiered-2": NewTiered(2)}

// A golden file lists trees, each followed by the pick for it. Memtables and files have 10 bytes. A
// tree has a title and a line for each level that has tables:
//
//	L<level> <number>:<bytes>:<from>-<to> ...
//
// A <to> of ~ is the end of all keys. The suffix ":cut" means that the file also has entries before
// <from>.
func TestPicksEqualTheGoldenFiles(t *testing.T) {
	for name, picker := range pickers {
		file := filepath.Join("testdata", "picker-"+name+".txt")
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		var got []string
		for _, tree := range strings.Split(strings.TrimSpace(string(content)), "\n\n") {
			tree, _, _ = strings.Cut(tree, "\n->")
			s := parseShape(t, tree)
			require.NoError(t, treeOfShape(s).Check(), tree)
			picked := "nothing"
			if p := picker.Pick(s); p != nil {
				picked = fmt.Sprintf("%v to level %d", p.Files, p.To)
				if p.Share > 0 {
					picked += fmt.Sprintf(", %.0f %%", 100*p.Share)
				}
				require.True(t, isInOrder(s, *p), tree)
			}
			got = append(got, tree+"\n-> "+picked)
		}
		text := strings.Join(got, "\n\n") + "\n"
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		}
		content, err = os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, text, string(content))
	}
}

// parseShape parses a tree of a golden file.
func parseShape(t *testing.T, text string) Shape {
	t.Helper()
	s := Shape{MemtableBytes: 10, FileBytes: 10}
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if words[0][0] != 'L' {
			continue // the title
		}
		level := int(words[0][1] - '0')
		for _, word := range words[1:] {
			var x Table
			var bounds string
			word, cut := strings.CutSuffix(word, ":cut")
			_, err := fmt.Sscanf(strings.ReplaceAll(word, ":", " "), "%d %d %s", &x.Number, &x.Bytes, &bounds)
			require.NoError(t, err, word)
			from, to, _ := strings.Cut(bounds, "-")
			x.From = []byte(from)
			if cut {
				x.Cut = x.From
			}
			if to != "~" {
				x.To = []byte(to)
			}
			x.Run = uint64(100 - len(s.Levels[level]))
			s.Levels[level] = append(s.Levels[level], x)
		}
	}
	return s
}
