package wal

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// rotateBytes is the size at which the LSM store starts the next log: approx. one memtable.
const rotateBytes = 64 << 20

// BenchmarkAppendBuffered measures a log that is never synced, with records of 100 bytes in
// two parts, a key and a value. "to=nothing" writes to a file system that discards everything,
// and so shows the cost without the file system.
func BenchmarkAppendBuffered(b *testing.B) {
	for _, to := range []string{"disk", "nothing"} {
		for _, bufferBytes := range []int{64 << 10, 256 << 10} {
			b.Run(fmt.Sprintf("to=%s/buffer=%d", to, bufferBytes), func(b *testing.B) {
				var fsys vfs.FS = vfs.Real{}
				if to == "nothing" {
					fsys = nothing{}
				}
				name := filepath.Join(b.TempDir(), logName)
				create := func() *Writer {
					w, err := Create(fsys, name, Options{BufferBytes: bufferBytes})
					require.NoError(b, err)
					return w
				}
				w := create()
				key, value := make([]byte, 10), make([]byte, 90)
				b.SetBytes(100)
				b.ReportAllocs()
				for b.Loop() {
					end, err := w.Append(key, value)
					if err != nil {
						b.Fatal(err)
					}
					if end > rotateBytes {
						require.NoError(b, w.Close(false))
						require.NoError(b, fsys.Remove(name))
						w = create()
					}
				}
				require.NoError(b, w.Close(false))
			})
		}
	}
}

// nothing is a file system that accepts and discards everything.
type nothing struct{ vfs.FS }

func (nothing) Create(string) (vfs.File, error) { return nothingFile{}, nil }
func (nothing) Remove(string) error             { return nil }

type nothingFile struct{ vfs.File }

func (nothingFile) Write(p []byte) (int, error) { return len(p), nil }
func (nothingFile) Close() error                { return nil }

// BenchmarkGroupCommit measures concurrent writers that each wait until their record is
// durable.
func BenchmarkGroupCommit(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			fsys := vfstest.NewFaulty(vfs.Real{}, vfstest.FaultyOptions{}) // counts operations
			w, err := Create(fsys, filepath.Join(b.TempDir(), logName), Options{})
			require.NoError(b, err)
			defer w.Close(false)
			record := make([]byte, 100)
			var tree sync.Mutex
			next := func(left *int) bool {
				tree.Lock()
				*left--
				more := *left >= 0
				var end int64
				var err error
				if more {
					end, err = w.Append(record)
				}
				tree.Unlock()
				if more && err == nil {
					err = w.SyncTo(end)
				}
				if err != nil {
					b.Error(err)
				}
				return more && err == nil
			}
			left := b.N
			var group sync.WaitGroup
			for range writers {
				group.Go(func() {
					for next(&left) {
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(b.N)/float64(max(1, fsys.Count(vfstest.OpSync))), "records/sync")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	w, err := Create(mem, logName, Options{})
	require.NoError(b, err)
	const records = 100_000
	for range records {
		_, err := w.Append(make([]byte, 100))
		require.NoError(b, err)
	}
	require.NoError(b, w.Close(true))
	b.SetBytes(w.Size())
	b.ReportAllocs()
	for b.Loop() {
		got := 0
		if _, err := Read(context.Background(), mem, logName, func([]byte, int64) error { got++; return nil }); err != nil || got != records {
			b.Fatal(got, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
}
