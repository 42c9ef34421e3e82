package wal

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

const logName = "log"

// read returns the records of a log and the positions after them.
func read(fsys vfs.FS) (records [][]byte, ends []int64, o Outcome, err error) {
	o, err = Read(context.Background(), fsys, logName, func(record []byte, end int64) error {
		records, ends = append(records, bytes.Clone(record)), append(ends, end)
		return nil
	})
	return records, ends, o, err
}

// someRecords returns records whose sizes are at borders of buffers, frames and encodings.
func someRecords(bufferBytes int) (records [][]byte) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{
		0, 1, 100, 127, 128, bufferBytes - 9, bufferBytes - 1, bufferBytes, bufferBytes + 1, 0,
		3 * bufferBytes, 3*bufferBytes - 2, 5, 16383, 16384, 10*bufferBytes + 7, 1,
	} {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		records = append(records, b)
	}
	return records
}

func TestReadReturnsAppendedRecordsAndPositions(t *testing.T) {
	for _, bufferBytes := range []int{512, 4000, 64 << 10, 1 << 20} {
		for _, clean := range []bool{false, true} {
			t.Run(fmt.Sprintf("buffer %d clean %v", bufferBytes, clean), func(t *testing.T) {
				mem := vfstest.NewMem(vfstest.MemOptions{})
				w, err := Create(mem, logName, Options{BufferBytes: bufferBytes})
				require.NoError(t, err)
				want := someRecords(bufferBytes)
				var ends []int64
				for _, record := range want {
					cut := len(record) / 3
					end, err := w.Append(record[:cut], nil, record[cut:])
					require.NoError(t, err)
					require.Equal(t, end, w.Size())
					ends = append(ends, end)
				}
				size := w.Size()
				require.NoError(t, w.Close(clean))
				records, gotEnds, o, err := read(mem)
				require.NoError(t, err)
				require.Equal(t, len(want), len(records))
				for i := range want {
					require.True(t, bytes.Equal(want[i], records[i]), i)
				}
				require.Equal(t, ends, gotEnds)
				require.Equal(t, Outcome{Identity: w.Identity(), Size: size, Clean: clean}, o)
			})
		}
	}
}
