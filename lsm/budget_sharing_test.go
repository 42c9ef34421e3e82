package lsm

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/await"
	"github.com/weirstate/weir/vfs/vfstest"
)

// Regression test: another store of the budget caused the memtable with Peek's value to be sealed and
// freed. A read of the value then crashed the process.
func TestPeekedValueStaysValidWhenOtherStoresNeedMemory(t *testing.T) {
	mem, b := vfstest.NewMem(vfstest.MemOptions{}), NewBudget(4<<20)
	open := func(name string) *DB {
		db, err := Open(context.Background(), name, Options{FS: mem, Budget: b, MemtableBytes: 1 << 20})
		require.NoError(t, err)
		return db
	}
	quiet, busy := open("quiet"), open("busy")
	fillMemtable(t, quiet, 0, 800<<10)
	want := bytes.Repeat([]byte("peeked"), 100)
	require.NoError(t, quiet.Put([]byte("the key "), want))
	peeked, found, err := quiet.Peek([]byte("the key "))
	require.NoError(t, err)
	require.True(t, found)

	deadline := await.Deadline(t)
	for i := 0; quiet.Metrics().Flushes == 0; i++ {
		require.True(t, time.Now().Before(deadline), "the busy store has not forced a flush of the quiet one")
		require.NoError(t, busy.Put(binary.BigEndian.AppendUint64(nil, uint64(i)), make([]byte, 1<<10)))
		if i%64 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	require.True(t, bytes.Equal(want, peeked))
	require.NoError(t, quiet.Close())
	require.NoError(t, busy.Close())
	require.NoError(t, b.Close())
}
