package wal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

func ignore([]byte, int64) error { return nil }

// sparseOf creates a sparse file of a given size on disk that begins with a log.
func sparseOf(t *testing.T, log []byte, sizeBytes int64) string {
	name := filepath.Join(t.TempDir(), logName)
	require.NoError(t, os.WriteFile(name, log, 0o600))
	require.NoError(t, os.Truncate(name, sizeBytes))
	return name
}

// cutHeader returns the header of a log without the last 7 bytes of its checksum, for a file that
// continues with zeros. It cuts 7 bytes, not 1, because the last byte is zero in 1 of 256 logs.
func cutHeader(log []byte) []byte { return log[:headerBytes-7] }

// A writer leaves at most maxTailBytes unsynced, so a crash leaves at most that many bytes after the
// damage. A longer tail is corruption; the reader does not search it for a frame as proof.
func TestHoleLargerThanAnyTailIsCorruption(t *testing.T) {
	log, _ := logOf(t, add(10), syncAllBut(0), add(20), flush)
	size := int64(len(log))
	for _, c := range []struct {
		name   string
		log    []byte
		damage int64
	}{{"after the records", log, size}, {"in the header", cutHeader(log), 0}} {
		for _, tail := range []int64{maxTailBytes + 1, 4 << 30} {
			t.Run(fmt.Sprint(c.name, " ", tail), func(t *testing.T) {
				disk := vfstest.NewFaulty(vfs.Real{}, vfstest.FaultyOptions{})
				_, err := Read(t.Context(), disk, sparseOf(t, c.log, c.damage+tail), ignore)
				require.ErrorIs(t, err, ErrCorrupt)
				require.LessOrEqual(t, disk.Count(vfstest.OpReadAt), 4)
			})
		}
	}
}

// A crash may leave up to maxTailBytes of zeros after the last frame; the log ends before the zeros.
func TestHoleUpToTheLargestTailEndsTheLog(t *testing.T) {
	log, s := logOf(t, add(10), syncAllBut(0), add(20), flush)
	size, most := int64(len(log)), int64(3*windowBytes)
	for _, tail := range []int64{1, frameBytes, windowBytes, most - 1, most, most + 1} {
		onDisk := sparseOf(t, log, size+tail)
		inMemory := memOf(t, append(log[:size:size], make([]byte, tail)...))
		for name, fsys := range map[string]vfs.FS{onDisk: vfs.Real{}, logName: inMemory} {
			o, err := readLog(t.Context(), fsys, name, most, ignore)
			if tail > most {
				require.ErrorIs(t, err, ErrCorrupt)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, Outcome{Identity: s.w.Identity(), Size: size, Torn: true}, o)
		}
	}
}

// The reader skips holes: a first read would fill the page cache with zeros, which takes seconds for
// 1 GiB. The reader still finds a frame after the hole.
func TestHoleIsSkippedAndAFrameAfterItIsFound(t *testing.T) {
	log, _ := logOf(t, add(10), syncAllBut(0), add(20), flush)
	tag := log[12:][:tagBytes]
	for name, content := range map[string][]byte{"records": log, "no header": cutHeader(log)} {
		for _, frameAfter := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", frameAfter), func(t *testing.T) {
				file := sparseOf(t, content, maxTailBytes)
				if frameAfter {
					at := int64(maxTailBytes - 5*windowBytes - 7)
					f, err := os.OpenFile(file, os.O_WRONLY, 0)
					require.NoError(t, err)
					_, err = f.WriteAt(emptyFrame(tag, at, kindMark), at)
					require.NoError(t, err)
					require.NoError(t, f.Close())
				}
				requireHoles(t, file)
				disk := vfstest.NewFaulty(vfs.Real{}, vfstest.FaultyOptions{})
				_, err := Read(t.Context(), disk, file, ignore)
				if frameAfter {
					require.ErrorIs(t, err, ErrCorrupt)
				} else {
					require.NoError(t, err)
				}
				require.LessOrEqual(t, disk.Count(vfstest.OpReadAt), 5)
			})
		}
	}
}

// requireHoles skips a test if the file system does not report holes.
func requireHoles(t *testing.T, name string) {
	f, err := vfs.Real{}.Open(name)
	require.NoError(t, err)
	defer f.Close()
	if vfs.NextData(f, 4<<20, maxTailBytes) == 4<<20 {
		t.Skip("the file system does not report holes")
	}
}

// A frame after a hole is found at any position, with and without a tag to search for.
func TestFrameAfterAHoleIsFound(t *testing.T) {
	log, _ := logOf(t, add(10), syncAllBut(0), add(20), flush)
	tag := log[12:][:tagBytes]
	for hole := range 40 {
		for _, at := range []int64{0, windowBytes - 50} {
			position := at + int64(hole)
			b := make([]byte, position+frameBytes)
			copy(b[position:], emptyFrame(tag, position+1, kindMark))
			for _, by := range [][]byte{tag, nil} {
				require.True(t, provesSynced(0, b, 1, by), "hole of %d bytes", position)
			}
			b[position+frameBytes-1] ^= 1
			require.False(t, provesSynced(0, b, 1, nil))
		}
	}
}

// After its context ends, Read begins at most one more read of the file.
func TestReadingEndsWithItsContext(t *testing.T) {
	log, _ := logOf(t, add(10), syncAllBut(0), add(20), flush)
	many := []step{}
	for range 40 {
		many = append(many, add(60_000), flush)
	}
	long, _ := logOf(t, many...)
	zeros := make([]byte, 8<<20) // written zeros, not a hole, so they are read
	for name, content := range map[string][]byte{"zeros": log, "records": long, "no header": cutHeader(log)} {
		t.Run(name, func(t *testing.T) {
			mem := memOf(t, slices.Concat(content, zeros))
			for _, last := range []int64{1, 2, 7} { // number of reads before the context ends
				ctx, cancel := context.WithCancelCause(t.Context())
				var reads atomic.Int64
				disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
					if c.Op == vfstest.OpReadAt && reads.Add(1) == last {
						cancel(errEnough)
					}
					return nil
				}})
				_, err := Read(ctx, disk, logName, ignore)
				require.ErrorIs(t, err, errEnough)
				require.LessOrEqual(t, reads.Load(), last+1)
			}
		})
	}
}

var errEnough = fmt.Errorf("enough")

// A writer never leaves more unsynced bytes than a reader accepts as a tail.
func TestWriterLeavesNoLargerTailThanAReaderAccepts(t *testing.T) {
	const most = 64 << 10
	mem := vfstest.NewMem(vfstest.MemOptions{})
	var unsynced, largest int64
	var w *Writer
	disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: func(op vfstest.Op, _ string) {
		if op == vfstest.OpWrite && w != nil {
			unsynced = w.start - w.durable // safe to read: this goroutine makes the write
			largest = max(largest, unsynced)
		}
	}})
	w, err := Create(disk, logName, Options{BufferBytes: 4 << 10})
	require.NoError(t, err)
	w.maxTailBytes = most
	for i := range 200 {
		_, err := w.Append(make([]byte, 100+i*37%9000))
		require.NoError(t, err)
		if i%3 == 0 {
			require.NoError(t, w.Flush())
		}
	}
	_, err = w.Append(make([]byte, 10*most)) // spans many frames
	require.NoError(t, err)
	require.NoError(t, w.Close(false))
	require.LessOrEqual(t, largest, int64(most))
	require.Greater(t, largest, int64(most/2), "must not sync more often than necessary")
	_, err = readLog(t.Context(), mem, logName, most, ignore)
	require.NoError(t, err)
}
