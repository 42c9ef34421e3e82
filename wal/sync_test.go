package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// All callers that arrive during a sync share the next sync.
func TestOneSyncServesAllWaitingCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(chan struct{})
		faulty := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{Plan: holding(vfstest.OpSync, held, nil)})
		w, err := Create(faulty, logName, Options{})
		require.NoError(t, err)
		for range 20 { // Append does not wait for the sync of the first caller
			end, err := w.Append([]byte("record"))
			require.NoError(t, err)
			go func() { require.NoError(t, w.SyncTo(end)) }()
			synctest.Wait()
		}
		close(held)
		synctest.Wait()
		require.Equal(t, 2, faulty.Count(vfstest.OpSync))
		require.NoError(t, w.SyncTo(w.Size()))
		require.Equal(t, 2, faulty.Count(vfstest.OpSync), "everything is durable already")
		require.NoError(t, w.Close(false))
	})
}

// The writer writes a mark after each synced group and does not sync the mark separately.
func TestMarksAreNotSynced(t *testing.T) {
	faulty := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{})
	w, err := Create(faulty, logName, Options{})
	require.NoError(t, err)
	for i := range 10 {
		synced(t, w, "record")
		require.NoError(t, w.SyncTo(w.Size()))
		require.Equal(t, i+1, faulty.Count(vfstest.OpSync))
		require.Equal(t, 1+2*(i+1), faulty.Count(vfstest.OpWrite), "header, frames and marks")
	}
	require.NoError(t, w.Close(true))
	require.Equal(t, 12, faulty.Count(vfstest.OpSync), "one sync before the end frame and one after the end frame")
}

// A group is durable once it is synced, even if its mark cannot be written. Nothing is written
// after a failed mark.
func TestNothingIsWrittenAfterAFailedMark(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	for _, fault := range []error{syscall.EIO, vfstest.ShortWrite(syscall.ENOSPC)} {
		require.NoError(t, mem.RemoveAll(logName))
		w, err := Create(vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: vfstest.FailNth(2, fault, vfstest.OpWrite)}), logName, Options{})
		require.NoError(t, err)
		require.NoError(t, mem.SyncDir("."))
		end, err := w.Append([]byte("record"))
		require.NoError(t, err)
		require.NoError(t, w.SyncTo(end))
		_, err = w.Append(nil)
		require.ErrorIs(t, err, ErrFailed)
		require.ErrorIs(t, w.Close(true), ErrFailed)
		records, _, _, err := read(mem.CrashClone(vfstest.CrashOptions{}))
		require.NoError(t, err)
		require.Len(t, records, 1)
	}
}

// holding returns a plan that makes all operations of a kind wait for a channel, and makes all
// but the first fail with err.
func holding(op vfstest.Op, held chan struct{}, err error) vfstest.Plan {
	fail := vfstest.FailFrom(1, err, op)
	return func(c vfstest.Call) error {
		err := fail(c)
		if c.Op == op {
			<-held
		}
		return err
	}
}

// A sync covers only data that was written before it. Records written during a sync wait for the next
// sync; if the next sync fails, every waiting caller gets the error.
func TestRecordsWrittenDuringASyncWaitForTheNextSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(chan struct{})
		faulty := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{Plan: holding(vfstest.OpSync, held, syscall.EIO)})
		w, err := Create(faulty, logName, Options{BufferBytes: 512})
		require.NoError(t, err)
		for i := range 20 {
			end, err := w.Append(make([]byte, 1000))
			require.NoError(t, err)
			go func() {
				err := w.SyncTo(end)
				require.Equal(t, i > 0, errors.Is(err, ErrFailed), err)
			}()
			synctest.Wait()
		}
		require.Greater(t, faulty.Count(vfstest.OpWrite), 20)
		close(held)
		synctest.Wait()
		require.Equal(t, 2, faulty.Count(vfstest.OpSync))
		require.ErrorIs(t, w.Close(true), syscall.EIO)
	})
}

// The writer writes one frame at a time. During the write, Append fills the other buffer, and waits
// only when the other buffer is full too.
func TestAppendDoesNotWaitForAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		var held chan struct{}
		faulty := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
			if held != nil && c.Op == vfstest.OpWrite {
				<-held
			}
			return nil
		}})
		w, err := Create(faulty, logName, Options{BufferBytes: 512})
		require.NoError(t, err)
		held = make(chan struct{})
		end, err := w.Append([]byte{0})
		require.NoError(t, err)
		go func() { require.NoError(t, w.SyncTo(end)) }()
		synctest.Wait()
		appended := 0
		go func() {
			for i := 1; i < 100; i++ {
				_, err := w.Append(bytes.Repeat([]byte{byte(i)}, 100))
				require.NoError(t, err)
				appended++
			}
		}()
		synctest.Wait()
		require.Equal(t, 512/101, appended)
		require.Equal(t, 2, faulty.Count(vfstest.OpWrite), "header and one frame")
		close(held)
		synctest.Wait()
		require.Equal(t, 99, appended)
		require.NoError(t, w.Close(true))
		records, _, _, err := read(mem)
		require.NoError(t, err)
		require.Len(t, records, 100)
		for i, record := range records {
			require.Equal(t, byte(i), record[0])
		}
	})
}

func TestCloseWaitsForARunningSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(chan struct{})
		faulty := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{Plan: holding(vfstest.OpSync, held, nil)})
		w, err := Create(faulty, logName, Options{})
		require.NoError(t, err)
		end, err := w.Append([]byte("record"))
		require.NoError(t, err)
		go func() { require.NoError(t, w.SyncTo(end)) }()
		synctest.Wait()
		go func() { require.NoError(t, w.Close(false)) }()
		synctest.Wait()
		require.Zero(t, faulty.Count(vfstest.OpClose))
		require.NoError(t, w.Close(false))
		close(held)
		synctest.Wait()
		require.Equal(t, 1, faulty.Count(vfstest.OpClose))
	})
}

// Concurrent writers append under a lock, as the LSM store does, and each checks after SyncTo that
// its record survives a crash. The test runs several rounds: a bug that wrote a mark inside a
// record that continued in the next frame appeared in one of four rounds.
func TestRecordSurvivesACrashOnceSyncToReturns(t *testing.T) {
	for range 10 {
		checkSyncToSurvivesCrashes(t)
	}
}

func checkSyncToSurvivesCrashes(t *testing.T) {
	const writers, each = 8, 40
	mem := vfstest.NewMem(vfstest.MemOptions{})
	faulty := vfstest.NewFaulty(mem, vfstest.FaultyOptions{})
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
				requireNumbered(t, mem.CrashClone(vfstest.CrashOptions{}), mine+1)
			}
		})
	}
	group.Wait()
	require.NoError(t, w.Close(true))
	requireNumbered(t, mem, writers*each)
	t.Logf("%d syncs for %d records", faulty.Count(vfstest.OpSync), writers*each)
}

// requireNumbered requires that a log has at least the given number of records, in order.
func requireNumbered(t *testing.T, fsys vfs.FS, least uint32) {
	n := uint32(0)
	_, err := Read(context.Background(), fsys, logName, func(record []byte, end int64) error {
		require.Equal(t, n, binary.BigEndian.Uint32(record))
		n++
		return nil
	})
	require.NoError(t, err)
	require.GreaterOrEqual(t, n, least)
}

// If SyncTo returns nil while Close runs, the record must be durable.
func TestSyncToIsReliableDuringClose(t *testing.T) {
	for range 50 {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		w, err := Create(mem, logName, Options{})
		require.NoError(t, err)
		require.NoError(t, mem.SyncDir("."))
		end, err := w.Append(make([]byte, 1000))
		require.NoError(t, err)
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if w.SyncTo(end) == nil {
					records, _, _, err := read(mem.CrashClone(vfstest.CrashOptions{}))
					require.NoError(t, err)
					require.Len(t, records, 1)
				}
			})
		}
		require.NoError(t, w.Close(true))
		group.Wait()
	}
}
