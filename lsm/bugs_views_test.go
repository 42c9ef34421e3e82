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

// Reads of a view, and Metrics, gave up what Peek had returned: the frame in the
// cache, or the bytes of an append. Protection: they drop nothing, and views have
// a lookup of their own.
func TestPeekedValuesStayWhileViewsAreRead(t *testing.T) {
	db := memoryStore(t, Options{Picker: idle{}, BudgetBytes: 4 << 20})
	rng := rand.New(rand.NewPCG(1, 2))
	value := make([]byte, 1000)
	random := func(i int) []byte {
		for at := range value {
			value[at] = byte(rng.Uint32())
		}
		return fmt.Appendf(nil, "%05d", i)
	}
	const keys = 8000 // twice what there is room for
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

// A view that was closed while a checkpoint was made of it let its tables go, and
// the checkpoint said that they were missing, as of a store that is damaged.
// Protection: View.flushed pins them.
func TestViewsMayCloseWhileTheyAreCheckpointed(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	var goOn func()
	disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: func(op vfstest.Op, _ string) {
		if op == vfstest.OpLink && goOn != nil {
			goOn()
		}
	}})
	db, err := Open(context.Background(), "db", Options{FS: disk, Picker: idle{}, Budget: storyBudget(t)})
	require.NoError(t, err)
	for range 3 {
		flushed(t, db, db.Append([]byte("a"), []byte("x")))
	}
	v, err := db.View()
	require.NoError(t, err)
	goOn = sync.OnceFunc(func() {
		require.NoError(t, v.Close())
		require.NoError(t, db.Compact(context.Background()))
		require.NoError(t, db.obsolete.close())
	})
	require.NoError(t, v.Checkpoint(t.Context(), "copy"))
	goOn = nil
	require.NoError(t, db.Close())
	db, err = Open(context.Background(), "copy", Options{FS: mem, Budget: storyBudget(t)})
	require.NoError(t, err)
	got, _, err := db.Get([]byte("a"), nil)
	require.NoError(t, err)
	require.Equal(t, "xxx", string(got))
	require.NoError(t, db.Close())
}
