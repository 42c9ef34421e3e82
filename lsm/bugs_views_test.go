package lsm

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// Reads of a view and calls of Metrics released the memory of a value that Peek had returned: the
// cache frame, or the joined bytes of appends. Protection: these calls release nothing, and views use
// their own Lookup.
func TestReadsOfAViewKeepPeekedValuesValid(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}, BudgetBytes: 4 << 20})
	rng := rand.New(rand.NewPCG(1, 2))
	value := make([]byte, 1000)
	random := func(i int) []byte {
		for at := range value {
			value[at] = byte(rng.Uint32())
		}
		return fmt.Appendf(nil, "%05d", i)
	}
	const keys = 8000 // twice as many as the cache can hold
	for i := range keys {
		write := []func(_, _ []byte) error{db.Put, db.Append}[i%2]
		require.NoError(t, write(random(i), value))
	}
	flushed(t, db)
	v, err := db.View()
	require.NoError(t, err)
	for i := range 2 {
		want, _, err := db.Get(fmt.Appendf(nil, "%05d", i), nil)
		require.NoError(t, err)
		peeked, _, err := db.Peek(fmt.Appendf(nil, "%05d", i))
		require.NoError(t, err)
		_ = db.Metrics()
		for i := range keys {
			value, _, err = v.Get(fmt.Appendf(nil, "%05d", i), value[:0])
			require.NoError(t, err)
		}
		require.True(t, bytes.Equal(want, peeked), "%d", i)
	}
	require.NoError(t, v.Close())
}

// If a view was closed during its Checkpoint, its tables were removed, and Checkpoint reported them as
// missing like tables of a corrupt store. Protection: View.flushed pins the tables.
func TestViewsCanCloseDuringTheirCheckpoint(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	var afterLink func()
	disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: func(op vfstest.Op, _ string) {
		if op == vfstest.OpLink && afterLink != nil {
			afterLink()
		}
	}})
	db, err := Open(context.Background(), "db", Options{FS: disk, Picker: idle{}, Budget: storyBudget(t)})
	require.NoError(t, err)
	for range 3 {
		flushed(t, db, db.Append([]byte("a"), []byte("x")))
	}
	v, err := db.View()
	require.NoError(t, err)
	afterLink = sync.OnceFunc(func() {
		require.NoError(t, v.Close())
		require.NoError(t, db.Compact(context.Background()))
		require.NoError(t, db.obsolete.close())
	})
	require.NoError(t, v.Checkpoint(t.Context(), "copy"))
	afterLink = nil
	require.NoError(t, db.Close())
	db, err = Open(context.Background(), "copy", Options{FS: mem, Budget: storyBudget(t)})
	require.NoError(t, err)
	got, _, err := db.Get([]byte("a"), nil)
	require.NoError(t, err)
	require.Equal(t, "xxx", string(got))
	require.NoError(t, db.Close())
}
