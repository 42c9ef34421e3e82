package fuzz

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
	"github.com/weirstate/weir/wal"
)

// FuzzWalReader reads arbitrary bytes as a log: unchanged, or as choices for frames with correct
// checksums and perhaps a flipped bit. Read must accept a prefix or return a typed error.
func FuzzWalReader(f *testing.F) {
	const unchanged, assemble = 0, 1
	for _, name := range []string{"v1-empty", "v1-clean", "v1-unclean", "v1-long"} {
		data, err := os.ReadFile("../wal/testdata/" + name + ".wal")
		require.NoError(f, err)
		seed(f, name, data, byte(unchanged))
		seed(f, name+" cut", data[:len(data)-5], byte(unchanged))
	}
	seed(f, "huge size", []byte("\x01\x00\x07\xff\xff\xff\xff\x07abc"), byte(assemble))
	for i := range uint64(8) {
		seed(f, fmt.Sprint("assembled random ", i), randomBytes(i, 200), byte(assemble))
	}
	f.Fuzz(func(t *testing.T, data []byte, how byte) {
		if how%2 == assemble {
			data = assembledLog(&input{data})
		}
		mem := vfstest.NewMem(vfstest.MemOptions{})
		writeLog(t, mem, data)
		var o wal.Outcome
		var err error
		recordBytes, last := 0, int64(36)
		took := allocatedBytes(func() {
			o, err = wal.Read(context.Background(), mem, "log", func(record []byte, end int64) error {
				recordBytes += len(record)
				if end <= last || end > int64(len(data)) {
					t.Fatalf("a record ends at %d, the previous one at %d", end, last)
				}
				last = end
				return nil
			})
		})
		if limit := 4<<20 + 16*uint64(len(data)); took > limit { // includes allocations of the fuzzer
			t.Fatalf("reading %d bytes allocates %d", len(data), took)
		}
		if err != nil {
			if !errors.Is(err, wal.ErrCorrupt) && !errors.Is(err, wal.ErrVersion) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if recordBytes > len(data) || o.Size > int64(len(data)) || o.Clean && o.Torn {
			t.Fatalf("%d bytes in records, of %d: %+v", recordBytes, len(data), o)
		}
		if !o.Clean && o.Torn != (o.Size < int64(len(data))) {
			t.Fatalf("%d bytes: %+v", len(data), o)
		}
		if o.Clean {
			data[int(o.Size)/2] ^= 1
			flipped := vfstest.NewMem(vfstest.MemOptions{})
			writeLog(t, flipped, data)
			if _, err := wal.Read(context.Background(), flipped, "log", func([]byte, int64) error { return nil }); !errors.Is(err, wal.ErrCorrupt) {
				t.Fatalf("flipped bit in a clean log: %v, want ErrCorrupt", err)
			}
		}
	})
}

func writeLog(t *testing.T, mem *vfstest.Mem, data []byte) {
	file, err := mem.Create("log")
	require.NoError(t, err)
	_, err = file.Write(data)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

// assembledLog returns a log of random frames by docs/format-wal.md; it may be invalid.
func assembledLog(in *input) []byte {
	identity := []byte("identity of 16 b")
	log := slices.Concat([]byte("WEIRWLOG\x00\x01\x00\x00"), identity)
	log = binary.BigEndian.AppendUint64(log, xxhash.Sum64(log))
	borders := []int{0, len(log)}
	for in.more() && len(log) < 1<<16 {
		kind := "DDDDDMEX"[in.choice(8)]
		synced := borders[in.choice(len(borders))]
		payload := in.bytes(60)
		if kind == 'D' && in.choice(4) > 0 {
			payload = append(binary.AppendUvarint(nil, uint64(len(payload))), payload...)
		}
		if kind == 'E' || kind == 'M' {
			synced, payload = len(log), payload[:0]
		}
		log = appendLogFrame(log, identity[:8], kind, synced, payload)
		borders = append(borders, len(log))
	}
	if flip := in.choice(4); flip == 1 {
		log[int(in.uint64()%uint64(len(log)))] ^= 1 << in.choice(8)
	}
	return log
}

func appendLogFrame(log, tag []byte, kind byte, synced int, payload []byte) []byte {
	front := binary.BigEndian.AppendUint64(slices.Clone(tag), uint64(synced))
	front = binary.BigEndian.AppendUint64(front, xxhash.Sum64(payload))
	back := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	position := binary.BigEndian.AppendUint64(nil, uint64(len(log)))
	front = binary.BigEndian.AppendUint64(front, xxhash.Sum64(slices.Concat(position, front, back)))
	return slices.Concat(log, front, back, payload)
}
