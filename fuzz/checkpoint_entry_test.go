package fuzz

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/vfs/vfstest"
)

// FuzzCheckpointEntry puts arbitrary bytes into the completed store: unchanged, with a correct
// checksum, or as the entry of the metadata next to it. A job must restore checkpoint 42 or
// return a typed error, and must not remove the entry.
func FuzzCheckpointEntry(f *testing.F) {
	const unchanged, fixChecksums, fitting = 0, 1, 2
	entry, err := os.ReadFile("../checkpoint/testdata/v1.entry")
	require.NoError(f, err)
	metadata, err := os.ReadFile("../checkpoint/testdata/v1-full.metadata")
	require.NoError(f, err)
	empty := writtenMetadata(1, &checkpoint.Checkpoint{Job: "flights", ID: 42, Attempt: 3})
	seed(f, "as it is", entry, metadata, byte(unchanged))
	seed(f, "resealed", entry, metadata, byte(fixChecksums))
	seed(f, "fitting", entry, metadata, byte(fitting))
	seed(f, "fitting empty", entry, empty, byte(fitting))
	seed(f, "nothing", []byte{}, []byte{}, byte(unchanged))
	seed(f, "another version", append([]byte("WEIRDONE\x00\x02"), entry[10:]...), metadata, byte(fixChecksums))
	const name = "root/flights/completed/0000000000000000042"
	f.Fuzz(func(t *testing.T, entry, metadata []byte, how byte) {
		switch {
		case how%3 == fixChecksums:
			entry = entryWithChecksum(entry)
		case how%3 == fitting && len(entry) == 52:
			entry = append([]byte{}, entry...)
			binary.BigEndian.PutUint64(entry[28:], uint64(len(metadata)))
			binary.BigEndian.PutUint64(entry[36:], xxhash.Sum64(metadata))
			entry = entryWithChecksum(entry)
		}
		disk := vfstest.NewMem(vfstest.MemOptions{})
		plant(t, disk, name, entry)
		plant(t, disk, "root/flights/chk-42/_metadata", metadata)
		took := allocatedBytes(func() { beginAttempt(t, disk) })
		if limit := 8<<20 + 64*uint64(len(metadata)+len(entry)); took > limit {
			t.Fatalf("beginning with an entry of %d bytes and metadata of %d allocates %d", len(entry), len(metadata), took)
		}
		left, err := disk.Open(name)
		require.NoError(t, err)
		size, err := left.Size()
		require.NoError(t, err)
		require.EqualValues(t, len(entry), size)
	})
}

// plant creates an object in the storage.
func plant(t *testing.T, disk *vfstest.Mem, name string, content []byte) {
	objects, err := checkpoint.FilesOn(disk, "root")
	require.NoError(t, err)
	file, err := objects.Create(context.Background(), name[len("root/"):])
	require.NoError(t, err)
	_, err = file.Write(content)
	require.NoError(t, err)
	require.NoError(t, file.Commit())
}

// noTasks are the checkpoint.Tasks of a job that takes no checkpoint.
type noTasks struct{ checkpoint.Tasks }

// beginAttempt begins an attempt of a job with the operators of the fixture.
func beginAttempt(t *testing.T, disk *vfstest.Mem) {
	ctx := context.Background()
	objects, err := checkpoint.FilesOn(disk, "root")
	require.NoError(t, err)
	storage, err := checkpoint.NewStorage(objects, checkpoint.StorageOptions{})
	require.NoError(t, err)
	c, err := checkpoint.NewCoordinator(ctx, checkpoint.Options{Job: "flights", Storage: storage})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	a, err := c.Begin(ctx, noTasks{}, []checkpoint.Subtasks{
		{Operator: "counts", Parallelism: 3}, {Operator: "idle", Parallelism: 1},
		{Operator: "source", Parallelism: 2}, {Operator: "stateless", Parallelism: 1},
	})
	if err != nil {
		for _, expected := range []error{
			checkpoint.ErrNotRestorable, checkpoint.ErrForeign, checkpoint.ErrOperator, checkpoint.ErrVersion,
		} {
			if errors.Is(err, expected) {
				return
			}
		}
		t.Fatalf("%T %v", err, err)
	}
	if a.Restored() == nil || a.Restored().ID != 42 {
		t.Fatal("the checkpoint was skipped without an error")
	}
}

// entryWithChecksum returns entry with correct magic and checksum.
func entryWithChecksum(entry []byte) []byte {
	if len(entry) < 12+8 {
		return entry
	}
	entry = append([]byte("WEIRDONE"), entry[8:len(entry)-8]...)
	return binary.BigEndian.AppendUint64(entry, xxhash.Sum64(entry))
}
