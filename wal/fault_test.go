package wal

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

var causes = []error{syscall.EIO, syscall.ENOSPC, vfstest.ShortWrite(syscall.EIO)}

// Each operation of a log fails in turn, once or permanently. The failure must be reported,
// nothing may be written after it, and records acknowledged before must survive a crash.
func TestFailureIsPermanentAndLosesNoAcknowledgedRecord(t *testing.T) {
	faults := 0
	for _, steps := range scripts {
		counting := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{})
		require.NoError(t, new(script).play(counting, steps))
		for n := range counting.Count() {
			for _, cause := range causes {
				for _, plan := range []vfstest.Plan{vfstest.FailNth(n, cause), vfstest.FailFrom(n, cause)} {
					faults++
					mem := vfstest.NewMem(vfstest.MemOptions{})
					faulty := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: plan})
					var s script
					err := s.play(faulty, steps)
					require.ErrorIs(t, err, errors.Unwrap(&fs.PathError{Err: cause}))
					if s.w != nil && !s.closing && faulty.Count(vfstest.OpWrite) > 1 {
						requirePermanent(t, s.w, faulty, err)
					}
					for _, kept := range keptAfterACrash(uint64(n), 9) {
						s.requireKept(t, mem.CrashClone(kept))
					}
				}
			}
		}
	}
	t.Logf("%d faults", faults)
}

// requirePermanent requires that a failed log keeps returning the same error and does not change the
// file. After a failed write it still syncs data that was written before.
func requirePermanent(t *testing.T, w *Writer, faulty *vfstest.Faulty, err error) {
	require.ErrorIs(t, err, ErrFailed)
	final := errors.Is(err, ErrSync)
	before := faulty.Count()
	for range 2 {
		_, again := w.Append([]byte("more"))
		require.Equal(t, err, again)
		if final {
			require.Equal(t, err, w.SyncTo(0))
		} else {
			require.NoError(t, w.SyncTo(0))
		}
		if again := w.SyncTo(w.Size()); again != nil || final { // no error if only the mark failed
			require.Equal(t, err, again)
		}
		require.Equal(t, err, w.Flush())
	}
	require.Equal(t, before, faulty.Count())
	writes, closes := faulty.Count(vfstest.OpWrite), faulty.Count(vfstest.OpClose)
	again := w.Close(true)
	require.ErrorIs(t, again, ErrFailed)
	if final {
		require.Equal(t, err, again)
	}
	require.NoError(t, w.Close(true), "the first Close returned the error")
	require.Equal(t, writes, faulty.Count(vfstest.OpWrite), "nothing may be written after an error")
	require.Equal(t, closes+1, faulty.Count(vfstest.OpClose), "the file must be closed once")
	require.LessOrEqual(t, faulty.Count(), before+2)
}

// Records that were written before a failed write can be synced, by SyncTo or Close, and
// survive a crash; the record of the failed write does not.
func TestRecordsWrittenBeforeAFailedWriteCanBeSynced(t *testing.T) {
	for _, byClose := range []bool{false, true} {
		for _, cause := range causes {
			mem := vfstest.NewMem(vfstest.MemOptions{})
			full := false
			w, err := Create(vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
				if full && c.Op == vfstest.OpWrite {
					return cause
				}
				return nil
			}}), logName, Options{})
			require.NoError(t, err)
			require.NoError(t, mem.SyncDir("."))
			end, err := w.Append([]byte("written"))
			require.NoError(t, err)
			require.NoError(t, w.Flush())
			full = true
			lost, err := w.Append([]byte("not written"))
			require.NoError(t, err, "Append only fills the buffer")
			if byClose {
				require.ErrorIs(t, w.Close(true), ErrFailed)
				require.ErrorIs(t, w.SyncTo(end), fs.ErrClosed)
			} else {
				err = w.SyncTo(lost)
				require.ErrorIs(t, err, ErrFailed)
				require.NotErrorIs(t, err, ErrSync)
				require.NoError(t, w.SyncTo(end))
			}
			records, _, o, err := read(mem.CrashClone(vfstest.CrashOptions{Keep: 0}))
			require.NoError(t, err)
			require.Equal(t, [][]byte{[]byte("written")}, records)
			require.False(t, o.Clean)
			if !byClose {
				require.ErrorIs(t, w.Close(false), ErrFailed)
			}
		}
	}
}

// After a failed sync all calls return ErrSync, which a failed write does not return, and the writer
// syncs no more.
func TestNoSyncFollowsAFailedSync(t *testing.T) {
	faulty := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{Plan: vfstest.FailNth(0, syscall.ENOSPC, vfstest.OpSync)})
	w, err := Create(faulty, logName, Options{})
	require.NoError(t, err)
	end, err := w.Append([]byte("record"))
	require.NoError(t, err)
	for range 2 {
		err := w.SyncTo(end)
		require.ErrorIs(t, err, ErrSync)
		require.ErrorIs(t, err, ErrFailed)
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
	require.ErrorIs(t, w.Close(true), ErrSync)
	require.Equal(t, 1, faulty.Count(vfstest.OpSync))
}

func TestFailedCreateLeavesNoFile(t *testing.T) {
	for _, cause := range causes {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		_, err := Create(vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: vfstest.FailNth(0, cause, vfstest.OpWrite)}), logName, Options{})
		require.ErrorIs(t, err, cause)
		_, err = mem.Stat(logName)
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
}

// An error of the file system never counts as the end of a log.
func TestReadErrorIsNotTheEndOfTheLog(t *testing.T) {
	for _, cut := range []int{0, 1, 300} {
		log, _ := logOf(t, grouped...)
		mem := memOf(t, log[:len(log)-cut])
		counting := vfstest.NewFaulty(mem, vfstest.FaultyOptions{})
		_, _, _, err := read(counting)
		require.NoError(t, err)
		failed := 0
		for n := range counting.Count() - 1 { // the last operation is Close
			_, _, _, err := read(vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: vfstest.FailNth(n, syscall.EIO)}))
			require.ErrorIs(t, err, syscall.EIO)
			require.NotErrorIs(t, err, ErrCorrupt)
			failed++
		}
		require.GreaterOrEqual(t, failed, 3)
	}
}

func TestErrorOfTheCallbackEndsReading(t *testing.T) {
	log, s := logOf(t, grouped...)
	errCallback := errors.New("callback")
	calls := 0
	o, err := Read(context.Background(), memOf(t, log), logName, func([]byte, int64) error {
		if calls++; calls == 3 {
			return errCallback
		}
		return nil
	})
	require.Equal(t, errCallback, err)
	require.Equal(t, 3, calls)
	require.Equal(t, s.ends[1], o.Size)
}
