package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// The tests of this file reproduce bugs of other systems. Each names the code that prevents
// the bug here, and was seen to fail without it.

// rocksdb#7701: after a log was cut in the middle, reading continued after the hole.
// rocksdb#6288, #6963: an I/O error was taken for the end of the log. Prevention: reader.read
// ends at the first incomplete frame, and reports it in Outcome; source.move returns every
// error of the file system unchanged, and io.ErrUnexpectedEOF if the file ends before its
// size.
func TestBug21HoleEndsTheLogAndAReadErrorDoesNot(t *testing.T) {
	log, s := logOf(t, add(10), syncAllBut(0), add(20), flush, add(30), flush)
	second := frames(log)[1]
	holed := bytes.Clone(log)
	clear(holed[second : second+40])
	records, _, o, err := read(memOf(t, holed))
	require.NoError(t, err)
	require.Equal(t, s.begun[:1], records)
	require.Equal(t, Outcome{Identity: s.w.Identity(), Size: int64(second), Torn: true}, o)

	for _, cause := range []error{syscall.EIO, io.EOF, nil} {
		short := &served{size: int64(len(log)), bytes: func(p []byte, at int64) (int, error) {
			if at+int64(len(p)) > int64(second) {
				return copy(p, log[min(at, int64(second)):second]), cause
			}
			return copy(p, log[at:]), nil
		}}
		_, err = Read(context.Background(), short, logName, func([]byte, int64) error { return nil })
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrCorrupt)
		if cause == syscall.EIO {
			require.ErrorIs(t, err, syscall.EIO)
		} else {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
	}
}

// rocksdb#2495: the error of a sync was ignored. cockroach#37102: a failed sync was repeated
// and succeeded without effect, because Linux marks the pages clean. bbolt#562. Prevention:
// Writer.failSync records the error permanently, and syncTo returns it before it syncs.
func TestBug23FailedSyncIsNeverRepeated(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	faulty := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: vfstest.FailNth(1, syscall.EIO, vfstest.OpSync)}) // only the second sync fails
	w, err := Create(faulty, logName, Options{})
	require.NoError(t, err)
	require.NoError(t, mem.SyncDir("."))
	synced(t, w, "first")
	flushed(t, w, "second")
	err = w.SyncTo(w.Size())
	require.ErrorIs(t, err, ErrFailed)
	require.ErrorIs(t, err, syscall.EIO)
	require.Equal(t, err, w.SyncTo(w.Size()))
	_, appendErr := w.Append([]byte("third"))
	require.Equal(t, err, appendErr)
	require.Equal(t, err, w.Close(true))
	require.Equal(t, 2, faulty.Count(vfstest.OpSync))
	records, _, o, err := read(mem.CrashClone(vfstest.CrashOptions{Keep: 1}))
	require.NoError(t, err)
	require.Equal(t, [][]byte{[]byte("first")}, records)
	require.False(t, o.Clean)
}

// pebble 032ab46: a number in the log was out of range, and the reader allocated memory for a count
// from the log. Prevention: reader.records checks each size before it uses the size, and reader.begun
// grows only by bytes that exist.
func TestBug28SizesAreNotTrusted(t *testing.T) {
	for _, size := range []uint64{2, 1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		for cut := range 11 {
			b := built(someIdentity, 1, 0)
			payload := append(binary.AppendUvarint(nil, size), 'r')
			b.frame('D', 0, payload[:min(cut+1, len(payload))])
			mem := memOf(t, b.log)
			before := allocatedBytes()
			got, _, o, err := read(mem)
			require.Less(t, allocatedBytes()-before, uint64(1<<20))
			require.Empty(t, got)
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
			} else {
				require.Less(t, size, uint64(1<<31))
				require.True(t, o.Torn)
			}
		}
	}
}

// badger#434, #476, #740, #1076: the reader took damage for a torn tail and cut off weeks of good
// data, or it took a torn tail of 2 GiB of zeros for damage, or read the whole tail into memory.
// Prevention: each frame records the position up to which the log was synced before it, and
// source.findProof searches for such a frame after the damage.
func TestBug34TornTailAndDamageAreDistinguished(t *testing.T) {
	log, s := logOf(t, add(10), syncAllBut(0), add(20), syncAllBut(0), add(30), flush, add(40), flush)
	at := dataFrames(log)
	for frame, want := range []error{ErrCorrupt, ErrCorrupt, nil, nil} {
		damaged := bytes.Clone(log)
		damaged[at[frame]+frameBytes] ^= 1
		records, _, o, err := read(memOf(t, damaged))
		require.ErrorIs(t, err, want)
		require.Equal(t, want == nil, err == nil)
		require.Len(t, records, frame)
		require.Equal(t, int64(at[frame]), o.Size)
	}

	for _, zeros := range []int64{1, 35, 36, 37, 512, windowBytes - 1, windowBytes + 1, maxTailBytes} {
		zeros = min(zeros, density.Of(t, int64(50<<20), maxTailBytes, maxTailBytes))
		largest := 0
		tail := &served{size: int64(len(log)) + zeros, bytes: func(p []byte, at int64) (int, error) {
			largest = max(largest, len(p))
			n := 0
			if at < int64(len(log)) {
				n = copy(p, log[at:])
			}
			clear(p[n:])
			return len(p), nil
		}}
		records := 0
		before := allocatedBytes()
		o, err := Read(context.Background(), tail, logName, func([]byte, int64) error { records++; return nil })
		require.NoError(t, err)
		require.Less(t, allocatedBytes()-before, uint64(4<<20))
		require.LessOrEqual(t, largest, 2<<20)
		require.Equal(t, 4, records)
		require.Equal(t, Outcome{Identity: s.w.Identity(), Size: int64(len(log)), Torn: true}, o)
	}
}

// served is a file system with one file, whose bytes a function provides.
type served struct {
	vfs.FS
	size  int64
	bytes func(p []byte, at int64) (int, error)
}

func (s *served) Open(string) (vfs.File, error) { return servedFile{served: s}, nil }

type servedFile struct {
	vfs.File
	served *served
}

func (f servedFile) ReadAt(p []byte, at int64) (int, error) { return f.served.bytes(p, at) }
func (f servedFile) Size() (int64, error)                   { return f.served.size, nil }
func (servedFile) Close() error                             { return nil }
