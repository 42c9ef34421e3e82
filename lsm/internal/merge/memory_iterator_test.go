package merge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// countedTable counts the calls of Iterator, which sorts.
type countedTable struct {
	memtable.Table
	sorts int
}

func (t *countedTable) Iterator() run.BackwardIterator { t.sorts++; return t.Table.Iterator() }

// Sources are opened under the lock of the store, where a sort of a large memtable would stop the
// owner for 10 ms and more.
func TestSealedSourceSortsAtItsFirstMove(t *testing.T) {
	budget := slab.NewBudget(0)
	defer budget.Close()
	table := &countedTable{Table: memtable.NewHash(memtable.Options{Budget: budget})}
	split := run.WholeKey
	var key run.LookupKey
	split.Prepare(&key, []byte("key"))
	table.Set(&key, []byte("value"))
	table.Seal()
	sealed := &version.SealedRun{Number: 1, Table: table}
	source := SealedSource(sealed)
	require.Zero(t, table.sorts)
	require.NoError(t, source.Iterator.Close())
	require.Zero(t, table.sorts)

	source = SealedSource(sealed)
	require.True(t, source.Iterator.Seek(nil))
	require.Equal(t, "key", string(source.Iterator.Entry().Key))
	require.False(t, source.Iterator.Next())
	require.NoError(t, source.Iterator.Err())
	require.Equal(t, 1, table.sorts)
	require.NoError(t, source.Iterator.Close())

	source = SealedSource(sealed)
	sealed.Close()
	require.False(t, source.Iterator.Seek(nil))
	require.ErrorIs(t, source.Iterator.Err(), version.ErrFlushed)
	require.Equal(t, 1, table.sorts, "the memtable was freed")
	require.NoError(t, source.Iterator.Close())
}
