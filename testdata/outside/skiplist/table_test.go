package skiplist_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/memtable/memtabletest"

	"example.org/outside/skiplist"
)

func TestSkipListConforms(t *testing.T) { memtabletest.Run(t, skiplist.New) }

func TestStoreRunsOnSkipLists(t *testing.T) {
	dir := t.TempDir()
	budget := lsm.NewBudget(8 << 20)
	options := lsm.Options{NewMemtable: skiplist.New, MemtableBytes: 256 << 10, Budget: budget}
	db, err := lsm.Open(context.Background(), dir, options)
	require.NoError(t, err)
	empty := budget.Used()
	key := func(i int) []byte { return fmt.Appendf(nil, "key %06d", i*7919%10_000) }
	for i := range 10_000 {
		require.NoError(t, db.Put(key(i), fmt.Appendf(nil, "value %d of a key", i)))
	}
	require.Greater(t, budget.Used(), empty, "the memory of the skip list counts")
	for i := range 10_000 {
		if i%3 == 0 {
			require.NoError(t, db.Delete(key(i)))
		}
	}
	verify := func() {
		for i := range 10_000 {
			value, found, err := db.Get(key(i), nil)
			require.NoError(t, err)
			require.Equal(t, i%3 != 0, found)
			if found {
				require.Equal(t, fmt.Sprintf("value %d of a key", i), string(value))
			}
		}
	}
	verify()
	require.NoError(t, db.Close())
	db, err = lsm.Open(context.Background(), dir, options)
	require.NoError(t, err)
	verify()
	require.NoError(t, db.Close())
	require.NoError(t, budget.Close())
}
