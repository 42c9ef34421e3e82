package sstable

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// openReopenable is openModel for a table that Handles may close.
func openReopenable(t *testing.T, m *model, h *Handles) *Table {
	t.Helper()
	fsys := vfstest.NewMem(vfstest.MemOptions{})
	f, err := fsys.Create("table")
	require.NoError(t, err)
	m.write(t, f, WriterOptions{BlockBytes: 512})
	require.NoError(t, f.Close())
	open := func() (vfs.File, error) { return fsys.Open("table") }
	f, err = open()
	require.NoError(t, err)
	table, err := Open(f, ReaderOptions{Split: m.split, Handles: h, Reopen: open})
	require.NoError(t, err)
	return table
}

// A read of another table with the same Handles used to close the table during Verify, which then
// panicked because its index was gone.
func TestTableStaysOpenDuringVerify(t *testing.T) {
	m := numbered(200, 'v', 100)
	h := NewHandles(1, 1<<20)
	verified, other := openReopenable(t, &m, h), openReopenable(t, &m, h)
	steps := 0
	require.NoError(t, verified.Verify(t.Context(), func(int64, int64) {
		steps++
		other.lock.Lock()
		defer other.lock.Unlock()
		value(t, other, m.entries[steps%len(m.entries)].Key)
	}))
	require.Greater(t, steps, 10)
	for _, table := range []*Table{verified, other} {
		table.lock.Lock()
		require.NoError(t, table.Close())
		table.lock.Unlock()
	}
	require.Zero(t, h.OpenTables())
}
