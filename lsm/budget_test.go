package lsm

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// Regression test: Budget.Close freed memory that an open store used to read tables. Reads returned
// ErrCorrupt, and a goroutine of the store panicked.
func TestBudgetOfAnOpenStoreCannotBeClosed(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	budget := NewBudget(4 << 20)
	o := goldenOptions(t, mem, LogOff)
	o.Budget, o.BudgetBytes = budget, 0
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("aa:1"), []byte("value")))
	require.NoError(t, db.Flush(context.Background()))
	requireContent(t, db, map[string]string{"aa:1": "value"})
	require.ErrorIs(t, budget.Close(), ErrOpen)
	requireContent(t, db, map[string]string{"aa:1": "value"})
	require.NoError(t, db.Put([]byte("aa:2"), []byte("value")))
	require.NoError(t, db.Flush(context.Background()))

	it, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	require.True(t, it.Next())
	require.ErrorIs(t, db.Close(), ErrOpen)
	require.ErrorIs(t, budget.Close(), ErrOpen, "the iterator is open")
	require.NoError(t, it.Close())
	require.NoError(t, budget.Close())
	require.NoError(t, budget.Close())
	require.Zero(t, budget.Used())

	_, err = Open(context.Background(), "db", *o)
	require.ErrorIs(t, err, ErrClosed)
	_, err = Check(t.Context(), "db", *o)
	require.ErrorIs(t, err, ErrClosed)
}

// Regression test: if an iterator was open during Close, the store never closed the budget that it had
// made itself.
func TestLastIteratorOfAClosedStoreReleasesItsBudget(t *testing.T) {
	o := goldenOptions(t, vfstest.NewMem(vfstest.MemOptions{}), LogOff)
	o.Budget, o.BudgetBytes = nil, 4<<20
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("aa:1"), []byte("value")))
	it, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	require.ErrorIs(t, db.Close(), ErrOpen)
	require.False(t, db.o.Budget.closed)
	require.NoError(t, it.Close())
	require.True(t, db.o.Budget.closed)
	require.Zero(t, db.o.Budget.Used())
}
