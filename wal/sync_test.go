package wal

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/vfs"
)

// Many come while one syncs: one more sync is enough for all of them.
func TestOneSyncIsForAllWhoWait(t *testing.T) {
	const others = 20
	began, release := make(chan struct{}), make(chan struct{})
	var syncs atomic.Int32
	mem := vfs.NewMem(vfs.MemOptions{})
	w, err := Create(vfs.NewFaulty(mem, vfs.FaultyOptions{Plan: func(c vfs.Call) error {
		if c.Op == vfs.OpSync && syncs.Add(1) == 1 {
			close(began)
			<-release
		}
		return nil
	}}), logName, Options{})
	require.NoError(t, err)
	append := func() int64 {
		end, err := w.Append([]byte("record"))
		require.NoError(t, err)
		return end
	}
	var group sync.WaitGroup
	syncTo := func(end int64) { group.Go(func() { require.NoError(t, w.SyncTo(end)) }) }
	syncTo(append())
	<-began
	for range others { // Append does not wait for the sync
		syncTo(append())
	}
	close(release)
	group.Wait()
	require.EqualValues(t, 2, syncs.Load())
	require.NoError(t, w.SyncTo(w.Size()))
	require.EqualValues(t, 2, syncs.Load(), "nothing to sync")
	require.NoError(t, w.Close(false))
}

// While one syncs, any number of frames can be written, and if the sync fails
// none of those who wait is told anything else.
func TestAFailedSyncFailsAllWhoWait(t *testing.T) {
	const others = 20
	began, release := make(chan struct{}), make(chan struct{})
	mem := vfs.NewMem(vfs.MemOptions{})
	faulty := vfs.NewFaulty(mem, vfs.FaultyOptions{Plan: func(c vfs.Call) error {
		if c.Op != vfs.OpSync {
			return nil
		}
		close(began) // panics if there is a second one
		<-release
		return syscall.EIO
	}})
	w, err := Create(faulty, logName, Options{BufferBytes: 512})
	require.NoError(t, err)
	var group sync.WaitGroup
	for i := range others {
		end, err := w.Append(make([]byte, 1000))
		require.NoError(t, err)
		group.Go(func() { require.ErrorIs(t, w.SyncTo(end), ErrFailed) })
		if i == 0 {
			<-began
		}
	}
	require.Greater(t, faulty.Count(vfs.OpWrite), others)
	close(release)
	group.Wait()
	require.ErrorIs(t, w.Close(true), syscall.EIO)
	records, _, _, err := read(mem.CrashClone(vfs.CrashOptions{}))
	if err == nil {
		require.Empty(t, records)
	}
}

// Writers under a lock, as the tree has them, each of whom looks for its record
// behind a crash when SyncTo has returned.
func TestWhatSyncToPromisedIsThereWhoeverSynced(t *testing.T) {
	const writers, each = 8, 40
	mem := vfs.NewMem(vfs.MemOptions{})
	faulty := vfs.NewFaulty(mem, vfs.FaultyOptions{})
	w, err := Create(faulty, logName, Options{BufferBytes: 512})
	require.NoError(t, err)
	require.NoError(t, mem.SyncDir("."))
	var tree sync.Mutex
	next := uint32(0)
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range each {
				tree.Lock()
				mine := next
				next++
				end, err := w.Append(binary.BigEndian.AppendUint32(nil, mine), make([]byte, mine%700))
				tree.Unlock()
				require.NoError(t, err)
				require.LessOrEqual(t, end, w.Size())
				require.NoError(t, w.SyncTo(end))
				requireNumbered(t, mem.CrashClone(vfs.CrashOptions{}), mine+1)
			}
		})
	}
	group.Wait()
	require.NoError(t, w.Close(true))
	requireNumbered(t, mem, writers*each)
	t.Logf("%d syncs for %d records", faulty.Count(vfs.OpSync), writers*each)
}

// requireNumbered sees that a log has at least so many records, in order.
func requireNumbered(t *testing.T, fsys vfs.FS, least uint32) {
	n := uint32(0)
	_, err := Read(fsys, logName, func(record []byte, end int64) error {
		require.Equal(t, n, binary.BigEndian.Uint32(record))
		n++
		return nil
	})
	require.NoError(t, err)
	require.GreaterOrEqual(t, n, least)
}

// Those who wait when the log is closed are told the truth.
func TestCloseAndSyncToAtTheSameTime(t *testing.T) {
	for range 50 {
		mem := vfs.NewMem(vfs.MemOptions{})
		w, err := Create(mem, logName, Options{})
		require.NoError(t, err)
		require.NoError(t, mem.SyncDir("."))
		end, err := w.Append(make([]byte, 1000))
		require.NoError(t, err)
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if w.SyncTo(end) == nil {
					records, _, _, err := read(mem.CrashClone(vfs.CrashOptions{}))
					require.NoError(t, err)
					require.Len(t, records, 1)
				}
			})
		}
		require.NoError(t, w.Close(true))
		group.Wait()
	}
}
