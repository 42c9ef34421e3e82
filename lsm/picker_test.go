package lsm

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// idle is a Picker that leaves everything as it is.
type idle struct{}

func (idle) Pick(Shape) *Pick { return nil }

// treeOf is the current tree.
func treeOf(db *DB) *tree {
	db.owner.Lock()
	defer db.owner.Unlock()
	return db.current.tree
}

// compactLevels brings all tables of levels to another one.
func compactLevels(t testing.TB, db *DB, to int, levels ...int) {
	db.compacting.Lock()
	defer db.compacting.Unlock()
	pick := Pick{To: to}
	now := treeOf(db)
	for _, level := range levels {
		for _, f := range now.levels[level] {
			pick.Files = append(pick.Files, f.number)
		}
	}
	require.NoError(t, db.compact(now, pick))
	require.NoError(t, treeOf(db).check())
}

// boundsOf is where the tables of a level begin and end.
func boundsOf(db *DB, level int) (text string) {
	for _, f := range treeOf(db).levels[level] {
		text += fmt.Sprintf("[%s,%s) ", f.bounds.From, f.bounds.To)
	}
	return text
}

func flushed(t testing.TB, db *DB, writes ...error) {
	for _, err := range writes {
		require.NoError(t, err)
	}
	require.NoError(t, db.Flush())
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

func TestRunPassesByTablesBeforeItsKeys(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}, FileBytes: 1, PartitionBytes: 1})
	putAll(t, db, "a", "m", "n")
	flushed(t, db)
	compactLevels(t, db, 2, 0)
	flushed(t, db, db.DeleteRange(nil, []byte("b"))) // begins with the lowest key
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
