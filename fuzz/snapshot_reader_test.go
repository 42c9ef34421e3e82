package fuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// FuzzSnapshotReader reads arbitrary bytes, and restores small ones into a backend: unchanged,
// with correct checksums, or as choices for a file with correct blocks and index.
func FuzzSnapshotReader(f *testing.F) {
	const unchanged, fixChecksums, assemble = 0, 1, 2
	files := validFiles(f)
	for name, file := range files {
		seed(f, name, file, byte(unchanged))
		seed(f, name+" resealed", file, byte(fixChecksums))
	}
	seed(f, "assembled value", []byte("\x00\x01\x00\x03key\x01n\x00\x01\x05value"), byte(assemble))
	seed(f, "assembled list", []byte("\x00\x01\x01\x03key\x00\x04\x00\x00\x00\x00\x02\x05\x02\x00a\x02\x00"), byte(assemble))
	seed(f, "assembled timers", []byte("\x00\x02\x05\x03key\x00\x00\x00\x00\x05\x03kez\x00\x00\x00\x00"), byte(assemble))
	seed(f, "assembled large", []byte("\x02\x81\x00\x03key\x01n\x00\x01\x05value\x01\x01\x02\x01k\x00\x01x\x01\x04abcd"), byte(assemble))
	for i := range uint64(8) {
		seed(f, fmt.Sprint("assembled random ", i), randomBytes(i, 100), byte(assemble))
	}
	header := files["empty"][preambleBytes : len(files["empty"])-trailerBytes-frameBytes-1]
	f.Fuzz(func(t *testing.T, file []byte, how byte) {
		switch how % 3 {
		case fixChecksums:
			file = withChecksums(file)
		case assemble:
			file = assembled(&input{file}, header)
		}
		var size int
		var err error
		took := allocatedBytes(func() { size, err = readAll(file) })
		if limit := 64<<20 + 4*uint64(len(file)); took > limit {
			t.Fatalf("reading %d bytes allocates %d", len(file), took)
		}
		if err != nil {
			if !errors.Is(err, snapshot.ErrCorrupt) && !errors.Is(err, snapshot.ErrVersion) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if size <= 1<<20 {
			restoreFile(t, file)
		}
	})
}

// validFiles returns valid files with rows of all kinds, by name.
func validFiles(t testing.TB) map[string][]byte {
	empty := newJob(t, heapstate.NewHash)
	small := newJob(t, heapstate.NewHash)
	require.NoError(t, small.keyed.SetKey("key"))
	require.NoError(t, small.value.Set("v"))
	full := newJob(t, heapstate.NewHash)
	for i := range 3 {
		require.NoError(t, full.keyed.SetKey(fmt.Sprint("k\x00", i)))
		full.setNamespace(t, strings.Repeat("n", i))
		require.NoError(t, full.value.Set("value"))
		require.NoError(t, full.list.AddAll([]string{"a", "", "b"}))
		require.NoError(t, full.mapping.PutAll(map[string]int32{"": 1, "x": -1, "y": 0}))
		require.NoError(t, full.sum.Add(5))
		require.NoError(t, full.joined.Add("j"))
		require.NoError(t, full.timers.Register(state.EventTime, int64(i), nil))
		require.NoError(t, full.timers.Register(state.ProcessingTime, -int64(i), []byte("n")))
	}
	packed := newJob(t, heapstate.NewHash)
	require.NoError(t, packed.keyed.SetKey("key"))
	require.NoError(t, packed.value.Set(strings.Repeat("long ", 1000)))
	files := make(map[string][]byte)
	for name, j := range map[string]*job{"empty": empty, "small": small, "full": full} {
		file, _ := takeSnapshot(t, j.backend, snapshot.None)
		files[name] = withIdentity(file, "0123456789abcdef")
	}
	file, _ := takeSnapshot(t, packed.backend, snapshot.Zstd)
	files["packed"] = withIdentity(file, "0123456789abcdef")
	return files
}

// readAll reads all rows and returns the sum of their sizes in bytes.
func readAll(file []byte) (size int, err error) {
	r, err := snapshot.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	var rows int64
	groups := r.Keyspace().Groups
	for group := int(groups.First); group <= int(groups.Last); group++ {
		err := r.Rows(uint16(group), func(key, value []byte) error {
			rows++
			size += len(key) + len(value)
			return nil
		})
		if err != nil {
			return size, err
		}
	}
	if rows != r.Len() {
		return size, fmt.Errorf("%d rows, Len is %d", rows, r.Len())
	}
	return size, nil
}

// restoreFile restores a readable file with any states. If the backend accepts the file, its
// own snapshot must restore to the same rows.
func restoreFile(t *testing.T, file []byte) {
	ctx := context.Background()
	files := memory{"state": file}
	h, err := snapshot.ReadHandle(ctx, files, "state")
	require.NoError(t, err)
	allow := snapshot.RestoreOptions{AllowUnclaimed: true}
	j := newJob(t, heapstate.NewHash)
	done, err := snapshot.Restore(ctx, j.backend, files, []snapshot.Handle{h}, allow)
	if err != nil {
		for _, expected := range []error{
			snapshot.ErrCorrupt, snapshot.ErrCoverage, state.ErrCorrupt, state.ErrIncompatible,
			state.ErrMaxParallelism, state.ErrStateCollision,
		} {
			if errors.Is(err, expected) {
				return
			}
		}
		t.Fatalf("%T %v", err, err)
	}
	if done.Rows+done.Unclaimed != h.Rows {
		t.Fatalf("%+v of %d rows", done, h.Rows)
	}
	again, taken := takeSnapshot(t, j.backend, snapshot.Zstd)
	twice := newJob(t, heapstate.NewBTree)
	_, err = snapshot.Restore(ctx, twice.backend, memory{"state": again}, []snapshot.Handle{taken}, snapshot.RestoreOptions{})
	require.NoError(t, err)
	if !slices.Equal(contentOf(t, j.backend), contentOf(t, twice.backend)) {
		t.Fatal("the restored backend and the restore of its snapshot have different rows")
	}
}
